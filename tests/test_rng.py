import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright import rng
from spikewright.engines import kernels

# known answers of Philox 4x32-10: the file kat_vectors of Random123 (Salmon et al. 2011)
KNOWN = [
    (0, 0, 0, ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]),
    (2**64 - 1, 2**64 - 1, 2**64 - 1, ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]),
    (0x299F31D0_A4093822, 0x85A308D3_243F6A88, 0x03707344_13198A2E,
     ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"]),
]  # fmt: skip


@pytest.mark.parametrize(("key", "low", "high", "words"), KNOWN)
def test_known_answers(key, low, high, words):
    found = rng.philox(key, np.uint64(low), np.uint64(high))
    assert [f"{int(w):08x}" for w in found] == words


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**40),
    st.integers(0, 2**40 - 1),
    st.integers(0, 2**20),
)
def test_the_compiled_draw_is_the_same(key, neuron, step, sample):
    counter = np.asarray((sample << kernels.SAMPLE_SHIFT) + step)
    found = kernels.draw(np.uint64(key), neuron, step, sample)
    assert found[0] == rng.uniform(key, np.asarray(neuron), counter)
    assert found[1] == rng.second_uniform(key, np.asarray(neuron), counter)


def test_draws_are_uniform_and_independent():
    first = rng.uniform(rng.key(0, "a"), np.arange(200)[:, None], np.arange(200))
    second = rng.second_uniform(rng.key(0, "a"), np.arange(200)[:, None], np.arange(200))
    for draws in (first, second):
        assert draws.min() >= 0
        assert draws.max() < 1
        assert draws.mean() == pytest.approx(0.5, abs=0.01)
        assert draws.var() == pytest.approx(1 / 12, abs=0.002)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:, :-1].ravel(), first[:, 1:].ravel())[0, 1]) < 0.02


def test_streams_are_keyed_by_seed_and_name():
    assert rng.stream(3, "a").random(4).tolist() == rng.stream(3, "a").random(4).tolist()
    drawn = {rng.stream(seed, name).random() for seed in (0, 1, -1) for name in ("a", "b", "")}
    assert len(drawn) == 9
    assert rng.key(0, "a") != rng.key(1, "a")
    assert 0 <= rng.key(0, "a") < 2**64
