"""Statistics of resistive devices: our models drawn many times against stored means, deviations and percentiles.

A folder holds `.npz` files with, per device family, the prefixes below; conductances in uS as in the files.
Tolerances: means 1 % of g_max, standard deviations 5 % relative, percentiles 2 % of g_max. An exponent has no g_max;
its full scale is the largest percentile stored for the family. `det_*`: noise-free drift, 1e-5 relative (stored as
float32).

Normal draws are stratified: the samples of one draw of one level are the quantiles of the normal distribution in random
order. What depends on a single draw then has no sampling error, the rest a small one.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.rng import key
from spikewright.substrates.pcm.devices import Hermes, PcmLike
from spikewright.substrates.pcm.fits import Devices
from spikewright.substrates.pcm.oxides import CmoHfox, OxideRram
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_in
from spikewright.units import uS

Array = NDArray[Any]

FAMILIES: dict[str, Devices] = {
    "pcm25": PcmLike(),
    "pcm40": PcmLike(g_max=40 * uS),
    "hermes1": Hermes(devices=1),
    "hermes2": Hermes(devices=2),
    "wan40": OxideRram(read_fraction=0.0),  # the stored spread is without short-term read noise
    "cmo": CmoHfox(),
}
SAMPLES = 20_000
"""Devices per level, stratified."""
CHUNK = 8
"""Levels drawn at a time."""
MEAN, DEVIATION, PERCENTILE, DRIFT = 0.01, 0.05, 0.02, 1e-5
SMALLEST_DEVIATION = 1e-6
"""Deviations below this share of full scale count as none."""


def verify(folder: Path, *, seed: int = 0) -> list[Case]:
    """Compare every family in every `.npz` file of a folder.

    Raises
    ------
    VerifyError : the folder is missing or holds no vectors
    """
    return cases_in(folder, lambda file, arrays: compare(file, arrays, seed))


def compare(file: str, arrays: Arrays, seed: int) -> list[Case]:
    """Return the cases of one file: a family with its programming, exponents and each time; the noise-free drift."""
    cases: list[Case] = []
    used = {"percentiles"}
    for prefix, family in FAMILIES.items():
        if f"{prefix}_g_target" not in arrays:
            continue
        used |= {name for name in arrays if name.startswith(f"{prefix}_")}
        try:
            cases += _family(f"{file}: {prefix}", prefix, family, arrays, seed)
        except KeyError as error:
            cases.append(Case(f"{file}: {prefix}", False, f"lacks {error}"))
    if "det_g" in arrays:
        used |= {name for name in arrays if name.startswith("det_")}
        try:
            cases.append(_noise_free(f"{file}: det", arrays))
        except KeyError as error:
            cases.append(Case(f"{file}: det", False, f"lacks {error}"))
    unknown = sorted(set(arrays) - used)
    if unknown or not cases:
        listed = ", ".join(unknown) or "no family of devices"
        cases.append(Case(file, False, f"not recognized: {listed}"))
    return cases


def _family(name: str, prefix: str, family: Devices, arrays: Arrays, seed: int) -> list[Case]:
    levels = np.asarray(arrays[f"{prefix}_g_target"], np.float64)
    times = np.asarray(arrays[f"{prefix}_t"], np.float64)
    percentiles = np.asarray(arrays["percentiles"], np.float64)
    programmed, exponent = _Statistics(percentiles), _Statistics(percentiles)
    read = [_Statistics(percentiles) for _ in times]
    for start in range(0, len(levels), CHUNK):
        generator = _Strata(key(seed, f"verify/device_noise/{prefix}/{start}"))
        target = np.tile(levels[start : start + CHUNK] * uS, (SAMPLES, 1))
        g = family.program(target, generator)
        nu = family.drift_exponent(target, generator)
        programmed.add(g / uS)
        exponent.add(nu)
        for n, t in enumerate(times):
            read[n].add(family.read(target, g, nu, float(t), generator) / uS)
    full = family.g_max / uS
    stored = {
        part: tuple(np.asarray(arrays[f"{prefix}_{part}{kind}"]) for kind in ("mean", "std", "pct"))
        for part in ("prog_", "nu_", "")
    }
    cases = [_case(f"{name} programmed", programmed, stored["prog_"], full, "g_max")]
    if isinstance(family, PcmLike | Hermes):
        scale = float(np.max(stored["nu_"][2]))
        cases.append(
            _case(f"{name} exponent", exponent, stored["nu_"], scale, "the largest exponent")
        )
    else:
        cases.append(_holds_target(f"{name} exponent", levels, stored["nu_"], full))
    if any(len(array) != len(times) for array in stored[""]):
        return [
            *cases,
            Case(name, False, f"{len(times)} times, but other rows in mean, std or pct"),
        ]
    cases += [
        _case(f"{name} t={t:g}s", read[n], tuple(a[n] for a in stored[""]), full, "g_max")
        for n, t in enumerate(times)
    ]
    return cases


class _Strata(np.random.Generator):
    """A generator whose normal draws of shape (samples, levels) are stratified along the samples."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        n, levels = size
        column = _quantiles(n)[:, None]
        return self.permuted(np.broadcast_to(column, (n, levels)), axis=0)


