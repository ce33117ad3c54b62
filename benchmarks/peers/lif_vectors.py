"""Golden vectors of the training libraries' neurons: spikes, membranes and gradients. Writes `tests/golden/train/lif/`.

    $SPIKEWRIGHT_PEERS/torch/bin/python benchmarks/peers/lif_vectors.py
    $SPIKEWRIGHT_PEERS/spyx/bin/python benchmarks/peers/lif_vectors.py

Each run writes the cases of the libraries that its environment has, and keeps the others. Every case is one layer of
neurons behind a weight matrix, in double precision as far as the library allows; what is stored, and how the loss is
made whose gradient it is, stands in the README of that folder. The cases stand in
`lif_<library>.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(
    os.environ.get(
        "SPIKEWRIGHT_LIF_VECTORS",
        Path(__file__).resolve().parents[2] / "tests" / "golden" / "train" / "lif",
    )
)
STEPS, BATCH, N_IN, N = 40, 2, 5, 4


@dataclass(frozen=True)
class Stimulus:
    """What goes into a case.

    Parameters
    ----------
    x : T B K, input
    w : N K, weights of the input
    w_rec : N N, recurrent weights
    bias : N
    c, d : T B N, weights of spikes and membranes in the loss
    """

    x: np.ndarray
    w: np.ndarray
    w_rec: np.ndarray
    bias: np.ndarray
    c: np.ndarray
    d: np.ndarray


@dataclass(frozen=True)
class Case:
    """A neuron of a library with its options, and how to run it.

    Parameters
    ----------
    neuron : "library.Neuron"
    options : of the neuron, in plain data
    record : stimulus -> arrays `spikes`, `v`, `grad_x`, `grad_w`, ..., T B first
    gain : factor of the input weights
    used : parts of the stimulus that the case uses besides x, w, c, d
    trained : names of the parameters whose gradient is stored as `grad_<name>`
    """

    neuron: str
    options: Mapping[str, Any]
    record: Callable[[Stimulus], dict[str, np.ndarray]]
    gain: float = 1.0
    used: tuple[str, ...] = ()
    trained: tuple[str, ...] = field(default=())


def stimulus(seed: int, gain: float, *, square: bool) -> Stimulus:
    """Return a stimulus; values of inputs and loss are multiples of 1/64, so that files compress."""
    draw = np.random.default_rng(seed)
    n_in = N if square else N_IN

    def coarse(values: np.ndarray) -> np.ndarray:
        return np.round(values * 64) / 64

    x = (draw.random((STEPS, BATCH, n_in)) < 0.5) * draw.uniform(0.25, 1.5, (STEPS, BATCH, n_in))
    w = gain * (0.25 + 0.35 * draw.standard_normal((N, n_in)))
    w_rec = 0.3 * draw.standard_normal((N, N))
    bias = 0.05 * draw.standard_normal(N)
    c, d = draw.standard_normal((2, STEPS, BATCH, N))
    return Stimulus(coarse(x), w, w_rec, bias, coarse(c), coarse(0.25 * d))


def save(name: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Write one file; return its line in the index."""
    kept = {k: v.astype(np.uint8) if k.startswith("spikes") else v for k, v in arrays.items()}
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(path, meta=np.array(json.dumps(meta, sort_keys=True)), **kept)
    spikes = [v for k, v in arrays.items() if k.startswith("spikes")]
    rate = float(np.mean([np.mean(s > 0) for s in spikes]))
    print(f"{path.name}: {path.stat().st_size / 1e3:.1f} kB, {rate:.2f} spikes per step")
    return {"file": path.name, **meta}


def write(library: str, version: str, extra: Mapping[str, str], cases: Mapping[str, Case]) -> None:
    """Run and write the cases of a library; raise where one is silent or never rests."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob(f"{library}_*.npz"):
        if not old.name.startswith(f"{library}_network"):
            old.unlink()
    lines = []
    made = {"script": "benchmarks/peers/lif_vectors.py", "version": version, **extra}
    for name, case in cases.items():
        seed = zlib.crc32(f"{library}_{name}".encode())
        given = stimulus(seed, case.gain, square="square" in case.used)
        found = case.record(given)
        rate = np.mean(found["spikes"] > 0)
        if not 0.04 < rate < 0.75:
            raise SystemExit(f"{library}_{name}: {rate:.2f} spikes per step says little")
        parts = ("x", "w", "c", "d", *(u for u in case.used if u != "square"))
        arrays = {part: getattr(given, part) for part in parts} | found
        if "v" not in found:
            del arrays["d"]
        meta = {
            "kind": "neuron",
            "neuron": case.neuron,
            "options": dict(case.options),
            "trained": list(case.trained),
            "seed": seed,
            **made,
        }
        lines.append(save(f"{library}_{name}", arrays, meta))
    index(lines)


def index(lines: list[dict[str, Any]]) -> None:
    """Put lines into `index.json` in place of those with the same file, and drop those whose file is gone."""
    path = FOLDER / "index.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    new = {line["file"] for line in lines}
    kept = [k for k in known if k["file"] not in new and (FOLDER / k["file"]).exists()]
    rows = sorted([*kept, *lines], key=lambda line: line["file"])
    text = ",\n".join(json.dumps(row, sort_keys=True) for row in rows)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def main() -> None:
    """Write what this environment can."""
    python = {"python": platform.python_version(), "numpy": np.__version__}
    if importlib.util.find_spec("torch") and importlib.util.find_spec("snntorch"):
        import lif_networks
        import lif_torch

        for library, (version, cases) in lif_torch.libraries().items():
            write(library, version, python | lif_torch.versions(), cases)
        lif_networks.write(python | lif_torch.versions())
    elif importlib.util.find_spec("spyx"):
        import lif_spyx

        write("spyx", *lif_spyx.library(python))
    else:
        raise SystemExit("lif_vectors: this environment has none of the libraries")


if __name__ == "__main__":
    main()
