import numpy as np
import pytest

from spikewright import rng
from spikewright.errors import SubstrateError
from spikewright.substrates.pcm.wires import (
    Wires,
    effective_weight,
    effective_width,
    window_factor,
)


def ladder(conductance, source, wire, v_column):
    """Solve Kirchhoff's equations of one column: nodes, wire between them, half a wire before the converter."""
    n = len(conductance)
    matrix, right = np.diag(conductance), np.array(conductance) * source
    for k in range(n - 1):
        matrix[[k, k + 1], [k, k + 1]] += 1 / wire
        matrix[[k, k + 1], [k + 1, k]] -= 1 / wire
    matrix[n - 1, n - 1] += 2 / wire
    right[n - 1] += 2 / wire * v_column
    return (np.linalg.solve(matrix, right)[n - 1] - v_column) * 2 / wire


def test_current_is_kirchhoffs():
    wires = Wires(resistance=40.0, rows=4, segments=4, alternate=False)
    weight = np.array([[0.3, -0.8, 1.0, 0.5]])
    on = np.array([1.0, -1.0, 0.0, 1.0])
    conductance = np.abs(weight[0]) * wires.g_max
    source = wires.v_rest + wires.v_swing * on * np.sign(weight[0])
    current = ladder(conductance, source, wires.resistance, wires.v_column)
    effective, offset = effective_weight(weight, wires)
    found = (effective @ on + offset) * wires.v_swing * wires.g_max
    np.testing.assert_allclose(found, [current], rtol=1e-10)


def test_without_resistance_and_offset_nothing_changes():
    weight = rng.stream(0, "w").normal(size=(6, 10))
    effective, offset = effective_weight(weight, Wires(resistance=0.0, v_column=0.4))
    np.testing.assert_allclose(effective, weight, rtol=1e-12)
    np.testing.assert_allclose(offset, 0.0, atol=1e-12)


def test_more_resistance_loses_more():
    weight = np.ones((1, 512))
    gains = [effective_weight(weight, Wires(resistance=r))[0].sum() for r in (0.0, 0.1, 1.0, 10.0)]
    assert gains == sorted(gains, reverse=True)


def test_columns_alternate_their_end():
    weight = np.ones((2, 512))
    effective, _ = effective_weight(weight, Wires(resistance=1.0))
    assert effective[0, 0] < effective[0, -1]
    np.testing.assert_allclose(effective[0], effective[1, ::-1])


def test_segments_converge():
    weight = rng.stream(0, "w").normal(size=(3, 512))
    exact = effective_weight(weight, Wires(resistance=1.0, segments=512))[0]
    errors = [
        np.abs(effective_weight(weight, Wires(resistance=1.0, segments=n))[0] - exact).max()
        for n in (4, 8, 32, 128)
    ]
    assert errors == sorted(errors, reverse=True)


def test_widths_are_what_a_clock_samples():
    resolution = 1 / 254
    x = np.round(rng.stream(0, "x").uniform(-1, 1, 300) * 127) / 127
    instants = np.arange(256) / 255
    sampled = np.sign(x) * (np.abs(x)[:, None] > instants + 1e-12).sum(axis=1) / 254
    np.testing.assert_allclose(effective_width(x, resolution), sampled)
    assert window_factor(resolution) == pytest.approx(256 / 254)
    np.testing.assert_array_equal(effective_width([0.0], resolution), [0.0])


def test_a_matrix_of_zeros():
    effective, offset = effective_weight(np.zeros((2, 3)), Wires())
    assert not effective.any()
    assert not offset.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Wires(segments=7), "segments: must divide the rows; found 7 segments, 512 rows"),
        (lambda: Wires(resistance=-1.0), "resistance: cannot be; found -1.0"),
        (lambda: Wires(g_max=0.0), "g_max, v_swing: must be positive"),
        (lambda: effective_weight(np.ones((1, 513)), Wires()), "more inputs than rows; found 513"),
    ],
)
def test_messages(make, message):
    with pytest.raises(SubstrateError, match=message):
        make()
