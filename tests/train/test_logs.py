"""Logs: what stands in them, and that a run that was killed and resumed leaves each epoch once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.errors import MissingExtra, TrainError
from spikewright.network import LIF, chain, dense, neurons, source
from spikewright.train import (
    AdamW,
    JsonLines,
    Measure,
    Run,
    Schedule,
    TensorBoard,
    Trained,
    fit,
)


class Energy(Measure):
    """A measure that is known beforehand, or is no number."""

    name, unit = "energy", "J"

    def __init__(self, joules: float = 2e-9) -> None:
        self.joules = joules

    def of(self, run: Run) -> float:
        return self.joules


def train(**changes: Any) -> Trained:
    draw = np.random.default_rng(1)
    labels = np.arange(12) % 2
    data = ((draw.random((6, 12, 3)) < 0.5).astype(np.float32), labels)
    network = chain(source(3), dense(2, gain=2.0), neurons(LIF), dt=1e-3, seed=1)
    settings: dict[str, Any] = dict(
        epochs=3, batch=6, progress=False, measures=(Energy(),),
        optimizer=AdamW(lr=0.1, schedule=Schedule.CONSTANT),
    )  # fmt: skip
    return fit(network, (data, data), **(settings | changes))


def entries(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


class TestJsonLines:
    def test_has_one_line_per_epoch(self, tmp_path: Path) -> None:
        file = tmp_path / "new" / "log.jsonl"
        done = train(logs=(JsonLines(file),))
        found = entries(file)
        assert [e["epoch"] for e in found] == [1, 2, 3]
        for entry, epoch in zip(found, done.history, strict=True):
            assert entry.pop("seconds") > 0
            assert entry == {
                "run": done.fingerprint,
                "epoch": entry["epoch"],
                "loss/train": epoch.loss,
                "accuracy/train": epoch.accuracy,
                "loss/validation": epoch.validation_loss,
                "accuracy/validation": epoch.validation_accuracy,
                "spikes": epoch.spikes,
                "lr": 0.1,
                "measures/energy": 2e-9,
            }

    def test_can_be_read_while_training_goes_on(self, tmp_path: Path) -> None:
        file, seen = tmp_path / "log.jsonl", []
        train(
            logs=(JsonLines(file),), watch=lambda epoch, _: seen.append((epoch, len(entries(file))))
        )
        assert seen == [(1, 1), (2, 2), (3, 3)]

    def test_what_is_no_number_is_null(self, tmp_path: Path) -> None:
        train(logs=(JsonLines(tmp_path / "a"),), measures=(Energy(float("inf")),))
        assert [e["measures/energy"] for e in entries(tmp_path / "a")] == [None] * 3

    def test_resumed_run_has_every_epoch_once(self, tmp_path: Path) -> None:
        """Lines after the last checkpoint are taken back, with half a line; another run's stay."""
        file = tmp_path / "log.jsonl"
        other = train(seed=7, logs=(JsonLines(file),))

        def stop(epoch: int, _: Any) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(logs=(JsonLines(file),), checkpoint=tmp_path, watch=stop)
        run = entries(file)[-1]["run"]
        with open(file, "a") as log:
            log.write(
                json.dumps({"run": run, "epoch": 3, "loss/train": 99.0}) + "\n" + '{"run": "ab'
            )
        done = train(logs=(JsonLines(file),), checkpoint=tmp_path)
        assert (done.resumed_from, run) == (2, done.fingerprint)
        found = entries(file)
        assert [(e["run"] == run, e["epoch"]) for e in found] == [
            *((False, k) for k in (1, 2, 3)), *((True, k) for k in (1, 2, 3)),
        ]  # fmt: skip
        assert found[0]["run"] == other.fingerprint
        assert found[-1]["loss/train"] == done.history[-1].loss

    def test_finished_run_is_not_logged_again(self, tmp_path: Path) -> None:
        train(logs=(JsonLines(tmp_path / "a"),), checkpoint=tmp_path)
        before = (tmp_path / "a").read_text()
        assert train(logs=(JsonLines(tmp_path / "a"),), checkpoint=tmp_path).was_loaded
        assert (tmp_path / "a").read_text() == before

    def test_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(
            TrainError, match=r"log '.*': cannot be written: .* — choose another place"
        ):
            train(logs=(JsonLines(tmp_path / "file" / "log.jsonl"),))


class TestTensorBoard:
    def test_without_the_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        with pytest.raises(
            MissingExtra, match=r"a log for TensorBoard needs tensorboard — pip install 'spikewright\[logs\]'"
        ):  # fmt: skip
            train(logs=(TensorBoard(tmp_path),))

    def test_event_files_say_what_the_history_says(self, tmp_path: Path) -> None:
        pytest.importorskip("tensorboard")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        done = train(logs=(TensorBoard(tmp_path),))
        events = EventAccumulator(str(tmp_path / done.fingerprint)).Reload()
        assert sorted(events.Tags()["scalars"]) == [
            "accuracy/train", "accuracy/validation", "loss/train", "loss/validation", "lr",
            "measures/energy", "seconds", "spikes",
        ]  # fmt: skip
        seen = [(e.step, e.value) for e in events.Scalars("loss/train")]
        assert [step for step, _ in seen] == [1, 2, 3]
        np.testing.assert_allclose([x for _, x in seen], [e.loss for e in done.history], rtol=1e-6)
