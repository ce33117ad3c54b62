"""NeuroBench's metrics against what its harness reported, through the same call as `spikewright verify neurobench`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify import verify

KIND = "neurobench"
CASES = ("lif_conv", "lif_mlp", "lif_mlp_analog_input", "lif_mlp_zero_reset", "relu_mlp")


def copied(shared: Path, folder: Path, case: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return one case's description and arrays."""
    source = shared / "vectors" / KIND
    about = json.loads((source / "index.json").read_text())["cases"][case]
    with np.load(source / f"{case}.npz") as file:
        arrays = {name: file[name] for name in file.files}
    put(folder, case, about, arrays)
    return about, arrays


def put(folder: Path, case: str, about: Any, arrays: dict[str, np.ndarray]) -> None:
    (folder / "index.json").write_text(json.dumps({"cases": {case: about}}))
    np.savez(folder / f"{case}.npz", **arrays)


def failures(folder: Path) -> dict[str, str]:
    return {case.name: case.detail for case in verify(KIND, folder) if not case.passed}


def test_every_metric_of_every_case(shared: Path) -> None:
    folder = shared / "vectors" / KIND
    cases = verify(KIND, folder)
    index = json.loads((folder / "index.json").read_text())["cases"]
    assert sorted(index) == sorted(CASES)
    wanted = {f"{c}: {m}" for c, about in index.items() for m in (*about["metrics"], "activity")}
    assert {case.name for case in cases} == wanted
    assert [case for case in cases if not case.passed] == []
    said = {case.name: case.detail for case in cases}
    assert said["lif_mlp_zero_reset: MembraneUpdates"] == "equal: 391.1"


@pytest.mark.parametrize(
    "metric",
    [
        "ParameterCount", "Footprint", "ConnectionSparsity", "ClassificationAccuracy", "ActivationSparsity",
        "MembraneUpdates",
    ],
)  # fmt: skip
def test_one_changed_metric_fails(shared: Path, tmp_path: Path, metric: str) -> None:
    about, arrays = copied(shared, tmp_path, "lif_mlp")
    assert failures(tmp_path) == {}
    value = about["metrics"][metric]
    about["metrics"][metric] = value + (1 if isinstance(value, int) else 1e-8 * max(1.0, value))
    put(tmp_path, "lif_mlp", about, arrays)
    (found,) = failures(tmp_path).items()
    assert found[0] == f"lif_mlp: {metric}"
    assert f"found {float(value)!r}, expected" in found[1]


@pytest.mark.parametrize("part", ["Effective_MACs", "Effective_ACs", "Dense"])
def test_one_changed_operation_fails(shared: Path, tmp_path: Path, part: str) -> None:
    about, arrays = copied(shared, tmp_path, "lif_mlp_analog_input")
    about["metrics"]["SynapticOperations"][part] += 0.125
    put(tmp_path, "lif_mlp_analog_input", about, arrays)
    (detail,) = failures(tmp_path).values()
    assert detail.startswith(part)


def test_the_batch_size_decides_what_multiplies(shared: Path, tmp_path: Path) -> None:
    about, arrays = copied(shared, tmp_path, "lif_mlp")
    arrays["x"][0] *= 0.5  # the first sample of the first batch becomes analog
    put(tmp_path, "lif_mlp", about, arrays)
    together = failures(tmp_path)["lif_mlp: SynapticOperations"]
    put(tmp_path, "lif_mlp", about | {"batch_size": 1}, arrays)
    alone = failures(tmp_path)["lif_mlp: SynapticOperations"]
    multiplies = [float(t.split("found ")[1].split(",")[0]) for t in (together, alone)]
    assert multiplies[0] > multiplies[1] > 0


def test_other_weights_give_other_spikes(shared: Path, tmp_path: Path) -> None:
    about, arrays = copied(shared, tmp_path, "lif_conv")
    arrays["l0.weight"][0, 0, 0, 0] += 1.0
    put(tmp_path, "lif_conv", about, arrays)
    assert failures(tmp_path)["lif_conv: activity"].startswith("l1[")


def test_what_is_not_recognized_is_reported(shared: Path, tmp_path: Path) -> None:
    about, arrays = copied(shared, tmp_path, "relu_mlp")
    about["metrics"]["Speed"] = 3.0
    put(tmp_path, "relu_mlp", about, arrays)
    shutil.copy(tmp_path / "relu_mlp.npz", tmp_path / "other.npz")
    (tmp_path / "notes.txt").write_text("mine")
    assert failures(tmp_path) == {
        "relu_mlp: Speed": "not recognized",
        "other": "not recognized: not in index.json",
        "notes.txt": "not recognized",
    }
    (tmp_path / "relu_mlp.npz").unlink()
    assert failures(tmp_path)["relu_mlp"] == "there is no relu_mlp.npz"


def test_a_layer_of_another_kind(shared: Path, tmp_path: Path) -> None:
    about, arrays = copied(shared, tmp_path, "relu_mlp")
    about["layers"][0][1] = "Bilinear(1, 2)"
    put(tmp_path, "relu_mlp", about, arrays)
    assert failures(tmp_path) == {"relu_mlp.npz": "layer: not recognized; found Bilinear(1, 2)"}


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="no such folder"):
        verify(KIND, tmp_path / "gone")
    with pytest.raises(VerifyError, match=r"holds no index\.json"):
        verify(KIND, tmp_path)
    (tmp_path / "index.json").write_text("[1]")
    with pytest.raises(VerifyError, match="not an index of cases"):
        verify(KIND, tmp_path)
