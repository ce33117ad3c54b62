"""Our statistics of spike trains are Elephant's, to rounding; script: benchmarks/peers/elephant_statistics.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikewright import analysis

FILE = Path(__file__).with_name("analysis_elephant.npz")
MEASURES = {
    "rate": lambda t, m: analysis.rates(t),
    "cv": lambda t, m: analysis.cv(t),
    "cv2": lambda t, m: analysis.cv2(t),
    "lv": lambda t, m: analysis.local_variation(t),
    "lvr": lambda t, m: analysis.local_variation(t, refractory=m["refractory"]),
    "counts": lambda t, m: analysis.spike_counts(t, m["width"]),
    "correlation": lambda t, m: analysis.correlations(t, m["width"]),
    # Elephant counts one spike more as 1, van Rossum's paper as 1/2
    "van_rossum": lambda t, m: analysis.van_rossum(chosen(t, m), m["tau"]) * np.sqrt(2),
    "victor_purpura": lambda t, m: analysis.victor_purpura(chosen(t, m), m["cost"]),
}


def chosen(trains, meta):
    return trains.choose(range(*meta["compared"]))


@pytest.mark.parametrize("name", MEASURES)
def test_measure_is_that_of_elephant(name):
    with np.load(FILE) as file:
        meta = json.loads(str(file["meta"]))
        trains = analysis.Trains(file["start"], file["time"], 0.0, meta["end"])
        expected = file[name]
    found = MEASURES[name](trains, meta)
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
