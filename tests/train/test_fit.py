"""Training: it learns, it is the same from the same seed, and nothing that interrupts it changes the result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import FormatError, TrainError
from spikewright.network import LI, LIF, Network, chain, dense, neurons, source
from spikewright.train import (
    SGD,
    AdamW,
    CountCrossEntropy,
    EarlyStopping,
    FirstSpikeCrossEntropy,
    Interrupted,
    MembraneMaxCrossEntropy,
    MembraneMeanCrossEntropy,
    Module,
    Plateau,
    RateBand,
    RateCrossEntropy,
    Schedule,
    Trained,
    evaluate,
    fit,
)
from spikewright.train.samples import as_part

CLASSES = 3


def toy(n: int = 60, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes of 6 addresses; each class has its own two."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, CLASSES, n)
    rate = 0.1 + 0.5 * (np.arange(6)[None, :] // 2 == labels[:, None])
    return (draw.random((12, n, 6)) < rate).astype(np.float32), labels


def net(seed: int = 1, last: Any = LIF, recurrent: bool = False) -> Network:
    return chain(
        source(6), dense(12, recurrent=recurrent, gain=2.0, bias=True), neurons(LIF, tau_m=10e-3),
        dense(CLASSES, gain=2.0), neurons(last, tau_m=10e-3), dt=1e-3, seed=seed,
    )  # fmt: skip


SETTINGS: dict[str, Any] = dict(
    epochs=4, batch=16, seed=3, optimizer=AdamW(lr=0.02), progress=False, threads=1
)
DATA = (toy(), toy(30, 2))


def train(network: Network | None = None, data: Any = DATA, **changes: Any) -> Trained:
    return fit(net() if network is None else network, data, **(SETTINGS | changes))


def weights(trained: Trained) -> dict[str, np.ndarray]:
    found = {n: q.topology.weight for n, q in trained.network.projections.items()}
    return found | {
        f"bias {n}": q.bias for n, q in trained.network.projections.items() if q.bias is not None
    }


def assert_same(a: Trained, b: Trained) -> None:
    for name, weight in weights(a).items():
        np.testing.assert_array_equal(weight, weights(b)[name], err_msg=name)
    assert a.history == b.history
    assert a.best == b.best


def jitter(network: Network, seed: int) -> tuple[Network, None]:
    """A pass: multiply every weight by a random factor."""
    draw = np.random.default_rng(seed)
    changed = {
        n: q.topology.weight * draw.normal(1, 0.1, q.topology.weight.shape)
        for n, q in network.projections.items()
    }
    return network.with_weights(changed), None


class StopAfter:
    """A pass that changes nothing, and presses Ctrl-C in a certain call."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def __call__(self, network: Network, seed: int) -> tuple[Network, None]:
        self.calls -= 1
        if self.calls == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return network, None


def stopping(calls: int) -> Any:
    """Return a pass whose fingerprint does not depend on `calls`."""
    stop = StopAfter(calls)

    class Hidden:
        __slots__ = ()

        def __call__(self, network: Network, seed: int) -> tuple[Network, None]:
            return stop(network, seed)

    return Hidden()


