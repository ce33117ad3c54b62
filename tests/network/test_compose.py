import numpy as np

from spikewright.network import Compose, Dense, Flatten


def test_composing_sums_parallel_paths():
    joined = Compose((Dense(np.ones((3, 2))), Dense(np.ones((1, 3))))).synapses((2,))
    assert joined.matrix().tolist() == [[3.0, 3.0]]


def test_the_one_map_with_weights_gives_the_composition_its_weights():
    composed = Compose((Flatten(), Dense(np.ones((3, 4)))))
    changed = composed.with_weight(np.full((3, 4), 2.0))
    np.testing.assert_array_equal(changed.weight, np.full((3, 4), 2.0))
    np.testing.assert_array_equal(composed.weight, np.ones((3, 4)))
    assert Compose((Dense(np.ones((3, 4))), Dense(np.ones((2, 3))))).weight is None
