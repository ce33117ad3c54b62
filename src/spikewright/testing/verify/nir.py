"""NIR graphs: every graph of a folder is imported, run on an engine, and compared with the stored outputs.

Two layouts are known, and may be mixed: pairs `NAME.nir` + `NAME.npz` with an `index.json` (dt), and the folder of the
NIR paper. Arrays of an `.npz`: `x` or `x_<input>`, and `y_euler`, `y_seq`, `y_zoh`, each plain or `_<output>`; spikes
must be equal, analog values to `ANALOG`. `NAME_random_input.npz` belongs to `NAME.nir` wherever that stands: in the
folder, or in `data/nir_paper` beside it. Results of other platforms (`.csv`, `.npy`) are read and reported, not judged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import run
from spikewright.errors import FormatError, SpikewrightError, VerifyError, explain
from spikewright.network.nir import Current, Imported, Node, from_nir, read_document
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import ASIDE, read_npz

ENGINE = "reference"
DT = 1e-4
"""Seconds; the step of every stored output (README of the vectors; the paper's experiments)."""
ANALOG = 1e-5
VOLTAGE = 1e-6
"""How far the membrane of experiment 1 may be from Norse's: 3e-8 with float32 inputs."""
READINGS = {"y_euler": Current.EULER, "y_seq": Current.SEQUENTIAL, "y_zoh": Current.EXACT}
RANDOM = "_random_input"
EXPERIMENT_1 = ("lif_norse", (460, 510, 710, 760))
"""The graph of experiment 1, and the steps at which Norse's neuron fires."""
BROKEN = {
    "_subgraph": "is not a node",
    "lif_rockpool": "types do not match",
}
"""Published files that are wrong: end of the name -> what the refusal must say."""
PARAMETERS = "parameters"


def verify(folder: str | os.PathLike[str]) -> list[Case]:
    """Compare every graph of a folder with its stored outputs; one Case or more per file.

    Raises
    ------
    VerifyError : no such folder, or nothing in it that belongs to NIR
    """
    root = Path(folder)
    if not root.is_dir():
        raise VerifyError(explain(str(root), "no such folder"))
    steps = _steps(root)
    files = sorted(p for p in root.rglob("*") if p.is_file())
    graphs = {p.stem: p for p in files if p.suffix == ".nir"}
    if not graphs and not any(p.stem.endswith(RANDOM) for p in files):
        raise VerifyError(explain(str(root), "holds no NIR graphs", expected=".nir files"))
    cases: list[Case] = []
    for path in files:
        if path.name in ASIDE:
            continue
        name = path.relative_to(root).as_posix()
        try:
            cases += _file(root, path, name, steps, graphs)
        except SpikewrightError as error:
            cases.append(Case(name, False, str(error)))
    return cases


def _steps(root: Path) -> dict[str, float]:
    """Return the step of every case that an index names."""
    index = root / "index.json"
    if not index.is_file():
        return {}
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))["cases"]
        return {str(case["name"]): float(case["dt"]) for case in listed}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerifyError(explain(str(index), "not an index of cases", found=error)) from None


def _file(
    root: Path, path: Path, name: str, steps: Mapping[str, float], graphs: Mapping[str, Path]
) -> list[Case]:
    if path.suffix == ".nir":
        return _graph(path, name, steps.get(path.stem, DT))
    if path.suffix == ".npz":
        if path.stem.endswith(RANDOM):
            stem = path.stem.removesuffix(RANDOM)
            graph = graphs.get(stem) or _elsewhere(root, f"{stem}.nir")
            if graph is None:
                missing = f"needs {stem}.nir, in this folder or in data/nir_paper beside it"
                return [Case(name, False, missing)]
            return _outputs(graph, read_npz(path), name, DT)
        if path.with_suffix(".nir").is_file():
            return []
        return [Case(name, False, f"not recognized: there is no {path.stem}.nir beside it")]
    if path.suffix == ".csv":
        return [_published_trace(path, name)]
    if path.suffix == ".npy":
        return [_published_array(path, name)]
    if path.suffix == ".json" and path.stem.startswith(PARAMETERS):
        return [
            Case(name, True, "informative: parameters that the paper's networks were trained with")
        ]
    return [Case(name, False, "not recognized")]


