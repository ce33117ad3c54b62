import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import NetworkError
from spikewright.network import (
    AvgPool,
    Compose,
    Conv,
    Dense,
    Flatten,
    OneToOne,
    Scale,
    Sparse,
    SumPool,
)
from spikewright.network import topology as module
from spikewright.network.compose import TOPOLOGIES


def numbers(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def agree(topology, pre):
    """Check that a map and its synapses are the same linear map; return its synapses."""
    synapses = topology.synapses(pre)
    out = topology.out_shape(pre)
    assert (synapses.n_pre, synapses.n_post) == (int(np.prod(pre)), int(np.prod(out)))
    assert synapses.start[-1] == synapses.n == len(synapses.source)
    x = numbers(3, 2, *pre)
    by_matrix = x.reshape(6, -1) @ synapses.matrix().T
    assert topology.apply(x, pre).shape == (3, 2, *out)
    np.testing.assert_allclose(topology.apply(x, pre).reshape(6, -1), by_matrix, atol=1e-12)
    for j in range(synapses.n_pre):
        target = synapses.target[synapses.start[j] : synapses.start[j + 1]]
        assert np.all(np.diff(target) >= 0), "targets of one source stand in order"
    weight = topology.weight
    if weight is not None and np.all(synapses.entry >= 0) and not isinstance(topology, Compose):
        np.testing.assert_array_equal(weight.ravel()[synapses.entry], synapses.weight)
    return synapses


@pytest.mark.parametrize(
    ("topology", "pre", "out"),
    [
        (Dense(numbers(4, 6)), (6,), (4,)),
        (Dense(numbers(4, 6)), (2, 3), (4,)),
        (Sparse.from_matrix(numbers(4, 6) * (numbers(4, 6) > 0.5)), (6,), (4,)),
        (Sparse.from_edges([5, 0, 0], [1, 3, 1], 2.0, n_pre=6, n_post=4), (6,), (4,)),
        (Sparse.from_edges([0, 0], [1, 1], [1.0, 2.0], n_pre=6, n_post=4), (6,), (4,)),
        (OneToOne(), (2, 3), (2, 3)),
        (OneToOne(numbers(2, 3)), (2, 3), (2, 3)),
        (Scale(0.5), (4,), (4,)),
        (Flatten(), (2, 3, 4), (24,)),
        (Flatten(1), (2, 3, 4), (2, 12)),
        (Flatten(0, 1), (2, 3, 4), (6, 4)),
        (SumPool(2), (2, 4, 6), (2, 2, 3)),
        (SumPool((2, 3), stride=(1, 2), padding=1), (2, 4, 6), (2, 5, 3)),
        (AvgPool(2), (2, 5, 5), (2, 2, 2)),
        (AvgPool((3,), stride=2), (2, 9), (2, 4)),
        (Conv(numbers(3, 2, 3, 3)), (2, 6, 5), (3, 4, 3)),
        (Conv(numbers(4, 1, 3, 2), stride=(2, 1), padding=(1, 0), groups=2), (2, 6, 5), (4, 3, 4)),
        (Conv(numbers(3, 2, 3, 3), dilation=2, padding=((2, 1), (0, 3))), (2, 6, 5), (3, 5, 4)),
        (Conv(numbers(3, 2, 4), stride=2), (2, 10), (3, 4)),
        (Conv(numbers(1, 1, 2, 2), padding=Conv.same((2, 2))), (1, 5, 5), (1, 5, 5)),
        (Compose((SumPool(2), Flatten(), Dense(numbers(3, 12)))), (2, 6, 4), (3,)),
        (Compose((Conv(numbers(2, 1, 2, 2)), AvgPool(2))), (1, 5, 5), (2, 2, 2)),
        (Compose((Dense(numbers(4, 6)), Dense(numbers(2, 4)))), (6,), (2,)),
        (Compose((Scale(2.0), Flatten())), (2, 2), (4,)),
    ],
)
def test_map_and_synapses_agree(topology, pre, out):
    assert topology.out_shape(pre) == out
    agree(topology, pre)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.floats(-2, 2)), max_size=20))
def test_a_list_of_edges_is_its_matrix(edges):
    pre, post, weight = (np.array(c) for c in zip(*edges, strict=True)) if edges else ([], [], [])
    matrix = np.zeros((4, 6))
    for j, i, w in edges:
        matrix[i, j] += w
    pre, post = np.asarray(pre, np.int64), np.asarray(post, np.int64)
    sparse = Sparse.from_edges(pre, post, np.asarray(weight, float), n_pre=6, n_post=4)
    np.testing.assert_allclose(sparse.synapses((6,)).matrix(), matrix, atol=1e-12)


def test_counts_of_synapses():
    synapses = Dense([[1.0, 0.0], [2.0, 3.0]]).synapses((2,))
    assert synapses.fan_out.tolist() == [2, 2]
    assert synapses.effective_fan_out().tolist() == [2, 1]


def test_changed_weights_and_plain_data():
    for topology in (Dense(numbers(4, 6)), Conv(numbers(3, 2, 3, 3)), Scale(2.0)):
        changed = topology.with_weight(2 * topology.weight)
        np.testing.assert_array_equal(changed.weight, 2 * topology.weight)
        data = topology.as_dict()
        again = TOPOLOGIES[data.pop("kind")](**data)
        np.testing.assert_array_equal(again.weight, topology.weight)


