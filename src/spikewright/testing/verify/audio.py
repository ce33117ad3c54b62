"""Front ends for sound: what other implementations made of a noisy chirp, one case per stored array.

`carfac_<hair cell>.npz` holds a sound `x`, its rate `fs`, and `pole_freqs`, `nap` (activity) and `bm` (motion) of the
CARFAC cochlea; tolerance 1e-4 of an array's largest value, for the reference calculates in float32. `xylo*.npz` holds
14-bit samples and what Xylo Audio 3's front end makes of them, equal bit for bit: `filters` (their columns 1 to 4),
`filtered`, `spikes_separate`, `spikes_joint` and `spikes_fixed_2e<n>`, at a threshold of 2^n.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SpikewrightError
from spikewright.events.sound import Cochlea, HairCell, Normalization, XyloAudio3
from spikewright.events.sound.xylo import FILTERS
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_in

COCHLEA = 1e-4
FIXED = re.compile(r"^spikes_fixed_2e(\d{1,2})$")


def verify(folder: Path) -> list[Case]:
    """Compare every array in every `.npz` file of a folder.

    Raises
    ------
    VerifyError : the folder is missing or holds no vectors
    """
    return cases_in(folder, compare)


def compare(file: str, arrays: Arrays) -> list[Case]:
    """Return the cases of one file, one per array that is not input."""
    if file.startswith("carfac_"):
        return _cochlea(file, arrays)
    if file.startswith("xylo"):
        return _xylo(file, arrays)
    return [Case(file, False, "not recognized: neither carfac_* nor xylo*")]


def _cochlea(file: str, arrays: Arrays) -> list[Case]:
    kind = file.removeprefix("carfac_").removesuffix(".npz")
    if kind not in [cell.value for cell in HairCell]:
        return [Case(file, False, f"not recognized: hair cell {kind!r}")]
    rate = float(arrays["fs"])
    front = Cochlea(rate=rate, hair_cell=HairCell(kind))
    response = front.respond(arrays["x"], rate=rate)
    found = {
        "pole_freqs": front.frequencies,
        "nap": response.activity,
        "bm": response.motion,
    }
    cases = []
    for name in sorted(set(arrays) - {"x", "fs"}):
        if name not in found:
            cases.append(Case(f"{file}: {name}", False, "not recognized"))
            continue
        stored = arrays[name].astype(np.float64)
        scale = float(np.max(np.abs(stored), initial=0.0)) or 1.0
        wrong = difference(
            name, found[name], stored, tolerance=COCHLEA, scale=scale, of="of the largest"
        )
        error = "" if wrong else f"{np.max(np.abs(found[name] - stored)) / scale:.2g}"
        cases.append(
            Case(f"{file}: {name}", not wrong, wrong or f"equal: {error} <= {COCHLEA:g} of the largest")
        )  # fmt: skip
    return _all_there(file, cases, found)


def _xylo(file: str, arrays: Arrays) -> list[Case]:
    rate = float(arrays["fs"])
    x = arrays["x"]
    cases = []
    for name in sorted(set(arrays) - {"x", "fs"}):
        try:
            found = _of_xylo(name, x, rate)
        except SpikewrightError as error:
            cases.append(Case(f"{file}: {name}", False, str(error)))
            continue
        if found is None:
            cases.append(Case(f"{file}: {name}", False, "not recognized"))
            continue
        # the other columns are word lengths, on which none of these results depends
        stored = arrays[name][:, 1:5] if name == "filters" else arrays[name]
        wrong = difference(name, found, stored.astype(np.int64))
        cases.append(Case(f"{file}: {name}", not wrong, wrong or "equal bit for bit"))
    return _all_there(file, cases, ("filtered", "spikes_separate", "spikes_joint"))


def _of_xylo(name: str, x: NDArray[Any], rate: float) -> NDArray[np.int64] | None:
    if name == "filters":
        return np.array(FILTERS, np.int64)
    if name == "filtered":
        return XyloAudio3().filtered(x, rate=rate)
    fixed = FIXED.match(name)
    if fixed:
        front = XyloAudio3(Normalization.FIXED, threshold=1 << int(fixed[1]))
    elif name in ("spikes_separate", "spikes_joint"):
        front = XyloAudio3(Normalization(name.removeprefix("spikes_")))
    else:
        return None
    events = front.encode(x, rate=rate)
    spikes = np.zeros((len(x), *front.shape), np.int64)
    spikes[events.t, events.address] = 1
    return spikes


def _all_there(file: str, cases: list[Case], needed: Any) -> list[Case]:
    """Return the cases and a failure for each array that the file should hold."""
    held = {case.name for case in cases}
    lacking = [n for n in sorted(needed) if f"{file}: {n}" not in held]
    return cases + [Case(f"{file}: {n}", False, f"lacks '{n}'") for n in lacking]
