"""Logs of a training run for other programs: one line of JSON per epoch, or TensorBoard's event files.

A log is a value that says where to write; `fit` opens it. Epochs that a killed run had logged after its last checkpoint
are taken back when the run is resumed.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikewright.errors import MissingExtra, TrainError, explain
from spikewright.files import replacing
from spikewright.train.history import Epoch


def scalars(epoch: Epoch, *, lr: float, seconds: float) -> dict[str, float]:
    """Return what is logged of an epoch, by name; "/" groups what belongs into one plot."""
    found = {
        "loss/train": epoch.loss,
        "accuracy/train": epoch.accuracy,
        "spikes": epoch.spikes,
        "lr": lr,
        "seconds": seconds,
    }
    if epoch.validation_loss is not None and epoch.validation_accuracy is not None:
        found |= {
            "loss/validation": epoch.validation_loss,
            "accuracy/validation": epoch.validation_accuracy,
        }
    return found | {f"measures/{n}": x for n, x in epoch.measures.items()}


class Writer(ABC):
    """An open log. Abstract."""

    @abstractmethod
    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log a finished epoch, counted from 1."""

    @abstractmethod
    def close(self) -> None:
        """Write out everything."""


class Log(ABC):
    """Where a run is logged. Abstract; the values of it are final."""

    @abstractmethod
    def check(self) -> None:
        """Raise where it cannot be written; called before the first step."""

    @abstractmethod
    def open(self, run: str, done: int) -> Writer:
        """Open the log for a run, named by its fingerprint, of which some epochs are done."""


@dataclass(frozen=True)
class JsonLines(Log):
    """A text file with one JSON object per epoch: `run`, `epoch` and what `scalars` says; null for what is not finite.

    Lines of other runs in the file are kept.

    Parameters
    ----------
    file : made where there is none, its folder too
    """

    file: str | os.PathLike[str]

    def check(self) -> None:
        folder = Path(self.file).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(self.file, "a", encoding="utf-8"):
                pass
        except OSError as error:
            raise TrainError(
                explain(
                    f"log {str(self.file)!r}",
                    f"cannot be written: {error.strerror}",
                    cure="choose another place",
                )
            ) from error

    def open(self, run: str, done: int) -> Writer:
        path = Path(self.file)
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not _is_after(line, run, done)]
        if kept != lines:
            with replacing(path) as temporary:
                Path(temporary).write_text("".join(kept), "utf-8")
        return _JsonWriter(path, run)


def _is_after(line: str, run: str, done: int) -> bool:
    """Return whether a line is of this run, and of an epoch that will be run again; or was cut off."""
    try:
        entry = json.loads(line)
        return bool(entry["run"] == run and entry["epoch"] > done)
    except (ValueError, KeyError, TypeError):
        return not line.endswith("\n")


class _JsonWriter(Writer):
    def __init__(self, path: Path, run: str) -> None:
        self._path, self._run = path, run

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        shown = {n: x if math.isfinite(x) else None for n, x in values.items()}
        line = json.dumps({"run": self._run, "epoch": epoch, **shown}, allow_nan=False)
        # opened for each line, so that a reader sees every epoch as soon as it ends
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class TensorBoard(Log):
    """Event files that TensorBoard shows, one run per folder `<folder>/<fingerprint>`.

    Needs the package tensorboard: `pip install 'spikewright[logs]'`.
    """

    folder: str | os.PathLike[str]

    def check(self) -> None:
        _summary_writer()

    def open(self, run: str, done: int) -> Writer:
        writer = _summary_writer()(log_dir=str(Path(self.folder) / run), purge_step=done + 1)
        return _EventWriter(writer)


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtra("a log for TensorBoard", "tensorboard", "logs") from error
    return SummaryWriter


class _EventWriter(Writer):
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, x in values.items():
            self._writer.add_scalar(name, x, epoch)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