def _elsewhere(root: Path, name: str) -> Path | None:
    """Return a graph of the paper from the folders where it may lie."""
    shared = os.environ.get("SPIKEWRIGHT_SHARED")
    places = [root.resolve().parent.parent / "data" / "nir_paper"]
    places += [Path(shared) / "data" / "nir_paper"] if shared else []
    for place in places:
        for found in sorted(place.rglob(name)) if place.is_dir() else ():
            return found
    return None


def _inputs_elsewhere(path: Path) -> Path | None:
    """Return the random input of one of the paper's graphs, which lies with the vectors."""
    shared = os.environ.get("SPIKEWRIGHT_SHARED")
    places = [p / "vectors" / "nir" / "paper" for p in path.resolve().parents[2:6]]
    places += [Path(shared) / "vectors" / "nir" / "paper"] if shared else []
    for place in places:
        found = place / f"{path.stem}{RANDOM}.npz"
        if found.is_file():
            return found
    return None


def _graph(path: Path, name: str, dt: float) -> list[Case]:
    for ending, said in BROKEN.items():
        if path.stem.endswith(ending):
            return [_refused(path, name, said)]
    outputs = path.with_suffix(".npz")
    if outputs.is_file():
        return _outputs(path, read_npz(outputs), name, dt)
    trace = path.with_suffix(".csv")
    if path.stem == EXPERIMENT_1[0] and trace.is_file():
        return [_experiment_1(path, trace, name)]
    stored = _inputs_elsewhere(path)
    if stored is not None:
        return _outputs(path, read_npz(stored), name, DT)
    imported = from_nir(path, dt=dt)
    n = imported.network.n_neurons
    return [Case(name, True, f"imports ({n} neurons); no stored output to compare with")]


def _refused(path: Path, name: str, said: str) -> Case:
    try:
        from_nir(path, dt=DT)
    except FormatError as error:
        text = str(error)
        line = next((x.strip() for x in text.splitlines() if said in x), "")
        if line:
            return Case(name, True, f"refused, as it must be: {line}")
        return Case(name, False, f"refused with another message: {text.splitlines()[0]}")
    return Case(name, False, f"accepted, but it is wrong; expected a refusal that says {said!r}")


def _run(imported: Imported, arrays: Mapping[str, NDArray[Any]], **wanted: Any) -> Any:
    inputs = {}
    for node, population in imported.inputs.items():
        key = "x" if "x" in arrays else f"x_{node}"
        if key not in arrays:
            raise VerifyError(
                explain(f"input {node!r}", f"no array {key}", found=", ".join(arrays))
            )
        inputs[population] = arrays[key][:, None]
    return run(imported.network, inputs, engine=ENGINE, **wanted)


def _outputs(path: Path, arrays: Mapping[str, NDArray[Any]], name: str, dt: float) -> list[Case]:
    """Compare a graph with every stored output of it."""
    cases = []
    document = read_document(path)
    ends = [
        n for n, x in document.graph.nodes.items() if isinstance(x, Node) and x.kind == "Output"
    ]
    for key, current in READINGS.items():
        stored = {n: arrays[k] for n in ends for k in (key, f"{key}_{n}") if k in arrays}
        if key == "y_euler" and "y_zero_reset" in arrays:
            stored = dict.fromkeys(ends, arrays["y_zero_reset"])
        if not stored:
            continue
        imported = from_nir(document, dt=dt, current=current)
        recording = _run(imported, arrays)
        for node, y in stored.items():
            label = f"{name} {key}" + (f" {node}" if len(imported.outputs) > 1 else "")
            got = recording.dense(imported.outputs[node])[:, 0]
            difference = _difference(got, y)
            spikes = y.dtype.kind in "bui"
            equal = f"{int(y.sum())} spikes equal" if spikes else f"equal to {ANALOG:g}"
            cases.append(Case(label, not difference, difference or equal))
        if "layer1" in arrays:
            cases.append(_layer_1(imported, recording, arrays, name))
    if not cases:
        raise VerifyError(
            explain(name, "no outputs", found=", ".join(arrays), expected="y_euler, ...")
        )
    return cases