class TestLearning:
    @pytest.mark.parametrize(
        ("loss", "last"),
        [
            (CountCrossEntropy(smoothing=0.1), LIF),
            (RateCrossEntropy(), LIF),
            (FirstSpikeCrossEntropy(), LIF),
            (MembraneMaxCrossEntropy(gain=3.0), LI),
            (MembraneMeanCrossEntropy(gain=3.0), LI),
        ],
    )
    def test_every_loss(self, loss: Any, last: Any) -> None:
        done = train(net(last=last), loss=loss, epochs=12, optimizer=AdamW(lr=0.05))
        assert done.history[-1].validation_accuracy >= 0.85
        again = evaluate(Module(done.network), as_part(toy(60, 9), "test"), loss)
        assert again.accuracy >= 0.8

    def test_recurrent_by_sgd_with_a_rate_band(self) -> None:
        done = train(
            net(recurrent=True), optimizer=SGD(lr=0.1, schedule=Schedule.ONE_CYCLE), epochs=12,
            regularizers=(RateBand(0.02, 0.3),), clip_gradient=5.0,
        )  # fmt: skip
        assert done.history[-1].validation_accuracy >= 0.85

    def test_best_epoch_is_returned(self) -> None:
        done = train(epochs=6)
        accuracies = [e.validation_accuracy for e in done.history]
        assert accuracies[done.best] == max(accuracies)
        again = evaluate(Module(done.network), as_part(DATA[1], "validation"), CountCrossEntropy())
        assert again.accuracy == accuracies[done.best]
        assert again.loss == pytest.approx(done.history[done.best].validation_loss, rel=1e-6)

    def test_without_validation_the_last_epoch_is(self) -> None:
        done = train(data=(DATA[0], None))
        assert done.best == 3
        assert done.history[0].validation_accuracy is None

    def test_spikes_are_counted_without_inputs(self) -> None:
        done = train(epochs=1, optimizer=AdamW(lr=1e-12))
        run = Module(net()).run(torch.tensor(DATA[0][0]))
        want = sum(run.sent[n].sum().item() for n in ("hidden1", "output")) / 60
        assert done.history[0].spikes == pytest.approx(want)

    def test_weight_limit_is_kept(self) -> None:
        done = train(weight_limit=0.5)
        assert (
            max(np.abs(q.topology.weight).max() for q in done.network.projections.values()) <= 0.5
        )

    def test_the_given_network_is_not_changed(self) -> None:
        network = net()
        before = network.projections["input->hidden1"].topology.weight.copy()
        train(network)
        np.testing.assert_array_equal(network.projections["input->hidden1"].topology.weight, before)


class TestSeed:
    def test_decides_everything(self) -> None:
        assert_same(train(), train())
        other = train(seed=4)
        assert not np.array_equal(
            weights(train())["input->hidden1"], weights(other)["input->hidden1"]
        )

    def test_threads_are_put_back(self) -> None:
        before = torch.get_num_threads()
        train(threads=before + 1, epochs=1)
        assert torch.get_num_threads() == before

    def test_global_generators_are_not_touched(self) -> None:
        state = torch.get_rng_state()
        train(epochs=1)
        assert torch.equal(state, torch.get_rng_state())


class TestThrough:
    def test_is_part_of_the_run_and_drawn_from_the_seed(self) -> None:
        plain, noisy = train(), train(through=(jitter,))
        assert not np.array_equal(
            weights(plain)["input->hidden1"], weights(noisy)["input->hidden1"]
        )
        assert_same(noisy, train(through=(jitter,)))

    def test_identity_pass_changes_nothing(self) -> None:
        assert_same(train(), train(through=(lambda network, seed: (network, ()),)))

    def test_learns_for_quantized_weights(self) -> None:
        def quantize(network: Network, seed: int) -> tuple[Network, None]:
            return network.with_weights(
                {n: np.rint(q.topology.weight * 2) / 2 for n, q in network.projections.items()}
            ), None

        done = train(through=(quantize,), epochs=15, optimizer=AdamW(lr=0.03))
        rounded = quantize(done.network, 0)[0]
        found = evaluate(Module(rounded), as_part(toy(60, 9), "test"), CountCrossEntropy())
        assert found.accuracy >= 0.8
        assert not np.array_equal(weights(done)["input->hidden1"] * 2 % 1, 0)

    def test_pass_that_changes_the_structure(self) -> None:
        with pytest.raises(TrainError, match=r"through: .* a pass changed the model"):
            train(through=(lambda network, seed: (net(last=LI), ()),))


