"""A small network, its NIR file and events, on disk; and a way to call the program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from spikewright.cli.app import app
from spikewright.events import Events, save
from spikewright.network import LIF, chain, dense, neurons, source, store
from spikewright.network.nir import write_nir
from spikewright.rng import stream


@dataclass(frozen=True)
class Answer:
    """What a call gave."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The whole of standard output as JSON."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with net.h5, net.nir, events.npz, arrays.npz, broken.h5, text.txt."""
    folder = tmp_path_factory.mktemp("files")
    net = chain(source(4), dense(5), neurons(LIF), dense(2), neurons(LIF), dt=1e-3, seed=1)
    net = net.with_weights({n: np.abs(p.topology.weight) + 0.3 for n, p in net.projections.items()})
    store.save(net, folder / "net.h5")
    write_nir(net, folder / "net.nir")
    draw = stream(0, "events")
    t, address = np.sort(draw.integers(0, 20_000, 60)), draw.integers(0, 4, 60)
    save(Events(t, address, (4,), tick=1e-6), folder / "events.npz")
    np.savez(folder / "arrays.npz", input=np.ones((10, 2, 4)))
    (folder / "broken.h5").write_bytes((folder / "net.h5").read_bytes()[:300])
    (folder / "text.txt").write_text("no network")
    return folder


@pytest.fixture
def call(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the program; words with @ in front are files of `files`. Works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "cache"))

    def answer(line: str, *, allow: tuple[type[BaseException], ...] = ()) -> Answer:
        words = [str(files / w[1:]) if w.startswith("@") else w for w in line.split()]
        result = CliRunner().invoke(app, words, prog_name="spikewright")
        if result.exception is not None and not isinstance(result.exception, (SystemExit, *allow)):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return answer
