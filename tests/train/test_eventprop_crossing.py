"""Spike times of one neuron against closed forms, and near the threshold, where root finding is hard."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import lambertw

from spikewright.train.eventprop.crossing import first_crossing, peak_time, response

TAU = 5e-3


def membrane(u: float, y: float, a: float, b: float, s: float) -> float:
    return u * math.exp(-a * s) + y * response(a, b, s)


def quadratic(u: float, y: float, tau_s: float, level: float) -> float:
    """Return the crossing where tau_m = 2 tau_s: with x = exp(-s / tau_m), (u + j) x - j x^2 = level, j = y tau_m."""
    j = 2 * tau_s * y
    x = (u + j + math.sqrt((u + j) ** 2 - 4 * j * level)) / (2 * j)
    return -2 * tau_s * math.log(x)


def lambert(u: float, y: float, tau: float, level: float) -> float:
    """Return the crossing where tau_m = tau_s: (u + y s) exp(-s / tau) = level."""
    z = -level / (y * tau) * math.exp(-u / (y * tau))
    return float(-tau * lambertw(z, 0).real - u / y)


@given(st.floats(-2.0, 0.9), st.floats(1.0, 4e3))
def test_quadratic_closed_form(u: float, y: float) -> None:
    a, b = 0.5 / TAU, 1 / TAU
    late = peak_time(u, y, a, b)
    assume(late > 0 and membrane(u, y, a, b, late) > 1 + 1e-6)
    found = first_crossing(u, y, a, b, 1.0, 1.0)
    assert found == pytest.approx(quadratic(u, y, TAU, 1.0), rel=1e-9, abs=1e-15)


@given(st.floats(-2.0, 0.9), st.floats(1.0, 4e3))
def test_lambert_closed_form(u: float, y: float) -> None:
    a = 1 / TAU
    late = peak_time(u, y, a, a)
    assume(late > 0 and membrane(u, y, a, a, late) > 1 + 1e-6)
    found = first_crossing(u, y, a, a, 1.0, 1.0)
    assert found == pytest.approx(lambert(u, y, TAU, 1.0), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("ratio", [0.2, 1.0, 1.0 + 1e-9, 2.0, 4.0])
@given(
    u=st.floats(-2.0, 0.999),
    y=st.floats(-3e3, 3e3),
    level=st.floats(-0.5, 2.0),
    span=st.floats(1e-6, 0.2),
)
def test_first_crossing_is_the_first(
    ratio: float, u: float, y: float, level: float, span: float
) -> None:
    """Whatever is found lies on the level with nothing above it before; nothing found: nothing above it at all."""
    assume(u < level - 1e-9)
    a, b = 1 / (ratio * TAU), 1 / TAU
    found = first_crossing(u, y, a, b, level, span)
    end = span if found < 0 else found
    before = [membrane(u, y, a, b, s) for s in np.linspace(0.0, end, 400)[:-1]]
    scale = abs(u) + abs(y) * TAU + abs(level)
    assert max(before) <= level + 1e-13 * scale
    if found >= 0:
        assert found <= span
        assert membrane(u, y, a, b, found) == pytest.approx(level, abs=1e-13 * scale)


@given(st.floats(1.5, 6.0), st.floats(-14.0, -3.0))
def test_near_tangency(ratio: float, exponent: float) -> None:
    """A peak that tops the threshold by 10^exponent is found, one that misses it by as much is not."""
    a, b, y = 1 / (ratio * TAU), 1 / TAU, 300.0
    late = peak_time(0.0, y, a, b)
    peak, lack = membrane(0.0, y, a, b, late), 10.0**exponent
    found = first_crossing(0.0, y, a, b, peak * (1 - lack), 1.0)
    assert 0 < found <= late
    # the membrane is a parabola there: (late - found)^2 curvature / 2 = peak * lack
    curve = y * b * math.exp(-b * late)
    assert late - found == pytest.approx(math.sqrt(2 * peak * lack / curve), rel=0.2)
    assert first_crossing(0.0, y, a, b, peak * (1 + lack), 1.0) == -1.0


def test_response_has_no_special_case() -> None:
    """K of close time constants goes over into that of equal ones."""
    a, s = 1 / TAU, 3e-3
    exact = s * math.exp(-a * s)
    for shift in (0.0, 1e-14, 1e-10, 1e-7):
        assert response(a, a * (1 + shift), s) == pytest.approx(exact, rel=1e-6 + 10 * shift)
        assert response(a, a * (1 + shift), s) == response(a * (1 + shift), a, s)
    assert peak_time(0.1, 80.0, a, a) == pytest.approx(
        peak_time(0.1, 80.0, a, a * (1 + 1e-9)), rel=1e-6
    )
