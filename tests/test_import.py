from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import spikewright

HEAVY = ("torch", "numba", "scipy", "matplotlib", "h5py", "sklearn", "nir", "rich", "typer")


def loaded(code: str, names: tuple[str, ...]) -> str:
    code += f"\nimport sys; raise SystemExit(', '.join(sorted(set({names!r}) & set(sys.modules))))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr.strip()


@pytest.mark.parametrize(
    "code",
    [
        "import spikewright",
        "import spikewright as sw; sw.chain, sw.Network, sw.LIF, sw.ms, sw.Events",
        "import spikewright.network, spikewright.events, spikewright.engines, spikewright.data",
        "import spikewright.report, spikewright.substrates",
        "import spikewright.analysis",
    ],
)
def test_importing_loads_nothing_heavier_than_numpy(code: str) -> None:
    assert loaded(code, HEAVY) == ""


def test_every_public_name_is_there() -> None:
    for name in dir(spikewright):
        if name not in ("train", "fit"):  # need PyTorch
            assert getattr(spikewright, name) is not None


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'spikewright' has no name 'nothing'"):
        spikewright.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="has no name 'Nothing'"):
        spikewright.Nothing  # noqa: B018


def test_the_version_is_that_of_the_project() -> None:
    root = Path(__file__).resolve().parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["version"] == spikewright.__version__
