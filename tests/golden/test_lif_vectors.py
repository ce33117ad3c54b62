"""Neurons of five training libraries: the same spikes and gradients here, from vectors that the libraries made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spikewright.testing.verify import lif

FOLDER = Path(__file__).resolve().parent / "train" / "lif"
CASES = 69


def read(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def changed(tmp_path: Path, name: str, meta: dict | None = None, **arrays: np.ndarray):
    """Return the case of a file with other arrays, or with other options."""
    stored = read(name)
    if meta:
        known = json.loads(str(stored["meta"]))
        known["options"] |= meta
        stored["meta"] = np.array(json.dumps(known))
    np.savez(tmp_path / "case.npz", **(stored | arrays))
    (found,) = lif.verify(tmp_path, fused=False)
    return found


def test_every_case_is_equal() -> None:
    cases = lif.verify(FOLDER, fused=False)
    assert [f"{c.name}: {c.detail}" for c in cases if not c.passed] == []
    assert len(cases) == CASES
    listed = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    assert [line["file"] for line in listed] == [c.name for c in cases]


def test_fused_kernels_are_equal(tmp_path: Path) -> None:
    """Of one case: the kernels that training uses take seconds to compile. Of all: `spikewright verify lif`."""
    name = "snntorch_rleaky_subtract.npz"
    (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (found,) = lif.verify(tmp_path)
    assert found.passed, found.detail


@pytest.mark.parametrize(
    ("array", "change"),
    [("v", 1e-8), ("grad_x", 2e-5), ("grad_w", 2e-5), ("grad_w", np.nan), ("grad_v_th", 2e-5)],
)
def test_one_changed_number_fails(tmp_path: Path, array: str, change: float) -> None:
    wrong = read("snntorch_leaky_learned")[array]
    largest = np.abs(wrong).max()
    wrong[(-1,) * wrong.ndim] += change * largest
    found = changed(tmp_path, "snntorch_leaky_learned", **{array: wrong})
    assert not found.passed
    assert found.detail.startswith(array)


def test_one_changed_spike_fails(tmp_path: Path) -> None:
    wrong = read("norse_lif")["spikes"]
    wrong[3, 1, 2] ^= 1
    found = changed(tmp_path, "norse_lif", spikes=wrong)
    assert found.detail.startswith("spikes[3, 1, 2]: ")
    assert found.detail.endswith("; 1 of 320 values differ")


@pytest.mark.parametrize(
    ("name", "options", "first"),
    [
        # the same spikes, another gradient
        ("spikingjelly_lif", {"detach_reset": True}, "grad_"),
        ("spikingjelly_lif_full_soft_detached", {"detach_reset": False}, "grad_"),
        ("spikingjelly_lif_soft", {"surrogate": {"name": "ATan", "alpha": 2.001}}, "grad_"),
        ("sinabs_lif_full", {"surrogate": {"name": "SingleExponential", "grad_width": 0.7}}, "grad_"),
        # another order or kind of reset, other spikes
        ("snntorch_leaky_subtract", {"reset_delay": False}, "spikes"),
        ("snntorch_leaky_subtract_immediate", {"reset_delay": True}, "spikes"),
        ("snntorch_leaky_zero", {"reset": "subtract"}, "spikes"),
        ("norse_lif_box_subtract", {"reset": "value"}, "spikes"),
        ("sinabs_lif", {"norm_input": False}, "spikes"),
        ("spikingjelly_lif_full", {"decay_input": True}, "spikes"),
    ],
)  # fmt: skip
def test_the_options_matter(tmp_path: Path, name: str, options: dict, first: str) -> None:
    found = changed(tmp_path, name, options)
    assert not found.passed
    assert found.detail.startswith(first)


def test_one_name_means_two_neurons(tmp_path: Path) -> None:
    """The zero reset of snnTorch's `Leaky` keeps this step's input, that of its `RLeaky` does not."""
    stored = read("snntorch_leaky_zero")
    stored["meta"] = np.array(str(stored["meta"]).replace("snntorch.Leaky", "snntorch.RLeaky"))
    np.savez(tmp_path / "case.npz", **stored)
    (found,) = lif.verify(tmp_path, fused=False)
    assert found.detail.startswith("spikes")


def test_several_spikes_fit_one_step() -> None:
    assert read("sinabs_lif_several")["spikes"].max() > 2


def test_a_network_with_another_weight_fails(tmp_path: Path) -> None:
    stored = read("spikingjelly_network")
    assert changed(tmp_path, "spikingjelly_network").passed
    found = changed(tmp_path, "spikingjelly_network", **{"9.weight": stored["9.weight"] * 0.7})
    assert found.detail.startswith("spikes_10 (output)[")


def test_another_kind_is_reported(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", meta='{"kind": "lif_net"}')
    (found,) = lif.verify(tmp_path)
    assert (found.passed, found.detail) == (False, "not recognized: kind 'lif_net'")


def test_the_folder_is_small() -> None:
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 1e6
