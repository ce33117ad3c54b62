"""The adult fly: drive the sugar neurons of the right side, count who fires, silence one and count again.

    python examples/connectomes/adult_fly.py Connectivity_783.parquet Completeness_783.csv IDS.json [TRIALS]

IDS.json is a list of ids to drive (of the same version as the files). Without files a made diagram of the fly's size
is used, in which the numbers mean nothing but speed. The published run at 100 Hz has 404 active neurons, and MN9 at
67 Hz.

Source: Shiu et al., Nature 634 (2024).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import Hz
from spikewright.network.connectome import shiu2024, shiu_experiment, synthetic_fly

if len(sys.argv) > 3:
    fly = shiu2024(sys.argv[1], sys.argv[2])
    driven = np.array(json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))
else:
    fly = synthetic_fly(1, neurons=20_000, edges=1_000_000)
    driven = fly.ids[:21]
trials = int(sys.argv[4]) if len(sys.argv) > 4 else 3
print(fly.summary())


def measure(silence: list[int]) -> np.ndarray:
    """Return the mean rates of all neurons, Hz."""
    net = shiu_experiment(fly, driven, rate=100 * Hz, silence=silence)
    began = time.process_time()
    recording = sw.run(net, steps=10_000, batch=trials, seed=1, precision="single", spikes=())
    rates = recording.count("brain").mean(axis=0) / recording.duration
    took = (time.process_time() - began) / trials
    print(
        f"{np.count_nonzero(rates)} neurons fire, {rates.sum():.0f} spikes/s; {took:.2g} s per trial of 1 s"
    )
    return rates


before = measure([])
before[fly.index(driven)] = 0.0
strongest = int(fly.ids[int(before.argmax())])
print(f"most active beside the driven ones: {strongest}, {before.max():.1f} Hz")
after = measure([strongest])
print(
    f"silencing it changes {np.count_nonzero(np.abs(after - before) > 1.0)} neurons by more than 1 Hz"
)