def _layer_1(
    imported: Imported, recording: Any, arrays: Mapping[str, NDArray[Any]], name: str
) -> Case:
    """Compare the first spiking layer of the paper's CNN, stored as packed bits."""
    shape = tuple(int(n) for n in arrays["layer1_shape"])
    first = next(
        n for n, p in imported.network.populations.items() if p.model.name not in ("Input", "Relay")
    )
    got = recording.dense(first)[:, 0]
    wanted = np.unpackbits(arrays["layer1"])[: int(np.prod(shape))].reshape(shape)
    difference = _difference(got, wanted)
    label = f"{name} layer {first}"
    return Case(label, not difference, difference or f"{int(wanted.sum())} spikes equal")


def _difference(got: NDArray[Any], wanted: NDArray[Any]) -> str:
    """Return "" where equal (spikes exactly, analog to `ANALOG`), else the first difference and its size."""
    tolerance = 0.0 if wanted.dtype.kind in "bui" else ANALOG
    return difference("output", got, wanted.astype(np.float64), tolerance=tolerance)


def _table(path: Path) -> NDArray[Any]:
    try:
        text = path.read_text(encoding="utf-8")
        rows = [[float(x) for x in line.split(",")] for line in text.splitlines() if line.strip()]
        table = np.array(rows, np.float64)
    except (OSError, ValueError) as error:
        raise VerifyError(explain(path.name, "not a table of numbers", found=error)) from None
    if table.ndim != 2 or table.shape[1] != 3 or not np.all(np.isfinite(table)):
        raise VerifyError(
            explain(
                path.name,
                "not a trace",
                found=table.shape,
                expected="input, voltage, spike per line",
            )
        )
    return table


def _experiment_1(path: Path, trace: Path, name: str) -> Case:
    table = _table(trace)
    imported = from_nir(path, dt=DT)
    neuron = imported.outputs["output"]
    recording = _run(imported, {"x": table[:, :1]}, record={neuron: ("v",)})
    fired = tuple(int(k) for k in np.flatnonzero(recording.dense(neuron)[:, 0, 0]))
    if fired != EXPERIMENT_1[1]:
        return Case(name, False, f"spikes at {fired}, expected {EXPERIMENT_1[1]}")
    off = np.abs(recording.trace(neuron, "v")[:, 0, 0] - table[:, 1])
    if not off.max() <= VOLTAGE:
        return Case(name, False, f"voltage differs by up to {off.max():.3g}, first {VOLTAGE:g} exceeded "
                    f"at step {int(np.argmax(off > VOLTAGE))}")  # fmt: skip
    return Case(
        name, True, f"spikes at {', '.join(map(str, fired))}; voltage within {off.max():.1e}"
    )


def _published_trace(path: Path, name: str) -> Case:
    """Report a platform's answer to experiment 1."""
    table = _table(path)
    fired = np.flatnonzero(table[:, 2] != 0)
    if path.stem == EXPERIMENT_1[0]:
        return Case(name, True, "informative: what lif_norse.nir is compared with")
    listed = ", ".join(map(str, fired[:8])) + (", ..." if len(fired) > 8 else "")
    ours = ", ".join(map(str, EXPERIMENT_1[1]))
    return Case(
        name, True, f"informative: a platform's result; spikes at {listed or 'none'}; ours {ours}"
    )


def _published_array(path: Path, name: str) -> Case:
    """Report a platform's accuracy or activity."""
    try:
        # mapped: a header that claims more than the file has is refused before memory is taken
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError, OverflowError) as error:
        return Case(name, False, f"not a readable .npy file: {error}")
    if array.dtype.kind not in "buif":
        return Case(name, False, f"not numbers: {array.dtype}")
    what = f"{float(array):.4g}" if array.ndim == 0 else f"shape {array.shape}"
    return Case(name, True, f"informative: a platform's published result, {what}")
