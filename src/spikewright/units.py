"""SI units: constants to multiply by, dimensions to check, quantities to read and show.

Inside Spikewright every number is a plain float in SI units. Write `20 * ms`. Units appear in three places
only: in neuron models (checked when the model is made), in data files (`"23.6 pJ"`) and on display.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

from spikewright.errors import UnitError, explain

s = 1.0
ms, us, ns, ps = 1e-3, 1e-6, 1e-9, 1e-12
V = 1.0
mV, uV = 1e-3, 1e-6
A = 1.0
mA, uA, nA, pA = 1e-3, 1e-6, 1e-9, 1e-12
ohm, kohm, Mohm, Gohm = 1.0, 1e3, 1e6, 1e9
S, mS, uS, nS, pS = 1.0, 1e-3, 1e-6, 1e-9, 1e-12
F, uF, nF, pF, fF = 1.0, 1e-6, 1e-9, 1e-12, 1e-15
Hz, kHz, MHz, GHz = 1.0, 1e3, 1e6, 1e9
J, mJ, uJ, nJ, pJ, fJ, aJ = 1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 1e-18
W, mW, uW, nW = 1.0, 1e-3, 1e-6, 1e-9

Dimension = tuple[Fraction, ...]
"""Exponents of (m, kg, s, A, K, weight). `weight` stands for the unit of the port that a projection reaches: synapse
models are written before that port is known."""

_BASE = ("m", "kg", "s", "A", "K", "weight")


def _dim(*exponents: int) -> Dimension:
    return tuple(Fraction(e) for e in (*exponents, *(0,) * (len(_BASE) - len(exponents))))


NONE: Dimension = _dim()
WEIGHT: Dimension = _dim(0, 0, 0, 0, 0, 1)

# symbol -> (factor to SI, dimension); prefixes are added below
_SYMBOLS: dict[str, tuple[float, Dimension]] = {
    "m": (1.0, _dim(1, 0, 0, 0, 0)),
    "s": (1.0, _dim(0, 0, 1, 0, 0)),
    "A": (1.0, _dim(0, 0, 0, 1, 0)),
    "K": (1.0, _dim(0, 0, 0, 0, 1)),
    "g": (1e-3, _dim(0, 1, 0, 0, 0)),
    "V": (1.0, _dim(2, 1, -3, -1, 0)),
    "ohm": (1.0, _dim(2, 1, -3, -2, 0)),
    "S": (1.0, _dim(-2, -1, 3, 2, 0)),
    "F": (1.0, _dim(-2, -1, 4, 2, 0)),
    "H": (1.0, _dim(2, 1, -2, -2, 0)),
    "C": (1.0, _dim(0, 0, 1, 1, 0)),
    "Wb": (1.0, _dim(2, 1, -2, -1, 0)),
    "Hz": (1.0, _dim(0, 0, -1, 0, 0)),
    "J": (1.0, _dim(2, 1, -2, 0, 0)),
    "W": (1.0, _dim(2, 1, -3, 0, 0)),
    "weight": (1.0, WEIGHT),
}
_PREFIXES = {
    "a": 1e-18,
    "f": 1e-15,
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "c": 1e-2,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
}
_UNSHOWN = ("g", "H", "C", "Wb")
"""Symbols that are read but not shown: other names of the same dimension say more to this field."""
_TERM = re.compile(r"^([A-Za-z]+)(?:\^?(-?\d+(?:\.\d+)?))?$")
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


def _symbol(text: str) -> tuple[float, Dimension] | None:
    if text in _SYMBOLS:
        return _SYMBOLS[text]
    if len(text) > 1 and text[0] in _PREFIXES and text[1:] in _SYMBOLS:
        factor, dimension = _SYMBOLS[text[1:]]
        return _PREFIXES[text[0]] * factor, dimension
    return None


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> tuple[float, Dimension]:
    """Return the factor to SI and the dimension of a unit such as ``"mV/s"`` or ``"s^-0.5"``.

    Raises
    ------
    UnitError : a symbol is not known

    Examples
    --------
    >>> parse_unit("mV")[0]
    0.001
    >>> parse_unit("V/A") == parse_unit("ohm")
    True
    """
    factor, dimension = 1.0, NONE
    if text.strip() in ("", "1"):
        return factor, dimension
    sign = 1
    for token in re.split(r"([*/])", text.replace(" ", "")):
        if token == "*":
            sign = 1
        elif token == "/":
            sign = -1
        elif token == "1":
            continue
        else:
            match = _TERM.match(token)
            known = _symbol(match.group(1)) if match else None
            if match is None or known is None:
                raise UnitError(
                    explain(
                        f"unit {text!r}",
                        f"unknown symbol {token!r}",
                        expected="SI symbols with a prefix, joined by * and /",
                        cure="write for instance 'mV', 'A*s', 'V/s' or 's^-0.5'",
                    )
                )
            power = sign * Fraction(match.group(2) or 1)
            factor *= known[0] ** float(power)
            dimension = tuple(a + power * b for a, b in zip(dimension, known[1], strict=True))
    return factor, dimension


def dimension_of(text: str) -> Dimension:
    """Return the dimension of a unit written as text."""
    return parse_unit(text)[1]


def multiply(a: Dimension, b: Dimension, power: Fraction | int = 1) -> Dimension:
    """Return the dimension of ``a * b**power``."""
    return tuple(x + power * y for x, y in zip(a, b, strict=True))


def quantity(text: str, *, unit: str | None = None) -> float:
    """Read a value with a unit, for instance ``"23.6 pJ"``, as a float in SI units.

    Parameters
    ----------
    text : the value and its unit
    unit : if given, the unit whose dimension `text` must have

    Raises
    ------
    UnitError : not a quantity, or of another dimension than `unit`

    Examples
    --------
    >>> quantity("20 ms", unit="s")
    0.02
    """
    match = _QUANTITY.match(text)
    if match is None:
        raise UnitError(
            explain(f"quantity {text!r}", "not a number with a unit", expected="e.g. '23.6 pJ'")
        )
    factor, dimension = parse_unit(match.group(2))
    if unit is not None and dimension != dimension_of(unit):
        raise UnitError(
            explain(
                f"quantity {text!r}",
                "wrong dimension",
                found=pretty(dimension),
                expected=pretty(dimension_of(unit)),
            )
        )
    # dividing by the inverse keeps 20 ms == 0.02 exactly
    value = float(match.group(1))
    return value / round(1 / factor) if factor < 1 and dimension else value * factor


def pretty(dimension: Dimension) -> str:
    """Return a short name of a dimension: a known symbol, a symbol per second, or base units."""
    if dimension == NONE:
        return "1"
    for symbol, (_, known) in _SYMBOLS.items():
        if known == dimension and symbol not in _UNSHOWN:
            return symbol
    for power, tail in ((-1, "/s"), (1, "*s")):
        for symbol, (_, known) in _SYMBOLS.items():
            if multiply(known, _SYMBOLS["s"][1], power) == dimension and symbol not in _UNSHOWN:
                return symbol + tail
    return "*".join(
        base if e == 1 else f"{base}^{e}"
        for base, e in zip(_BASE, dimension, strict=True)
        if e != 0
    )


def show(value: float, unit: str = "", *, digits: int = 3) -> str:
    """Write a value with the SI prefix that keeps it between 1 and 1000; prefixes are squared in areas.

    Examples
    --------
    >>> show(2.36e-11, "J")
    '23.6 pJ'
    >>> show(4.7e-7, "m^2")
    '0.47 mm^2'
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".strip()
    if not unit or unit == "1":
        return f"{value:.{digits}g}"
    magnitude = abs(value)
    power = int(unit[-1]) if unit[-2:] in ("^2", "^3") else 1
    if unit == "m^2" and 1e-9 <= magnitude < 1.0:  # chips are spoken of in square millimetres
        return f"{value * 1e6:.{digits}g} mm^2"
    for prefix, factor in (
        ("T", 1e12),
        ("G", 1e9),
        ("M", 1e6),
        ("k", 1e3),
        ("", 1.0),
        ("m", 1e-3),
        ("u", 1e-6),
        ("n", 1e-9),
        ("p", 1e-12),
        ("f", 1e-15),
        ("a", 1e-18),
    ):
        factor = factor**power
        if magnitude >= factor * (1 - 0.5 * 10.0**-digits):
            return f"{value / factor:.{digits}g} {prefix}{unit}"
    return f"{value:.{digits}g} {unit}"
