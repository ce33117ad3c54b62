"""How the learning rate goes over a training run: values whose factor depends on where the run stands, and on nothing
else, so that a resumed run goes on as an uninterrupted one would."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from spikewright.errors import Problems, TrainError
from spikewright.train.history import History, Monitor


class Schedule(ABC):
    """The learning rate over a training run. Abstract; `CONSTANT`, `COSINE` and `ONE_CYCLE` are ready to use."""

    CONSTANT: ClassVar[Schedule]
    COSINE: ClassVar[Schedule]
    ONE_CYCLE: ClassVar[Schedule]

    @abstractmethod
    def factor(self, step: int, steps: int, history: History = ()) -> float:
        """Return the factor of the learning rate.

        Parameters
        ----------
        step, steps : number of this batch, from 0, and of all batches of the run
        history : epochs that are finished
        """


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate all the time."""

    def factor(self, step: int, steps: int, history: History = ()) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """A linear rise, then half a cosine from the learning rate to `end` of it.

    Parameters
    ----------
    warm_up : share of the run in which the learning rate rises
    end : factor after the last batch

    Source
    ------
    Cosine: Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts. Warm-up: Goyal et al., arXiv 1706.02677, 2017,
    section 2.2.
    """

    warm_up: float = 0.0
    end: float = 0.0

    def __post_init__(self) -> None:
        problems = Problems()
        _share(problems, "Cosine(warm_up=)", self.warm_up)
        _factor(problems, "Cosine(end=)", self.end, zero=True)
        problems.raise_as(TrainError)

    def factor(self, step: int, steps: int, history: History = ()) -> float:
        done = step / max(steps, 1)
        if done < self.warm_up:
            return (step + 1) / max(self.warm_up * steps, 1.0)
        fallen = (done - self.warm_up) / (1.0 - self.warm_up)
        return self.end + (1.0 - self.end) * 0.5 * (1.0 + math.cos(math.pi * fallen))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A linear rise from `start` of the learning rate to all of it, then half a cosine to 0.

    Parameters
    ----------
    rise : share of the run in which the learning rate rises
    start : factor before the first batch

    Source
    ------
    After Smith and Topin, arXiv 1708.07120, 2017.
    """

    rise: float = 0.2
    start: float = 0.0

    def __post_init__(self) -> None:
        problems = Problems()
        _share(problems, "OneCycle(rise=)", self.rise)
        _factor(problems, "OneCycle(start=)", self.start, zero=True)
        problems.raise_as(TrainError)

    def factor(self, step: int, steps: int, history: History = ()) -> float:
        done = step / max(steps, 1)
        if done < self.rise:
            risen = (step + 1) / max(self.rise * steps, 1.0)
            return self.start + (1.0 - self.start) * risen
        return 0.5 * (1.0 + math.cos(math.pi * (done - self.rise) / (1.0 - self.rise)))


@dataclass(frozen=True)
class Staircase(Schedule):
    """The learning rate times `drop` at each of some points of the run.

    Parameters
    ----------
    at : shares of the run, in rising order
    drop : factor of each step down
    """

    at: tuple[float, ...] = (0.5, 0.75)
    drop: float = 0.1

    def __post_init__(self) -> None:
        problems = Problems()
        if list(self.at) != sorted(set(self.at)) or not all(0.0 < x < 1.0 for x in self.at):
            problems.add(
                "Staircase(at=)",
                "must be shares of a run",
                found=self.at,
                expected="rising, 0 to 1",
            )
        _factor(problems, "Staircase(drop=)", self.drop)
        problems.raise_as(TrainError)

    def factor(self, step: int, steps: int, history: History = ()) -> float:
        done = step / max(steps, 1)
        return self.drop ** sum(done >= x for x in self.at)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """A learning rate that falls by the same share in every batch, to `end` of it at the end of the run."""

    end: float = 0.01

    def __post_init__(self) -> None:
        problems = Problems()
        _factor(problems, "ExponentialDecay(end=)", self.end)
        problems.raise_as(TrainError)

    def factor(self, step: int, steps: int, history: History = ()) -> float:
        return self.end ** (step / max(steps, 1))


@dataclass(frozen=True)
class Plateau(Schedule):
    """The learning rate times `drop` whenever more than `patience` epochs brought no improvement.

    Parameters
    ----------
    patience : epochs without improvement that are borne; counting begins anew after each drop
    drop : factor
    min_delta : by how much the monitored number has to improve on the best so far to count
    least : the factor never falls below it
    monitor : what is looked at
    """

    patience: int = 2
    drop: float = 0.3
    min_delta: float = 0.0
    least: float = 1e-3
    monitor: Monitor = Monitor.LOSS

    def __post_init__(self) -> None:
        problems = Problems()
        if self.patience < 0:
            problems.add("Plateau(patience=)", "must be at least 0", found=self.patience)
        if not self.min_delta >= 0.0:
            problems.add("Plateau(min_delta=)", "must be at least 0", found=self.min_delta)
        _factor(problems, "Plateau(drop=)", self.drop)
        _factor(problems, "Plateau(least=)", self.least, zero=True)
        problems.raise_as(TrainError)

    def factor(self, step: int, steps: int, history: History = ()) -> float:
        factor, best, waited = 1.0, float("-inf"), 0
        for epoch in history:
            score = self.monitor.score(epoch)
            waited += 1
            if score > best + self.min_delta:
                best, waited = score, 0
            if waited > self.patience:
                factor, waited = max(factor * self.drop, self.least), 0
        return factor


def _share(problems: Problems, where: str, share: float) -> None:
    if not 0.0 <= share < 1.0:
        problems.add(where, "must be a share of the run", found=share, expected="0 <= share < 1")


def _factor(problems: Problems, where: str, factor: float, zero: bool = False) -> None:
    if not (factor >= 0.0 if zero else factor > 0.0) or factor > 1.0:
        least = "0 <=" if zero else "0 <"
        problems.add(where, "must be a factor", found=factor, expected=f"{least} factor <= 1")


Schedule.CONSTANT, Schedule.COSINE, Schedule.ONE_CYCLE = Constant(), Cosine(), OneCycle()