@lru_cache(maxsize=4)
def _quantiles(n: int) -> Array:
    """Return the normal distribution's quantiles at the middle of n equal shares."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((k + 0.5) / n) for k in range(n)])


class _Statistics:
    """Mean, deviation and percentiles of samples (samples, levels), gathered level by level."""

    def __init__(self, percentiles: Array) -> None:
        self.percentiles = percentiles
        self.parts: list[tuple[Array, Array, Array]] = []

    def add(self, samples: Array) -> None:
        self.parts.append(
            (
                samples.mean(axis=0),
                samples.std(axis=0),
                np.percentile(samples, self.percentiles, axis=0),
            )
        )

    def all(self) -> tuple[Array, ...]:
        return tuple(np.concatenate(parts, axis=-1) for parts in zip(*self.parts, strict=True))


def _case(name: str, found: _Statistics, stored: tuple[Array, ...], full: float, of: str) -> Case:
    mean, deviation, percentile = found.all()
    floor = SMALLEST_DEVIATION * full
    checks = (
        ("mean", mean, stored[0], full, MEAN, f"of {of}"),
        ("std", deviation, stored[1], np.maximum(stored[1], floor), DEVIATION, "relative"),
        ("percentile", percentile, stored[2], full, PERCENTILE, f"of {of}"),
    )
    worst = []
    for what, ours, theirs, scale, tolerance, unit in checks:
        wrong = difference(what, ours, theirs, tolerance=tolerance, scale=scale, of=unit)
        if wrong:
            return Case(name, False, wrong)
        error = np.abs(ours - theirs) / scale
        worst.append(f"{what} {error.max(initial=0.0):.2%} <= {tolerance:.0%} {unit}")
    return Case(name, True, "equal: " + ", ".join(worst))


def _holds_target(name: str, levels: Array, stored: tuple[Array, ...], full: float) -> Case:
    """A family without exponent stores its targets in their place."""
    for what, theirs in zip(("mean", "pct"), (stored[0], stored[2]), strict=True):
        error = np.abs(theirs - levels) / full
        if not (error <= MEAN).all():
            return Case(
                name,
                False,
                f"{what}: this family has no exponent, so targets are expected; "
                f"off by {np.nanmax(error):.2%} of g_max, tolerance {MEAN:.0%}",
            )
    if not (stored[1] <= SMALLEST_DEVIATION * full).all():
        return Case(name, False, f"std: {stored[1].max():.3g}, expected none: targets are exact")
    return Case(name, True, f"equal: no exponent, targets within {MEAN:.0%} of g_max")


def _noise_free(name: str, arrays: Arrays) -> Case:
    family = PcmLike()
    g, nu = np.asarray(arrays["det_g"], np.float64), np.asarray(arrays["det_nu"], np.float64)
    theirs = np.asarray(arrays["det_drift"], np.float64)
    ours = np.array([family.drift(g * uS, nu, float(t)) / uS for t in arrays["det_t"]])
    scale = np.maximum(np.abs(theirs), SMALLEST_DEVIATION)
    wrong = difference("det_drift", ours, theirs, tolerance=DRIFT, scale=scale, of="relative")
    if wrong:
        return Case(name, False, wrong)
    error = np.abs(ours - theirs) / scale
    return Case(name, True, f"equal: {error.max(initial=0.0):.2g} <= {DRIFT:g} relative")
