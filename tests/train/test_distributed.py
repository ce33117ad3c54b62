"""One run by several processes: the result of one process, and no process that waits for ever.

`torchrun` starts this file twice; what both processes found lies in files that the tests read.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import TrainError
from spikewright.network import LIF, Network, chain, dense, neurons, source
from spikewright.train import (
    AdamW,
    CountCrossEntropy,
    Interrupted,
    Measure,
    Module,
    RateBand,
    Recomputed,
    Run,
    Trained,
    WeightRangePenalty,
    distributed,
    evaluate,
    fit,
)
from spikewright.train.samples import as_part


def toy(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    rate = 0.1 + 0.5 * (np.arange(6)[None, :] // 2 == labels[:, None])
    return (draw.random((12, n, 6)) < rate).astype(np.float64), labels


DATA = (toy(25, 1), toy(31, 2))
"""Three batches of 8 and one of 1: a process has no sample of its own."""


class Sent(Measure):
    """Spikes of the hidden population per sample."""

    name, unit = "sent", ""

    def of(self, run: Run) -> float:
        return float(run.sent["hidden1"].sum() / run.sent["hidden1"].shape[1])


def net() -> Network:
    return chain(
        source(6), dense(12, recurrent=True, gain=2.0, bias=True), neurons(LIF, tau_m=10e-3),
        dense(3, gain=2.0), neurons(LIF, tau_m=10e-3), dt=1e-3, seed=1,
    )  # fmt: skip


def jitter(network: Network, seed: int) -> tuple[Network, None]:
    draw = np.random.default_rng(seed)
    return network.with_weights(
        {n: p.topology.weight * draw.normal(1, 0.05, p.topology.weight.shape)
         for n, p in network.projections.items()}
    ), None  # fmt: skip


SETTINGS: dict[str, Any] = dict(
    epochs=2, batch=8, seed=3, optimizer=AdamW(lr=0.02), progress=False, dtype=torch.float64
)
CASES: dict[str, dict[str, Any]] = {
    "plain": {"measures": (Sent(),)},
    "regularized": {
        "regularizers": (RateBand(0.3, 0.4, weight=5.0), WeightRangePenalty(-0.2, 0.2)),
        "through": (jitter,),
        "clip_gradient": 0.5,
    },
    "segments": {"gradient": Recomputed(5), "regularizers": (RateBand(0.3, 0.4, weight=5.0),)},
}


def train(**changes: Any) -> Trained:
    return fit(net(), DATA, **(SETTINGS | changes))


def weights(trained: Trained) -> dict[str, np.ndarray]:
    found = {n: p.topology.weight for n, p in trained.network.projections.items()}
    biases = {n: p.bias for n, p in trained.network.projections.items()}
    return found | {f"bias {n}": b for n, b in biases.items() if b is not None}


# -- what each process does ------------------------------------------------------------------------------


def raised(call: Callable[[], object]) -> str:
    try:
        call()
    except (TrainError, Interrupted, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def work(folder: Path) -> None:
    """Do every case in turn; that each works after the one before is part of the test."""
    rank = int(os.environ["RANK"])
    said: dict[str, Any] = {}
    for case, changes in CASES.items():
        done = train(checkpoint=folder / "runs", **changes)
        np.savez(folder / f"{case}-{rank}.npz", **weights(done))
        said[case] = [
            (e.loss, e.accuracy, e.spikes, e.validation_loss, e.validation_accuracy, *e.measures.values())
            for e in done.history
        ]  # fmt: skip
        said[f"{case} again"] = train(checkpoint=folder / "runs", **changes).was_loaded

    def broken(network: Network, seed: int) -> tuple[Network, None]:
        if rank == 1:
            raise ValueError("no such chip")
        return network, None

    def interrupted(network: Network, seed: int) -> tuple[Network, None]:
        if rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return network, None

    def slow(network: Network, seed: int) -> tuple[Network, None]:
        if rank == 1:
            time.sleep(4.0)
        return network, None

    def gone(network: Network, seed: int) -> tuple[Network, None]:
        if rank == 1:
            os._exit(0)
        return network, None

    # passes of the same code, so that no process thinks that the other does something else
    said["broken"] = raised(lambda: train(through=(Same(broken),)))
    said["interrupted"] = raised(lambda: train(through=(Same(interrupted),)))
    said["different"] = raised(lambda: train(seed=rank))
    started = time.monotonic()
    said["after"] = len(train(epochs=1).history)
    said["seconds"] = time.monotonic() - started
    distributed.TIMEOUT = 2.5
    said["slow"] = raised(lambda: train(through=(Same(slow),)))
    distributed.TIMEOUT = 60.0
    (folder / f"{rank}.json").write_text(json.dumps(said))
    said["gone"] = raised(lambda: train(through=(Same(gone),)))
    (folder / f"{rank}.json").write_text(json.dumps(said))


class Same:
    """A pass whose fingerprint does not say what it does."""

    __slots__ = ("call",)

    def __init__(self, call: Any) -> None:
        self.call = call

    def __call__(self, network: Network, seed: int) -> tuple[Network, None]:
        return self.call(network, seed)


# -- what came of it -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what two processes found."""
    folder = tmp_path_factory.mktemp("distributed")
    source_folder = str(Path(sys.modules["spikewright"].__path__[0]).parent)
    environment = os.environ | {
        "PYTHONPATH": source_folder,
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         __file__, str(folder)],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def said(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface is called lo")
class TestTwoProcesses:
    @pytest.mark.parametrize("case", CASES)
    def test_weights_are_those_of_one(self, found: Path, case: str) -> None:
        want = weights(train(**CASES[case]))
        start = weights(Trained(net(), (), 0, 0, "", 0.0, 0, False, None))
        with np.load(found / f"{case}-0.npz") as first, np.load(found / f"{case}-1.npz") as second:
            assert sorted(first.files) == sorted(second.files) == sorted(want)
            for name, x in want.items():
                np.testing.assert_array_equal(first[name], second[name], err_msg=name)
                np.testing.assert_allclose(first[name], x, rtol=0, atol=1e-9, err_msg=name)
                assert np.abs(x - start[name]).max() > 1e-2

    @pytest.mark.parametrize("case", CASES)
    def test_history_is_that_of_one(self, found: Path, case: str) -> None:
        first, second = said(found)
        want = [
            (e.loss, e.accuracy, e.spikes, e.validation_loss, e.validation_accuracy, *e.measures.values())
            for e in train(**CASES[case]).history
        ]  # fmt: skip
        assert first[case] == second[case]
        np.testing.assert_allclose(first[case], want, rtol=1e-9)
        assert len(want[0]) == (6 if case == "plain" else 5)

    def test_checkpoint_is_written_once_and_read_by_all(self, found: Path) -> None:
        for one in said(found):
            assert all(one[f"{case} again"] for case in CASES)
        assert len(list((found / "runs").glob("*/checkpoint.npz"))) == len(CASES)

    def test_checkpoint_serves_one_process_too(self, found: Path) -> None:
        assert train(checkpoint=found / "runs", **CASES["segments"]).was_loaded

    def test_error_of_one_reaches_the_other(self, found: Path) -> None:
        first, second = said(found)
        assert second["broken"] == "ValueError: no such chip"
        assert first["broken"] == ("TrainError: rank 1 of 2 stopped: ValueError('no such chip')")

    def test_ctrl_c_of_one_stops_both(self, found: Path) -> None:
        for one in said(found):
            assert one["interrupted"].startswith(
                "Interrupted: training: interrupted after 0 of 2 epochs"
            )

    def test_different_runs(self, found: Path) -> None:
        for one in said(found):
            assert "is not the same in all processes; found rank 0: " in one["different"]

    def test_goes_on_after_errors(self, found: Path) -> None:
        for one in said(found):
            assert one["after"] == 1
            assert one["seconds"] < 30

    def test_process_that_hangs(self, found: Path) -> None:
        first, _ = said(found)
        assert first["slow"].startswith(
            "TrainError: rank 0 of 2: another process is gone, or did not answer in time; found "
        )
        assert "expected an answer within 2.5 s" in first["slow"]

    def test_process_that_is_gone(self, found: Path) -> None:
        first, second = said(found)
        assert first["gone"].startswith("TrainError: rank 0 of 2: another process is gone")
        assert "gone" not in second


class TestShares:
    @pytest.mark.parametrize(("n", "size"), [(8, 2), (7, 3), (1, 2), (2, 5)])
    def test_are_a_partition(self, n: int, size: int) -> None:
        bounds = [distributed._bounds(n, rank, size) for rank in range(size)]
        assert [low for low, _ in bounds[1:]] == [high for _, high in bounds[:-1]]
        assert (bounds[0][0], bounds[-1][1]) == (0, n)
        assert max(h - low for low, h in bounds) - min(h - low for low, h in bounds) <= 1


def test_alone_without_torchrun() -> None:
    with distributed.ranks() as found:
        assert found is distributed.ALONE
    again = evaluate(Module(net()), as_part(DATA[1], "test"), CountCrossEntropy())
    assert again.decisions.shape == (31,)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