class TestCheckpoint:
    def test_finished_run_is_loaded(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first = train(checkpoint=tmp_path, progress=True)
        assert not first.was_loaded
        second = train(checkpoint=tmp_path, progress=True)
        assert second.was_loaded
        assert_same(first, second)
        assert_same(first, train())
        shown = capsys.readouterr()
        assert "already trained, loaded from" in shown.err.replace("\n", "")
        assert "spikes/sample" in shown.err
        assert shown.out == ""

    def test_other_settings_are_another_run(self, tmp_path: Path) -> None:
        files = {
            train(checkpoint=tmp_path, epochs=1, **changes).checkpoint
            for changes in (
                {},
                {"seed": 4},
                {"batch": 8},
                {"loss": CountCrossEntropy(gain=2.0)},
                {"through": (jitter,)},
            )
        }
        assert len(files) == 5

    @pytest.mark.parametrize(("calls", "epochs"), [(2, 0), (4, 1), (6, 1)])
    def test_ctrl_c_keeps_everything(self, tmp_path: Path, calls: int, epochs: int) -> None:
        """Four batches and a validation per epoch: in the middle of an epoch, and at the end of one."""
        whole = train(through=(stopping(0),))
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(
            Interrupted, match="run the same command again to go on from there"
        ) as stopped:
            train(through=(stopping(calls),), checkpoint=tmp_path)
        assert signal.getsignal(signal.SIGINT) is before
        assert stopped.value.checkpoint.exists()
        resumed = train(through=(stopping(0),), checkpoint=tmp_path)
        assert resumed.resumed_from == epochs
        assert_same(whole, resumed)

    @pytest.mark.parametrize("calls", [5, 12, 15])
    def test_early_stopping_and_plateaus_are_resumed(self, tmp_path: Path, calls: int) -> None:
        """They depend on the history alone, so on nothing that an interruption could lose."""
        changes: dict[str, Any] = dict(
            epochs=30,
            stopping=EarlyStopping(patience=3, min_delta=0.02),
            optimizer=SGD(lr=0.3, schedule=Plateau(patience=0, drop=0.5)),
        )
        whole = train(through=(stopping(0),), **changes)
        assert whole.stopped_early
        assert len(whole.history) < 30
        with pytest.raises(Interrupted):
            train(through=(stopping(calls),), checkpoint=tmp_path, **changes)
        resumed = train(through=(stopping(0),), checkpoint=tmp_path, **changes)
        assert resumed.resumed_from == calls // 5
        assert resumed.stopped_early
        assert_same(whole, resumed)
        again = train(through=(stopping(0),), checkpoint=tmp_path, **changes)
        assert again.was_loaded
        assert again.stopped_early
        assert_same(whole, again)

    def test_ctrl_c_without_a_folder_gives_what_there_is(self) -> None:
        with pytest.raises(Interrupted, match="say checkpoint=FOLDER") as stopped:
            train(through=(stopping(7),))
        assert len(stopped.value.trained.history) == 1
        assert isinstance(stopped.value.trained.network, Network)
        assert isinstance(stopped.value, KeyboardInterrupt)

    def test_kill_9_in_the_middle_of_an_epoch(self, tmp_path: Path) -> None:
        script = tmp_path / "run.py"
        script.write_text(
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "import time, numpy as np, test_fit\n"
            "pause = float(sys.argv[1])\n"
            "def slow(network, seed):\n"
            "    time.sleep(globals()['pause'])\n"
            "    return network, ()\n"
            "done = test_fit.train(through=(slow,), checkpoint=sys.argv[2], epochs=3)\n"
            "np.savez(sys.argv[3], **test_fit.weights(done))\n"
            "print(done.resumed_from, done.was_loaded)\n"
        )
        source_folder = str(Path(sys.modules["spikewright"].__path__[0]).parent)
        environment = os.environ | {"PYTHONPATH": source_folder}

        def start(pause: float, folder: str) -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, str(script), str(pause), str(tmp_path / folder), str(tmp_path / f"{folder}.npz")],
                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip

        killed = start(0.1, "killed")
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("killed/*/checkpoint.npz")):
            assert time.monotonic() < deadline
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.02)
        time.sleep(0.3)
        killed.kill()
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        again = start(0.0, "killed")
        out, err = again.communicate(timeout=60)
        assert again.returncode == 0, err
        assert out.split() in (["1", "False"], ["2", "False"])
        whole = weights(train(epochs=3))
        with np.load(tmp_path / "killed.npz") as found:
            assert sorted(found.files) == sorted(whole)
            for name in found.files:
                np.testing.assert_array_equal(found[name], whole[name], err_msg=name)

    def test_damaged_checkpoint(self, tmp_path: Path) -> None:
        file = train(checkpoint=tmp_path).checkpoint
        file.write_bytes(file.read_bytes()[:500])
        with pytest.raises(FormatError, match="is no checkpoint, or a damaged one"):
            train(checkpoint=tmp_path)


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"data": DATA[0]}, "data: train: is neither samples"),
            ({"data": ((DATA[0][0][:, :0], DATA[0][1][:0]), None)}, "data: train: has no samples"),
        ],
    )
    def test_message(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(TrainError, match=message):
            train(**changes)
