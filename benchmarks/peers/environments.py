"""Makes the virtual environments of the peers in training and in reading event files.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/peers/environments.py [NAME ...]

Names: torch, spyx, sanafe, mapping, events, pynn, elephant.

Everything that runs on PyTorch shares one environment, so that all of it runs on the same PyTorch. PyTorch goes in
first, and a constraint holds it there: some peers ask for packages that would draw in another build.
An environment that is complete is left alone; delete its folder to have it made again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ENVIRONMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "torch": (
        ("torch==2.13.0",),
        ("snntorch==1.0.0", "spikingjelly==2.0.0", "norse==1.1.0", "sinabs==3.1.3", "rockpool==3.1.0"),
    ),
    "spyx": (("spyx==1.0.0",),),
    "sanafe": (("sanafe==2.2.9", "numpy"),),
    "mapping": (("mtkahypar==1.7.post1", "pymetis==2025.2.2", "numpy"),),
    # its example scripts run on this project, which needs Numba and h5py
    "pynn": (("pynn==0.13.0", "matplotlib", "numba==0.68.1", "h5py", "scipy"),),
    "elephant": (("elephant==1.2.1", "neo==0.14.6"),),
    "events": (
        ("faery==0.7.1", "expelliarmus==1.1.12", "eventcv==1.0.8", "evutils[aedat,hdf5]==0.3.18",
         "dv-processing==2.0.4", "event_stream==1.6.3", "tonic==1.7.0", "aedat==2.3.0",
         "evlib==0.13.2", "evt3==0.4.1", "evio==0.1.0", "numba==0.68.1"),
    ),
}  # fmt: skip
"""Environment -> what pip installs, in order; every step is a constraint on the later ones."""
SOURCES = {"pynn": "pynn==0.13.0"}
"""Environment -> what its folder `source` gets the source archive of: PyNN's example scripts stand only there."""
REMOVED = {"torch": "samna"}
"""Rockpool brings samna, which calls pip each time it is imported; no neuron model needs it."""


def make(
    folder: Path, steps: tuple[tuple[str, ...], ...], removed: str | None, source: str | None
) -> None:
    """Make one environment, unless it is there already with the same packages."""
    done = folder / ".installed"
    wanted = "\n".join(" ".join(step) for step in steps) + "\n"
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        print(f"{folder}: complete")
        return
    print(f"{folder}: installing")
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    held: list[str] = []
    for step in steps:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraint:
            constraint.write("\n".join(held))
            constraint.flush()
            install = [*pip, "install", "--quiet", "--constraint", constraint.name]
            subprocess.run([*install, *step], check=True)
        held += step
    if removed:
        subprocess.run([*pip, "uninstall", "--quiet", "--yes", removed], check=True)
    if source:
        fetch = [*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*fetch, "-d", str(folder / "source"), source], check=True)
    done.write_text(wanted, encoding="utf-8")


def main(names: list[str]) -> None:
    """Make the named environments, or all."""
    root = os.environ.get("SPIKEWRIGHT_PEERS")
    if root is None:
        raise SystemExit("environments: SPIKEWRIGHT_PEERS names no folder")
    unknown = [n for n in names if n not in ENVIRONMENTS]
    if unknown:
        raise SystemExit(f"environments: no {unknown}; expected some of {list(ENVIRONMENTS)}")
    for name in names or ENVIRONMENTS:
        folder = Path(root).resolve() / name
        make(folder, ENVIRONMENTS[name], REMOVED.get(name), SOURCES.get(name))


if __name__ == "__main__":
    main(sys.argv[1:])
