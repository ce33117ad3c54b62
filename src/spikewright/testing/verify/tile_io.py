"""Input and output conversion of a tile: stored results of a few converter settings, and of column wires.

A folder holds `.npz` files: weights `W`, inputs `X`, results `Y_<case>` and parameters `P_<case>` =
[inp_res, out_res, out_bound, ir_drop, nonlinearity]; the case's name says scaling (`none`, `absmax`) and bound
management (`iter`). `irT_*`: column wires, `irT_P` = [ohm per cell, converter's voltage, segments, inp_res], results
at a multiple of the resistance. Tolerance 1e-5, wires 1e-3, absolute (results are of order one).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SpikewrightError
from spikewright.substrates.pcm.converters import (
    BoundManagement,
    Converters,
    InputScaling,
    Quantizer,
    multiply,
)
from spikewright.substrates.pcm.wires import Wires
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_in

CONVERSION, WIRES = 1e-5, 1e-3
ROWS = 512
"""Physical rows of the reference's tile."""


def verify(folder: Path) -> list[Case]:
    """Compare every case in every `.npz` file of a folder.

    Raises
    ------
    VerifyError : the folder is missing or holds no vectors
    """
    return cases_in(folder, compare)


def compare(file: str, arrays: Arrays) -> list[Case]:
    """Return the cases of one file, one per `Y_<case>` and `irT_Y_<scale>`."""
    cases: list[Case] = []
    used = {"W", "X", "irT_W", "irT_X", "irT_P"}
    for key in sorted(arrays):
        if key.startswith("Y_"):
            case, run = key[2:], _conversion
            used |= {key, f"P_{case}"}
        elif key.startswith("irT_Y_scale"):
            case, run = key[4:], _wires
            used.add(key)
        else:
            continue
        try:
            cases.append(run(f"{file}: {case}", case, arrays))
        except KeyError as error:
            cases.append(Case(f"{file}: {case}", False, f"lacks {error}"))
        except (SpikewrightError, ValueError, TypeError) as error:
            cases.append(Case(f"{file}: {case}", False, str(error)))
    unknown = sorted(set(arrays) - used)
    if unknown or not cases:
        listed = ", ".join(unknown) or "no case"
        cases.append(Case(file, False, f"not recognized: {listed}"))
    return cases


def _conversion(name: str, case: str, arrays: Arrays) -> Case:
    inp_res, out_res, out_bound, ir_drop, nonlinearity = (float(v) for v in arrays[f"P_{case}"])
    if ir_drop or nonlinearity:
        return Case(name, False, "not recognized: wires or nonlinearity beside converters")
    words = case.split("_")
    converters = Converters(
        Quantizer(inp_res),
        Quantizer(out_res, out_bound),
        InputScaling.ABS_MAX if "absmax" in words else InputScaling.NONE,
        BoundManagement.ITERATIVE_TOGETHER if "iter" in words else BoundManagement.NONE,
    )
    return _case(
        name, multiply(arrays["W"], arrays["X"], converters), arrays[f"Y_{case}"], CONVERSION
    )


def _wires(name: str, case: str, arrays: Arrays) -> Case:
    resistance, v_column, segments, inp_res = (float(v) for v in arrays["irT_P"])
    scale = float(case.removeprefix("Y_scale"))
    # without resistance the reference leaves the wires out, the converter's offset with them
    wires = Wires(resistance * scale, ROWS, int(segments), v_column=v_column) if scale else None
    found = multiply(
        arrays["irT_W"], arrays["irT_X"], Converters(Quantizer(inp_res), None), wires=wires
    )
    return _case(name, found, arrays[f"irT_{case}"], WIRES)


def _case(name: str, found: NDArray[Any], stored: NDArray[Any], tolerance: float) -> Case:
    wrong = difference("y", found, stored, tolerance=tolerance)
    if wrong:
        return Case(name, False, wrong)
    error = np.abs(found - stored)
    return Case(name, True, f"equal: {error.max(initial=0.0):.2g} <= {tolerance:g}")
