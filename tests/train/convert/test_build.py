"""The network of a module: maps exact, folding exact, neurons exact where theory says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikewright.engines import run
from spikewright.errors import TrainError
from spikewright.network import AvgPool, Compose, Conv, Dense, OneToOne, Propagation
from spikewright.train.convert import QCFS, Integrator, RateIF, convert


def settled(module: nn.Module) -> nn.Module:
    """Return a module with statistics and affine parameters that are not 0 and 1, in eval mode."""
    draw = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            shape = part.running_mean.shape
            part.running_mean.copy_(torch.randn(shape, generator=draw))
            part.running_var.copy_(0.2 + 2 * torch.rand(shape, generator=draw))
            if part.affine:
                part.weight.data.copy_(torch.randn(shape, generator=draw))
                part.bias.data.copy_(torch.randn(shape, generator=draw))
    return module.double().eval()


def sample(*shape: int) -> Tensor:
    return torch.randn(5, *shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


LINEAR = {
    "dense and batch norm": ((6,), [nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3, bias=False)]),
    "two dense layers": ((6,), [nn.Linear(6, 4), nn.Linear(4, 3)]),
    "convolution and batch norm": ((2, 6, 5), [nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=1), nn.BatchNorm2d(3)]),
    "no affine part": ((2, 6, 5), [nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3, affine=False)]),
    "groups and dilation": ((4, 9, 9), [nn.Conv2d(4, 8, 3, dilation=2, groups=2, padding="same")]),
    "same padding, even kernel": ((1, 6, 6), [nn.Conv2d(1, 2, 2, padding="same"), nn.Conv2d(2, 1, 3, padding="valid")]),
    "one dimension": ((2, 9), [nn.Conv1d(2, 3, 3, padding=1), nn.BatchNorm1d(3), nn.AvgPool1d(3, 2)]),
    "batch norm first": ((2, 4, 4), [nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3, padding=1)]),
    "batch norm behind a pool": ((2, 4, 4), [nn.Conv2d(2, 2, 3), nn.AvgPool2d(2), nn.BatchNorm2d(2), nn.Flatten()]),
    "batch norm behind flattening": ((2, 4, 4), [nn.Conv2d(2, 2, 3), nn.Flatten(), nn.BatchNorm1d(8), nn.Linear(8, 2)]),
    "padded pool": ((2, 5, 5), [nn.AvgPool2d(3, stride=2, padding=1), nn.Flatten(), nn.Linear(18, 2)]),
    "adaptive pool": ((2, 6, 4), [nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d((2, 1)), nn.AdaptiveAvgPool2d((None, 1))]),
    "two batch norms": ((6,), [nn.BatchNorm1d(6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Identity()]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # of the original
@pytest.mark.parametrize("case", LINEAR)
def test_without_activations_one_step_is_exact(case: str) -> None:
    torch.manual_seed(0)
    shape, layers = LINEAR[case]
    module = settled(nn.Sequential(*layers))
    x = sample(*shape)
    done = convert(module, shape, calibration=x, steps=1)
    found = done.outputs(x, steps=1)[0]
    wanted = module(x).detach().flatten(1).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert done.network.populations["output"].model is Integrator


def test_batch_norm_leaves_no_trace() -> None:
    module = settled(
        nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.AvgPool2d(2), nn.BatchNorm2d(3), QCFS(4)
        )
    )
    network = convert(module, (2, 6, 6), calibration=sample(2, 6, 6), steps=1).network
    (projection,) = network.projections.values()
    assert isinstance(projection.topology, Compose)
    assert [type(m) for m in projection.topology.maps] == [Conv, AvgPool]


@pytest.mark.parametrize("levels", [1, 4, 7])
def test_a_layer_of_qcfs_is_exact_after_as_many_steps_as_levels(levels: int) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 40), QCFS(levels, threshold=1.3)).double()
    x = 3 * sample(6)
    done = convert(module, 6, calibration=x, steps=levels)
    wanted = module(x).detach().numpy()
    assert levels == 1 or np.any((wanted > 0) & (wanted < wanted.max()))
    np.testing.assert_allclose(done.outputs(x, steps=levels)[-1], wanted, rtol=0, atol=1e-6)
    assert done.report.error[-1] < 1e-6
    # what a neuron fires is rate times threshold: floor(z T / theta + 1/2), between 0 and T
    held = np.broadcast_to(x.numpy(), (levels, *x.shape))
    count = run(done.network, {"input": held}, engine="reference").count("output")
    np.testing.assert_allclose(
        count / levels * done.thresholds["output"], wanted, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("steps", [3, 10, 64])
def test_a_layer_of_relu_is_rounded_to_the_grid_of_its_steps(steps: int) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 40), nn.ReLU()).double()
    x = sample(6)
    wanted = module(x).detach().numpy()
    for initial, worst in ((0.5, 0.5), (0.0, 1.0)):
        done = convert(module, 6, calibration=x, percentile=100, initial=initial, steps=1)
        theta = done.thresholds["output"]
        assert theta == pytest.approx(wanted.max(), rel=1e-12)
        error = done.outputs(x, steps=steps)[-1] - wanted
        assert np.abs(error).max() <= worst * theta / steps + 1e-9
        assert initial or error.max() <= 1e-9  # from 0 it rounds down


def test_clipped_relu_clips_at_its_cap() -> None:
    module = nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU6()).double()
    module[0].weight.data[:] = torch.tensor([[1.0], [5.0], [10.0]])
    x = torch.tensor([[2.0]], dtype=torch.float64)
    done = convert(module, 1, calibration=x, percentile=100, steps=60)
    assert done.thresholds == {"output": 6.0}
    np.testing.assert_allclose(done.outputs(x, steps=60)[-1], [[2.0, 6.0, 6.0]], atol=1e-9)


class Residual(nn.Module):
    """A block of a residual network: normalization behind the sum, a projection, a skip over nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), QCFS(4, threshold=2.0)
        )
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
        self.norm = nn.BatchNorm2d(3)
        self.act = QCFS(4, threshold=3.0)
        self.head = nn.Linear(3 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        h = self.act(self.norm(self.body(h) + h))
        return self.head((h + h).flatten(1))


def test_sums_become_several_projections() -> None:
    torch.manual_seed(0)
    module = settled(Residual())
    x = sample(1, 4, 4)
    done = convert(module, (1, 4, 4), calibration=x, steps=256)
    network = done.network
    assert list(network.projections) == [
        "input->hidden1", "hidden1->hidden2", "hidden1->hidden2 2", "hidden2->output", "hidden2->output 2",
    ]  # fmt: skip
    skip = network.projections["hidden1->hidden2 2"]
    assert isinstance(skip.topology, OneToOne)
    assert skip.bias is None
    assert network.projections["hidden1->hidden2"].bias is not None
    assert done.layers == {"hidden1": "stem.2", "hidden2": "act"}
    # the neurons settle at the clipped line that QCFS is a grid of: compare with the same module without grid
    module.stem[2].levels = module.act.levels = 2**20
    fine = module(x).detach().numpy()
    error = np.abs(done.outputs(x, steps=256)[[15, 255]] - fine).mean(axis=(1, 2))
    assert error[1] < 0.02 * np.abs(fine).mean()
    assert error[1] < error[0] / 4


def test_engines_run_it_as_the_report_does() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    x = sample(6).float()
    done = convert(module, 6, calibration=x, steps=12)
    assert done.network.propagation is Propagation.SAME_STEP
    assert done.network.populations["hidden1"].model is RateIF
    assert isinstance(done.network.projections["input->hidden1"].topology, Dense)
    held = np.broadcast_to(x.numpy().astype(float), (12, 5, 6))
    steps = np.arange(1, 13)[:, None, None]
    wanted = done.outputs(x, steps=12)
    said = run(done.network, {"input": held}, engine="reference").dense("output") / steps
    np.testing.assert_allclose(said, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "shape", "said"),
    [
        ([nn.Conv2d(2, 2, 3)], (1, 6, 6), r"layer '0': Conv: wrong input; found \(1, 6, 6\)"),
        ([nn.Conv2d(1, 2, 7)], (1, 6, 6), r"layer '0': Conv: the kernel is larger than the input"),
        ([nn.Linear(3, 2)], (4, 3), r"layer '0' \(Linear\): does not .*\(4, 3\), expected 1 axis — put Flatten\(\)"),
        ([nn.AvgPool2d(2)], (4, 6), r"layer '0' \(AvgPool2d\): does not take this shape; .* expected 3 axes"),
        ([nn.BatchNorm1d(3)], (3, 4, 4), r"expected 1 axis or 2 axes"),
        ([nn.BatchNorm1d(3)], (4,), "layer '0': has another number of channels .* found 3, expected 4"),
        ([nn.AdaptiveAvgPool2d(2)], (1, 5, 4), r"layer '0': pools windows of different sizes; found \(5, 4\)"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit(layers: list[nn.Module], shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(TrainError, match=said):
        convert(nn.Sequential(*layers, nn.ReLU()), shape, calibration=torch.zeros(2, *shape))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.ReLU()],
        [nn.Identity()],
        [nn.Conv2d(1, 2, 3, bias=False), nn.Conv2d(2, 1, 2, bias=False)],
        [nn.ReLU(), nn.ReLU(), nn.AvgPool2d(2), nn.ReLU()],
        [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    ],
)
def test_odd_networks(layers: list[nn.Module]) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(*layers).double()
    x = sample(1, 4, 4).abs()
    done = convert(module, (1, 4, 4), calibration=x, percentile=100, steps=200)
    wanted = module(x).detach().flatten(1).numpy()
    np.testing.assert_allclose(done.outputs(x, steps=200)[-1], wanted, atol=0.02)


def test_one_activation_used_twice_has_two_thresholds() -> None:
    torch.manual_seed(0)
    shared = nn.ReLU()
    module = nn.Sequential(
        nn.Linear(6, 5), shared, nn.Linear(5, 4), shared, nn.Linear(4, 2)
    ).double()
    done = convert(module, 6, calibration=sample(6), steps=1)
    assert done.layers == {"hidden1": "1", "hidden2": "1"}
    assert done.thresholds["hidden1"] != done.thresholds["hidden2"]
