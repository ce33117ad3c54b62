"""PyNN's own example scripts, unchanged, where SPIKEWRIGHT_PEERS names a folder with the environment `pynn`.

The environment has PyNN, matplotlib, what this package needs (Numba), and PyNN's source archive, with which the scripts
come; they are run from a temporary folder and are no part of this project.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPTS = (
    "Izhikevich.py",
    "StepCurrentSource.py",
    "VAbenchmarks.py CUBA",
    "VAbenchmarks.py COBA",
    "brunel.py",
    "cell_type_demonstration.py --plot-figure",
    "connections.py",
    "current_injection.py --plot-figure",
    "HH_cond_exp2.py",
    "inhomogeneous_network.py",
    "parameter_changes.py",
    "simpleRandomNetwork.py",
    "simple_STDP.py --plot-figure",
    "small_network.py --plot-figure",
    "specific_network.py",
    "stdp_network.py",
    "synaptic_input.py --plot-figure",
    "tsodyksmarkram.py --plot-figure",
    "update_spike_source_array.py --plot-figure",
    "varying_poisson.py --plot-figure",
)


@pytest.fixture(scope="session")
def peer() -> Path:
    """Python of the environment `pynn`."""
    folder = os.environ.get("SPIKEWRIGHT_PEERS")
    python = Path(folder or "") / "pynn" / "bin" / "python"
    if not folder or not python.exists():
        pytest.skip("SPIKEWRIGHT_PEERS names no folder with an environment 'pynn'")
    return python


@pytest.fixture(scope="session")
def examples(peer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of PyNN's example scripts."""
    folder = tmp_path_factory.mktemp("pynn")
    archives = sorted((peer.parents[1] / "source").glob("*.tar.gz"))
    assert archives, "the environment 'pynn' lacks its source archive: make it again"
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("*/examples"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_example_of_pynn_runs_unchanged(script, peer, examples, tmp_path):
    name, *options = script.split()
    (tmp_path / "Results").mkdir()
    source = Path(__file__).resolve().parents[2] / "src"
    environment = os.environ | {"PYTHONPATH": str(source), "MPLBACKEND": "Agg"}
    command = [str(peer), "-m", "spikewright.pynn", str(examples / name), "spikewright", *options]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_scripts_are_run_only_where_pynn_is():
    command = [sys.executable, "-m", "spikewright.pynn"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "usage: python -m spikewright.pynn SCRIPT" in done.stderr