def test_weights_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        Dense(numbers(2, 2)).weights[0, 0] = 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(np.ones(3)), r"Dense: weights must be \(post, pre\); found \(3,\)"),
        (lambda: Dense(np.ones((2, 3))).out_shape((4,)), "Dense: weight is for 3 source neurons; found 4"),
        (lambda: Dense(np.ones((2, 3))).with_weight(np.ones(3)), r"dense.with_weight: wrong shape; found \(3,\)"),
        (lambda: Flatten().with_weight(1), "flatten.with_weight: this map has no weights"),
        (lambda: Flatten(2, 1).out_shape((1, 2, 3)), "Flatten: no such axes"),
        (lambda: Flatten(0, 5).out_shape((1, 2, 3)), "Flatten: no such axes"),
        (lambda: OneToOne(np.ones(3)).out_shape((4,)), "OneToOne: one weight per source neuron"),
        (lambda: Sparse([1, 2], [0], [1.0], 1), "Sparse: start must be"),
        (lambda: Sparse([0, 2], [0], [1.0], 1), "start must grow and end with the number of synapses; found 2"),
        (lambda: Sparse([0, 1], [0], [1.0, 2.0], 1), "Sparse: one weight per synapse"),
        (lambda: Sparse([0, 1], [7], [1.0], 3), r"Sparse: a target is not there; found 7..7, expected 0..2"),
        (lambda: Sparse.from_edges([9], [0], 1.0, n_pre=2, n_post=1), r"a source is not there; found 9\.\.9"),
        (lambda: Sparse.from_edges([0, 1], [0], 1.0, n_pre=2, n_post=1), "pre and post differ in length"),
        (lambda: Conv(np.ones((2, 2))), "Conv: weights must be"),
        (lambda: Conv(np.ones((3, 1, 2, 2)), groups=2), "Conv: 3 channels in 2 groups"),
        (lambda: Conv(np.ones((3, 1, 2, 2)), stride=0), "Conv: bad stride; found 0, expected 2 numbers of at least 1"),
        (lambda: Conv(np.ones((3, 1, 2, 2)), padding=-1), "Conv: bad padding"),
        (lambda: Conv(np.ones((3, 1, 2, 2)), padding=(1, 2, 3)), "Conv: bad padding"),
        (lambda: Conv(np.ones((3, 1, 2, 2))).out_shape((2, 5, 5)), r"Conv: wrong input; found \(2, 5, 5\)"),
        (lambda: Conv(np.ones((3, 1, 9, 2))).out_shape((1, 5, 5)), "Conv: the kernel is larger than the input"),
        (lambda: SumPool(2).out_shape((5, 5)), "SumPool: wrong input"),
        (lambda: AvgPool(9).out_shape((1, 5, 5)), "AvgPool: the kernel is larger than the input"),
        (lambda: Compose(()), "Compose: needs at least one map"),
        (lambda: Compose((Flatten(),)).with_weight(1.0), "Compose.with_weight: needs one map with weights; found 0"),
    ],
)  # fmt: skip
def test_what_is_wrong(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


def test_too_large_to_write_out(monkeypatch):
    monkeypatch.setattr(module, "MEMORY_LIMIT", 1000)
    with pytest.raises(NetworkError, match=r"Dense: too large to write out; found 0\.0 GiB"):
        Dense(np.ones((10, 10))).synapses((10,))


def test_a_list_of_edges_stays_compact() -> None:
    pre, post = np.array([2, 0, 1], np.int32), np.array([0, 3, 1], np.int32)
    for dtype in (np.float32, np.float16):
        made = Sparse.from_edges(pre, post, np.array([0.1, 2, 3], dtype), n_pre=3, n_post=4)
        assert (made.target.dtype, made.weights.dtype) == (np.int32, dtype)
        again = made.with_weight(made.weights)
        assert again.weights.dtype == dtype
        assert not made.target.flags.writeable
        synapses = made.synapses((3,))
        assert (synapses.target.dtype, synapses.weight.dtype) == (np.int64, np.float64)
        np.testing.assert_array_equal(synapses.weight, [2, 3, np.array(0.1, dtype)])
    post[0] = 3
    assert made.target.tolist() == [3, 1, 0]
    wide = Sparse.from_edges([0], [1], 0.5, n_pre=1, n_post=2)
    assert (wide.target.dtype, wide.weights.dtype) == (np.int64, np.float64)


def test_edges_that_are_not_whole_numbers() -> None:
    with pytest.raises(NetworkError, match="pre and post are not whole numbers; found float64"):
        Sparse.from_edges([0.5], [1], 1.0, n_pre=1, n_post=2)
    assert Sparse.from_edges([], [], 1.0, n_pre=1, n_post=2).synapses((1,)).n == 0


def test_how_many_synapses_are_expected() -> None:
    for topology, pre in (
        (Dense(np.ones((2, 3))), (3,)),
        (Sparse.from_edges([0], [1], 0.5, n_pre=1, n_post=2), (1,)),
        (OneToOne(2.0), (3,)),
    ):
        assert topology.expected_synapses(pre) == topology.synapses(pre).n
