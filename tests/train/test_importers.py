"""Trained models of snnTorch and SpikingJelly as networks.

The classes here only have the libraries' names and attributes; what the real ones send stands in
`tests/golden/train/lif`, made by `benchmarks/peers/lif_networks.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spikewright.engines import run
from spikewright.errors import TrainError
from spikewright.network import Network, Propagation
from spikewright.train.importers import from_snntorch, from_spikingjelly

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "train" / "lif"


class Leaky(nn.Module):
    def __init__(self, beta=0.9, threshold=1.0, reset_mechanism="subtract", reset_delay=True):
        super().__init__()
        self.register_buffer("beta", torch.as_tensor(beta))
        self.register_buffer("threshold", torch.as_tensor(threshold))
        self.register_buffer("graded_spikes_factor", torch.tensor(1.0))
        self.reset_mechanism, self.reset_delay = reset_mechanism, reset_delay
        self.inhibition = self.state_quant = False


class RLeaky(Leaky):
    def __init__(self, n, **options):
        super().__init__(**options)
        self.all_to_all = True
        self.recurrent = nn.Linear(n, n)


class Synaptic(Leaky):
    def __init__(self, alpha, **options):
        super().__init__(**options)
        self.register_buffer("alpha", torch.as_tensor(alpha))


class RSynaptic(Synaptic):
    def __init__(self, **options):
        super().__init__(0.5, **options)
        self.all_to_all, self.V = False, torch.tensor(-0.5)


class IFNode(nn.Module):
    def __init__(self, v_threshold=1.0, v_reset=0.0, detach_reset=False):
        super().__init__()
        self.v_threshold, self.v_reset, self.detach_reset = v_threshold, v_reset, detach_reset


class LIFNode(IFNode):
    def __init__(self, tau=2.0, decay_input=True, **options):
        super().__init__(**options)
        self.tau, self.decay_input = tau, decay_input


class ParametricLIFNode(IFNode):
    def __init__(self, decay_input=True, **options):
        super().__init__(**options)
        self.decay_input, self.w = decay_input, nn.Parameter(torch.tensor(0.0))


class LinearRecurrentContainer(nn.Module):
    def __init__(self, sub_module, n_in, n_out):
        super().__init__()
        self.rc, self.sub_module = nn.Linear(n_in + n_out, n_in), sub_module


def filled(model: nn.Module, stored: dict[str, np.ndarray]) -> nn.Module:
    """Return a model in double precision with stored arrays."""
    model = model.double()
    found = model.load_state_dict(
        {k: torch.tensor(x) for k, x in stored.items() if k[0].isdigit()}, strict=False
    )
    assert found.unexpected_keys == []
    assert {k.rpartition(".")[2] for k in found.missing_keys} <= {"num_batches_tracked"}
    return model


def read(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def same_spikes(network: Network, stored: dict[str, np.ndarray]) -> None:
    found = run(network, {"input": stored["x"]}, engine="reference")
    spiking = [n for n, p in network.populations.items() if p.model.is_spiking]
    kept = sorted((k for k in stored if k.startswith("spikes_")), key=lambda k: int(k[7:]))
    assert len(kept) == len(spiking) == 4
    for name, key in zip(spiking, kept, strict=True):
        np.testing.assert_array_equal(found.dense(name), stored[key])


class TestStoredNetworks:
    def test_snntorch(self) -> None:
        stored = read("snntorch_network")
        model = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1, stride=2),
            Leaky(),
            nn.AvgPool2d(2),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(12, 8),
            RLeaky(8, reset_delay=False),
            nn.Linear(8, 6, bias=False),
            nn.Linear(6, 6),
            Synaptic(0.0, beta=torch.zeros(6)),
            nn.Linear(6, 4),
            Leaky(reset_mechanism="zero"),
        )
        network = from_snntorch(filled(model, stored), shape=(1, 7, 7))
        same_spikes(network, stored)
        assert list(network.populations) == [
            "input", "hidden1", "hidden2", "linear3", "hidden3", "output",
        ]  # fmt: skip
        assert network.propagation is Propagation.SAME_STEP
        assert network.populations["hidden3"].param("beta").shape == (6,)

    def test_spikingjelly(self) -> None:
        stored = read("spikingjelly_network")
        layers = [
            nn.Conv2d(1, 3, 3, bias=False, padding=1),
            nn.BatchNorm2d(3),
            IFNode(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(27, 8),
            LIFNode(tau=2.5, decay_input=False, v_reset=None, v_threshold=1.5),
            nn.Linear(8, 6),
            LinearRecurrentContainer(LIFNode(v_reset=-0.1), 6, 6),
            nn.Linear(6, 4, bias=False),
            ParametricLIFNode(),
        ]
        model = filled(nn.Sequential(*layers), stored)
        same_spikes(from_spikingjelly(model, shape=(1, 7, 7)), stored)
        opened = nn.Sequential(nn.Sequential(*layers[:5]), nn.ModuleList(layers[5:]))
        same_spikes(from_spikingjelly(opened, shape=(1, 7, 7)), stored)
        same_spikes(from_spikingjelly(layers, shape=(1, 7, 7)), stored)


class TestLinear:
    """What lies between neurons: what reaches them is what PyTorch computes."""

    @pytest.mark.parametrize(
        ("layers", "shape"),
        [
            ([nn.Linear(5, 3)], None),
            ([nn.Linear(5, 4), nn.Linear(4, 3)], None),
            ([nn.Conv2d(2, 4, 3, padding="same", groups=2), nn.AvgPool2d(2)], (2, 6, 6)),
            ([nn.Conv2d(2, 4, (3, 2), dilation=2, padding="valid")], (2, 7, 6)),
            ([nn.Conv1d(2, 4, 3, stride=2), nn.BatchNorm1d(4), nn.Identity()], (2, 9)),
            ([nn.AvgPool1d(3, stride=2, padding=1), nn.Flatten(), nn.Linear(8, 3)], (2, 7)),
            ([nn.AvgPool2d((2, 3), padding=(1, 0)), nn.Conv2d(1, 2, 2), nn.Flatten()], (1, 6, 9)),
            ([nn.Linear(4, 6), nn.BatchNorm1d(6, affine=False), nn.Linear(6, 2)], None),
            ([nn.Flatten(2), nn.Flatten(1, 2)], (2, 3, 4)),
        ],
    )
    def test_is_that_of_pytorch(
        self, layers: list[nn.Module], shape: tuple[int, ...] | None
    ) -> None:
        torch.manual_seed(0)
        model = nn.Sequential(*layers).double().eval()
        for m in model:
            if isinstance(m, nn.BatchNorm1d):
                m.running_mean.normal_()
                m.running_var.uniform_(0.5, 2.0)
        network = from_snntorch(
            [Leaky(threshold=1e9), *model], shape=shape or (layers[0].in_features,)
        )
        pre = network.populations["hidden1"].shape
        x = torch.rand(3, 2, *pre, dtype=torch.float64)
        # the first population is replaced: what it sends is given
        sent = Network(
            network.dt,
            {n: network.populations["input"] if n == "hidden1" else p
             for n, p in network.populations.items() if n != "input"},
            {n: q for n, q in network.projections.items() if q.pre != "input"},
            propagation=network.propagation,
        )  # fmt: skip
        with torch.no_grad():
            expected = model(x.flatten(0, 1)).numpy()
        found = run(sent, {"hidden1": x.numpy()}, engine="reference").dense("output")
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)

    def test_recurrence_one_to_one(self) -> None:
        network = from_snntorch([nn.Linear(3, 2), RSynaptic()])
        loop = network.projections["output->output"]
        assert (float(loop.topology.weight), float(loop.delay)) == (-0.5, network.dt)

    def test_one_decay_per_channel(self) -> None:
        beta = torch.tensor([0.5, 0.9]).reshape(2, 1, 1)
        network = from_snntorch([nn.Conv2d(1, 2, 3), Leaky(beta=beta)], shape=(1, 4, 4))
        found = network.populations["output"].param("beta")
        assert found.shape == (2, 2, 2)
        np.testing.assert_array_equal(found, np.broadcast_to(beta.double().numpy(), (2, 2, 2)))

    def test_nothing_between_neurons(self) -> None:
        fc = nn.Linear(1, 1, bias=False)
        fc.weight.data.fill_(0.5)
        network = from_spikingjelly([fc, IFNode(), IFNode(v_threshold=2.0)])
        found = run(network, {"input": np.ones((8, 1, 1))}, engine="reference")
        assert found.dense("hidden1").ravel().tolist() == [0, 1] * 4
        assert found.dense("output").ravel().tolist() == [0, 0, 0, 1] * 2


def wrong(build: Callable[[], object]) -> str:
    with pytest.raises(TrainError) as caught:
        build()
    return str(caught.value)


class TestRefused:
    def test_every_layer_that_cannot_be_imported_together(self) -> None:
        model = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding_mode="circular"), nn.MaxPool2d(2), nn.ReLU(), Leaky(),
            nn.AvgPool2d(2, ceil_mode=True), nn.BatchNorm2d(2),
        )  # fmt: skip
        message = wrong(lambda: from_snntorch(model, shape=(1, 6, 6)))
        assert message.startswith("5 problems\n")
        assert "0 (Conv2d): pads with something else than zeros; found circular" in message
        assert "1 (MaxPool2d): this layer cannot be imported; expected Linear, Conv1d" in message
        assert "2 (ReLU): this layer cannot be imported" in message
        assert "4 (AvgPool2d): rounds its size up" in message
        assert "5 (BatchNorm2d): a normalization needs a Linear or Conv right before it" in message

    def test_a_model_with_a_forward_of_its_own(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc, self.lif = nn.Linear(3, 2), Leaky()

        message = wrong(lambda: from_snntorch(Net()))
        assert message.startswith("Net (Net): this layer cannot be imported")
        assert message.endswith(
            "— give the layers in the order in which they act, as a Sequential or a list"
        )
        net = Net()
        assert list(from_snntorch([net.fc, net.lif]).populations) == ["input", "output"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"inhibition": True}, "1 (Leaky): one spike for all neurons (inhibition)"),
            ({"state_quant": print}, "1 (Leaky): a quantized state cannot be imported"),
            ({"graded_spikes_factor": torch.tensor(2.0)}, "found graded_spikes_factor 2.0 — multiply"),
            ({"threshold": torch.tensor(-1.0)}, "1 (Leaky): needs a threshold above 0; found -1.0"),
            ({"beta": torch.ones(5)}, "1 (Leaky): its beta does not fit its neurons; found shape (5,)"),
        ],
    )  # fmt: skip
    def test_options_of_snntorch(self, change: dict, message: str) -> None:
        lif = Leaky()
        for name, value in change.items():
            setattr(lif, name, value)
        assert message in wrong(lambda: from_snntorch([nn.Linear(3, 2), lif]))

    def test_a_reset_that_fails_in_the_library(self) -> None:
        message = wrong(lambda: from_snntorch([nn.Linear(3, 2), RSynaptic(reset_delay=False)]))
        assert message.startswith("1 (RSynaptic): has no reset without delay")

    def test_a_container_of_something_else(self) -> None:
        inside = nn.Sequential(nn.Linear(2, 2), LIFNode())
        message = wrong(
            lambda: from_spikingjelly([LinearRecurrentContainer(inside, 2, 2)], shape=(2,))
        )
        assert message.startswith(
            "0.sub_module (Sequential): a recurrent container of something else"
        )

    def test_shapes(self) -> None:
        conv = [nn.Conv2d(1, 2, 3), Leaky(), nn.Linear(2, 2), Leaky()]
        assert wrong(lambda: from_snntorch(conv)) == (
            "0 (Conv2d): does not say the shape of its input — "
            "pass shape=, without batch and time, for instance shape=(2, 34, 34)"
        )
        assert wrong(lambda: from_snntorch(conv, shape=(1, 5, 5))).startswith(
            "2 (Linear): acts on the last axis of an image only; found shape (2, 3, 3) before it"
        )
        assert wrong(lambda: from_snntorch([nn.Linear(3, 2), Leaky()], shape=(4,))).startswith(
            "0 (Linear): Dense"
        )
        assert "0 (Flatten): joins the batch axis" in wrong(
            lambda: from_snntorch([nn.Flatten(0), Leaky()], shape=(4,))
        )

    def test_no_neurons(self) -> None:
        assert wrong(lambda: from_spikingjelly(nn.Sequential(nn.Linear(3, 2)))).startswith(
            "import: the model has no neurons; expected IFNode, LIFNode"
        )

    def test_a_normalization_that_depends_on_the_batch(self) -> None:
        layers = [nn.Linear(3, 2), nn.BatchNorm1d(2, track_running_stats=False), Leaky()]
        assert "1 (BatchNorm1d): has no running statistics" in wrong(lambda: from_snntorch(layers))
