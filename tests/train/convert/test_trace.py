"""What a module consists of, and what is refused before anything runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from spikewright.errors import TrainError
from spikewright.train.convert import QCFS
from spikewright.train.convert.trace import Kind, read


class Skipping(nn.Module):
    """Functions, methods, a sum, and a flattening by `view`."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True)
        )
        self.act = QCFS(4)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.dropout(self.body(x), training=self.training)
        h = functional.relu6(h + x)
        h = torch.relu(h).relu() + h
        return self.act(h.view(h.size(0), -1))


def kinds(module: nn.Module) -> list[Kind]:
    return [n.kind for n in read(module).nodes]


def test_functions_and_nested_modules() -> None:
    found = read(Skipping())
    assert [n.kind for n in found.nodes] == [
        Kind.INPUT, Kind.CONV, Kind.NORM, Kind.RELU, Kind.SAME, Kind.ADD, Kind.RELU, Kind.RELU, Kind.RELU, Kind.ADD,
        Kind.FLATTEN, Kind.QCFS,
    ]  # fmt: skip
    names = {n.name: n for n in found.nodes}
    assert names["body.0"].kind is Kind.CONV
    assert names["relu6"].cap == 6.0
    assert found.last is names["act"].fx


def test_single_layers_and_nested_sequences() -> None:
    assert kinds(nn.Linear(2, 3)) == [Kind.INPUT, Kind.LINEAR]
    assert kinds(QCFS(4)) == [Kind.INPUT, Kind.QCFS]
    nested = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Identity()), nn.Hardtanh(0, 2))
    assert kinds(nested) == [Kind.INPUT, Kind.LINEAR, Kind.SAME, Kind.RELU]
    assert read(nested).nodes[-1].cap == 2.0


def test_the_shape_may_be_asked_for() -> None:
    class Asking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(x.shape[0], -1)

    assert kinds(Asking()) == [Kind.INPUT, Kind.FLATTEN]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.MaxPool2d(2), "layer '1': cannot be converted; found MaxPool2d — train with average pooling"),
        (nn.Sigmoid(), "layer '1': cannot be converted; found Sigmoid — train with ReLU or QCFS"),
        (nn.LSTM(2, 2), "layer '1': cannot be converted; found LSTM, expected Linear, Conv1d/2d"),
        (nn.Softmax(1), "found Softmax — leave it out"),
        (nn.LayerNorm(3), "found LayerNorm — train with batch normalization"),
        (nn.Conv2d(1, 1, 3, padding_mode="circular"), r"layer '1' \(Conv2d\): pads with 'circular', not zeros"),
        (nn.BatchNorm1d(3, track_running_stats=False), "keeps no running statistics to fold"),
        (nn.AvgPool2d(2, ceil_mode=True), "rounds its size up"),
        (nn.AvgPool2d(2, divisor_override=3), "divides by another number"),
        (nn.AvgPool2d(2, padding=1, count_include_pad=False), "leaves padding out of the mean"),
        (nn.Hardtanh(-1, 1), "does not begin at 0"),
        (nn.Flatten(0), "does not join all axes but the batch"),
        (nn.Flatten(1, 2), "does not join all axes but the batch"),
    ],
)  # fmt: skip
def test_layers_that_are_refused(layer: nn.Module, said: str) -> None:
    with pytest.raises(TrainError, match=said):
        read(nn.Sequential(nn.Identity(), layer))


def test_all_that_is_wrong_is_said_at_once() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Sequential(nn.MaxPool1d(2), nn.ReLU()))
    with pytest.raises(
        TrainError, match=r"2 problems\n  1\. .*'1'.*Tanh.*\n  2\. .*'2\.0'.*MaxPool1d"
    ):
        read(module)


def bend(x: Tensor) -> Tensor:
    return torch.sin(x)


class Free(nn.Module):
    """Whatever function a test wants."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function
        self.gain = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda m, x: bend(x), "'sin' in Free.forward: cannot be converted; found sin"),
        (lambda m, x: x * m.gain, "'gain': cannot be converted; found a tensor that is not a layer's weight"),
        (lambda m, x: x + 1.0, "'add' in Free.forward: cannot be converted; found add"),
        (lambda m, x: torch.add(x, x, alpha=2), "cannot be converted; found add"),
        (lambda m, x: torch.flatten(x), "cannot be converted; found flatten"),
        (lambda m, x: functional.max_pool2d(x, 2), "found max_pool2d — train with average pooling"),
        (lambda m, x: functional.relu(x, inplace=True) + x, "'relu': changes its input in place, and that is used ag"),
        (lambda m, x: (x.relu_(), x)[1], "'relu_': changes its input in place"),
        (lambda m, x: (x, x), "output: must be one tensor; found tuple"),
        (lambda m, x: x if x.sum() > 0 else -x, "Free: cannot be read as a graph; found TraceError"),
    ],
)  # fmt: skip
def test_functions_that_are_refused(function: object, said: str) -> None:
    with pytest.raises(TrainError, match=said):
        read(Free(function))


def test_in_place_is_fine_where_the_result_is_used() -> None:
    def forward(m: nn.Module, x: Tensor) -> Tensor:
        h = x + x
        h += x
        return functional.relu(h, inplace=True)

    assert kinds(Free(forward)) == [Kind.INPUT, Kind.ADD, Kind.ADD, Kind.RELU]


def test_two_inputs() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(TrainError, match="convert: y: must be one input; found several"):
        read(Two())
