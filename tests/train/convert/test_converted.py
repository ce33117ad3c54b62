"""Networks trained on the handwritten digits, converted: the error falls, the accuracy stays."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import rich.console
import torch
from torch import Tensor, nn

from spikewright.data import digits
from spikewright.errors import TrainError
from spikewright.network.store import load, save
from spikewright.train.convert import QCFS, Converted, convert

LEVELS = 8
EPOCHS = 12
# The bounds below were met with room to spare by six seeds of each network; training rounds otherwise elsewhere.


def activation(kind: str) -> nn.Module:
    return nn.ReLU() if kind == "relu" else QCFS(LEVELS, threshold=2.0)


def dense(kind: str) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), activation(kind), nn.Dropout(0.1), nn.Linear(64, 32), activation(kind),
        nn.Linear(32, 10),
    )  # fmt: skip


def convolutional(kind: str) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), activation(kind), nn.AvgPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), activation(kind), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


Samples = tuple[Tensor, Tensor, Tensor, np.ndarray]


@pytest.fixture(scope="module")
def images() -> Samples:
    found = digits.load()
    x, test = (torch.tensor(np.array(p.inputs))[:, None] for p in (found.train, found.test))
    return x, torch.tensor(np.array(found.train.labels)), test, np.array(found.test.labels)


def trained(module: nn.Module, x: Tensor, y: Tensor) -> nn.Module:
    draw = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(module.parameters())
    for epoch in range(EPOCHS):
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - epoch / EPOCHS)
        for chosen in torch.randperm(len(x), generator=draw).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x[chosen]), y[chosen]).backward()
            optimizer.step()
    return module


@pytest.fixture(scope="module", params=[(f, k) for f in (dense, convolutional) for k in ("relu", "qcfs")],
                ids=lambda p: f"{p[0].__name__} {p[1]}")  # fmt: skip
def done(request: pytest.FixtureRequest, images: Samples) -> tuple[str, Converted]:
    make: Callable[[str], nn.Module]
    make, kind = request.param
    x, y, test, labels = images
    torch.manual_seed(0)
    module = trained(make(kind), x, y)
    return kind, convert(module, (1, 8, 8), calibration=x[:256], samples=(test, labels), steps=32)


def test_accuracy_stays(done: tuple[str, Converted]) -> None:
    report = done[1].report
    assert report.original > 0.92
    assert report.samples == 359
    assert report.accuracy[31] > report.original - 0.015
    assert report.agreement[31] > 0.96
    assert report.accuracy[0] < report.original  # one step does not do it


def test_error_falls_with_the_steps(done: tuple[str, Converted]) -> None:
    kind, found = done
    error = np.array(found.report.error)
    assert np.all(np.diff(error[[0, 1, 3, 7]]) < 0)
    if kind == "relu":
        # of order 1/T: a rate is known to half a spike in T steps
        slope = np.polyfit(np.log([2, 4, 8, 16, 32]), np.log(error[[1, 3, 7, 15, 31]]), 1)[0]
        assert slope == pytest.approx(-1.0, abs=0.15)
    else:
        # then at the distance between the grid that was trained and the line that rates approach
        assert error[LEVELS - 1] < 0.12 * found.report.scale
        assert error[31] == pytest.approx(error[15], rel=0.3)


def test_few_steps_are_enough_for_qcfs(done: tuple[str, Converted]) -> None:
    kind, found = done
    if kind == "qcfs":
        assert found.report.accuracy[LEVELS - 1] > found.report.original - 0.015
        assert found.report.agreement[LEVELS - 1] > 0.97


def test_the_maximum_and_a_start_at_zero_need_more_steps(images: Samples) -> None:
    x, y, test, labels = images
    torch.manual_seed(0)
    module = trained(dense("relu"), x, y)
    known = {"calibration": x[:256], "samples": (test, labels), "steps": 8}
    ours = convert(module, (1, 8, 8), **known)
    plain = convert(module, (1, 8, 8), percentile=100, initial=0.0, **known)
    assert all(plain.thresholds[n] > ours.thresholds[n] for n in ours.thresholds)
    assert plain.report.error[7] > 1.5 * ours.report.error[7]


def test_the_report_as_text(done: tuple[str, Converted]) -> None:
    report = done[1].report
    lines = str(report).splitlines()
    assert lines[0] == f"conversion on 359 samples, accuracy of the original {report.original:.2%}"
    assert lines[1].split() == ["T", "error", "of", "outputs", "agreement", "accuracy", "spikes"]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2", "4", "8", "16", "32"]
    assert f"{report.accuracy[31]:.2%}" in lines[-1]
    shown = io.StringIO()
    rich.console.Console(width=100, file=shown).print(report)
    assert f"{report.error[31]:.4g}" in shown.getvalue()


def test_it_is_a_network_like_any_other(
    done: tuple[str, Converted], images: Samples, tmp_path
) -> None:
    found, x = done[1], images[2][:7]
    save(found.network, tmp_path / "net.h5")
    again = Converted(load(tmp_path / "net.h5"), found.thresholds, found.layers, found.report)
    np.testing.assert_array_equal(again.outputs(x, steps=5), found.outputs(x, steps=5))


def test_the_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2), nn.ReLU())
    module.train()
    before = {n: t.clone() for n, t in module.state_dict().items()}
    convert(module, 3, calibration=torch.rand(9, 3) + 1, steps=2)
    assert module.training
    assert all(torch.equal(t, before[n]) for n, t in module.state_dict().items())


def test_without_labels() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    report = convert(
        module, 3, calibration=torch.rand(9, 3), samples=(torch.rand(4, 3), None), steps=2
    ).report
    assert (report.samples, report.accuracy, report.original) == (4, None, None)
    assert str(report).startswith("conversion on 4 samples\n")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calibration": torch.rand(4, 5)}, r"convert\(calibration=\): wrong shape; found \(4, 5\), expected \(B, 3\)"),
        ({"calibration": torch.rand(0, 3)}, r"at least one"),
        ({"calibration": torch.full((2, 3), torch.nan)}, r"convert\(calibration=\): not all numbers are finite"),
        ({"calibration": None}, r"convert\(calibration=\): not an array of numbers; found NoneType"),
        ({"calibration": [[1.0, 2.0, 3.0], [1.0]]}, r"convert\(calibration=\): not an array of numbers; found list"),
        ({"samples": torch.rand(4, 3)}, r"convert\(samples=\): must be \(inputs, labels\); found Tensor"),
        ({"samples": (torch.rand(4, 3), [0, 1])}, r"labels: must be one whole number per sample; found int64 of shape"),
        ({"samples": (torch.rand(2, 3), [0.5, 1])}, "labels: must be one whole number per sample"),
        ({"percentile": 0}, r"convert\(percentile=\): not a percentile; found 0"),
        ({"initial": 1.0}, r"convert\(initial=\): not a share of the threshold"),
        ({"steps": 0}, r"convert\(steps=\): not a number of steps; found 0"),
        ({"calibration": -10 - torch.rand(2, 3)}, "layer '1': is silent on all calibration samples"),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict, said: str) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    nn.init.ones_(module[0].weight)
    with pytest.raises(TrainError, match=said):
        convert(module, 3, **({"calibration": torch.rand(4, 3)} | changes))


def test_a_threshold_that_training_drove_below_zero() -> None:
    module = nn.Sequential(nn.Linear(3, 2), QCFS(4))
    module[1].threshold.data.fill_(-0.5)
    with pytest.raises(
        TrainError, match=r"layer '1' \(QCFS\): its learned threshold is not positive; found -0.5"
    ):
        convert(module, 3, calibration=torch.rand(4, 3))


def test_weights_that_are_not_numbers() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    module[0].weight.data[0, 0] = torch.nan
    with pytest.raises(TrainError, match=r"convert: '0\.weight': not all numbers are finite"):
        convert(module, 3, calibration=torch.rand(4, 3))
