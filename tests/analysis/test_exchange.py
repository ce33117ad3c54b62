"""Neo and Elephant: what is said without them here, what they are given in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import spikewright as sw
from spikewright import analysis

SOURCE = Path(__file__).resolve().parents[2] / "src"
SCRIPT = """
import numpy as np
import spikewright as sw
from spikewright import analysis

net = sw.Network(
    dt=1e-3,
    populations={"in": sw.Population(sw.Input, 2), "out": sw.Population(sw.LIF, 2)},
    projections={"in->out": sw.Projection("in", "out", sw.OneToOne(2.0), delay=2e-3)},
)
spikes = np.zeros((20, 1, 2))
spikes[[0, 4, 9], 0, [0, 1, 0]] = 1
whole = sw.run(net, {"in": spikes}, record={"out": ("v",)}, engine="reference")
block = analysis.to_neo(whole)
(segment,) = block.segments
assert len(segment.spiketrains) == 4
last = segment.spiketrains[2]
assert (last.annotations["population"], last.annotations["neuron"]) == ("out", 0)
assert np.allclose(last.rescale("ms").magnitude, [3.0, 12.0]), last
assert float(last.t_stop.rescale("s")) == 0.02
(v,) = segment.analogsignals
assert v.shape == (20, 2) and v.name == "out.v" and str(v.units.dimensionality) == "V"
assert float(v.t_start.rescale("ms")) == 1.0 and float(v.sampling_period.rescale("ms")) == 1.0
assert np.array_equal(v.magnitude, whole.trace("out", "v")[:, 0])
some = sw.run(net, {"in": spikes}, record={"out": sw.Record("v", neurons=[1], every=5)}, engine="reference")
(v,) = analysis.to_neo(some).segments[0].irregularlysampledsignals
assert v.shape == (4, 1) and np.allclose(v.times.rescale("ms").magnitude, [1, 6, 11, 16])

# a chain of three neurons, 5 and 10 ms apart, hidden in noise
draw = np.random.default_rng(1)
first = np.sort(draw.uniform(0.1, 19.8, 120))
chain = [np.r_[first + late, draw.uniform(0, 20, 80)] for late in (0.0, 0.005, 0.010)]
others = [draw.uniform(0, 20, 200) for _ in range(2)]
trains = analysis.Trains.of([*chain, *others], end=20.0)
found = analysis.cell_assemblies(trains, 5e-3, longest=4)
best = max(found, key=lambda p: (len(p.neurons), len(p.times)))
(listed,) = analysis.patterns(trains, 5e-3, longest=4, least=60)
for pattern in (best, listed):
    assert pattern.neurons.tolist() == [0, 1, 2], pattern
    assert np.allclose(pattern.lags, [0.0, 0.005, 0.010]), pattern
    assert len(pattern.times) >= 119
    assert np.isin(np.floor(first / 5e-3), np.round(pattern.times / 5e-3)).mean() > 0.98
assert best.p < 1e-6 and np.isnan(listed.p)
print("as expected")
"""


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("neo", "elephant", "quantities"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    trains = analysis.Trains.of([[0.1]], end=1.0)
    with pytest.raises(sw.MissingExtra, match=r"to_neo needs Neo — pip install 'spikewright\[an"):
        analysis.to_neo(None)  # type: ignore[arg-type]
    with pytest.raises(sw.MissingExtra, match="cell_assemblies needs Elephant"):
        analysis.cell_assemblies(trains, 0.1, longest=2)
    with pytest.raises(sw.MissingExtra, match="patterns needs Elephant"):
        analysis.patterns(trains, 0.1, longest=2)


@pytest.mark.peer
def test_neo_and_elephant_get_what_was_recorded(tmp_path: Path) -> None:
    peers = os.environ.get("SPIKEWRIGHT_PEERS")
    python = Path(peers or "nowhere") / "elephant" / "bin" / "python"
    if not python.exists():
        pytest.skip("no environment with Elephant; set SPIKEWRIGHT_PEERS")
    script = tmp_path / "given.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [python, script], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
