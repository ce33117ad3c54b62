"""What Elephant says of two dozen spike trains. Writes `tests/golden/analysis_elephant.npz`.

    $SPIKEWRIGHT_PEERS/elephant/bin/python benchmarks/peers/elephant_statistics.py      # pip install elephant

Regular, Poisson, bursting, empty and single trains; the distances are those of the first twelve.
"""

from __future__ import annotations

import json
from pathlib import Path

import elephant
import numpy as np
import quantities as pq
from elephant import conversion, spike_train_correlation, spike_train_dissimilarity, statistics
from neo import SpikeTrain

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "analysis_elephant.npz"
SEED, END, WIDTH, TAU, COST, COMPARED = 5, 10.0, 0.05, 0.02, 50.0, 12


def trains() -> list[np.ndarray]:
    """Return the times, s; on a grid of 0.1 ms, in the middle of its steps, so that none lies on the edge of a bin."""
    draw = np.random.default_rng(SEED)
    found = [np.arange(0.1 + 0.01 * k, END, 0.1 + 0.02 * k) for k in range(4)]
    found += [draw.uniform(0, END, draw.poisson(rate * END)) for rate in np.linspace(2, 40, 14)]
    bursts = draw.uniform(0, END - 0.1, 20)
    found += [(bursts[:, None] + np.arange(4) * 0.004 * k).ravel() for k in (1, 2)]
    found += [np.zeros(0), np.array([3.0]), np.array([3.0, 7.0])]
    return [np.unique(np.floor(t / 1e-4)) * 1e-4 + 0.5e-4 for t in found]


def main() -> None:
    times = trains()
    spikes = [SpikeTrain(t, units="s", t_stop=END) for t in times]

    def each(measure, least: int = 3) -> np.ndarray:
        return np.array([float(measure(np.diff(t))) if len(t) >= least else np.nan for t in times])

    binned = conversion.BinnedSpikeTrain(spikes, bin_size=WIDTH * pq.s)
    counts = binned.to_array()
    compared = spikes[2 : 2 + COMPARED]
    arrays = {
        "time": np.concatenate(times),
        "start": np.cumsum([0, *(len(t) for t in times)]),
        "rate": np.array([float(statistics.mean_firing_rate(s).rescale("Hz")) for s in spikes]),
        "cv": each(statistics.cv),
        "cv2": each(statistics.cv2),
        "lv": each(statistics.lv),
        "lvr": each(lambda i: statistics.lvr(i * pq.s, R=5 * pq.ms)),
        "counts": counts.T,
        "correlation": spike_train_correlation.correlation_coefficient(binned),
        "van_rossum": spike_train_dissimilarity.van_rossum_distance(compared, TAU * pq.s),
        "victor_purpura": spike_train_dissimilarity.victor_purpura_distance(compared, COST * pq.Hz),
    }
    meta = {
        "script": "benchmarks/peers/elephant_statistics.py",
        "peer": "Elephant",
        "version": elephant.__version__,
        "seed": SEED,
        "end": END,
        "width": WIDTH,
        "tau": TAU,
        "cost": COST,
        "refractory": 5e-3,
        "compared": [2, 2 + COMPARED],
    }
    np.savez_compressed(GOLDEN, meta=np.array(json.dumps(meta)), **arrays)
    print({k: v.shape for k, v in arrays.items()})


if __name__ == "__main__":
    main()
