"""Every error that Spikewright raises, and the one form of their messages.

    SpikewrightError
    ├── UnitError            a unit is unknown, or two units do not fit
    ├── ModelError           a neuron model says something that cannot be simulated
    ├── NetworkError         populations and projections do not fit together
    ├── EventError           a stream of events is malformed, or an operation on it is
    ├── FormatError          a file is corrupt, truncated, too new, or not what it claims
    ├── DataError            a data set is missing, incomplete or of the wrong kind
    ├── EngineError          an engine cannot run what it was given
    ├── TrainError           a training run cannot start or go on
    ├── SubstrateError       a substrate is misdescribed, or cannot do what is asked
    │   ├── LimitError       a network exceeds a limit of a substrate
    │   └── ConstantError    a number without unit, source or grade
    ├── VerifyError          a folder of vectors cannot be compared
    ├── UsageError           a command line or configuration asks for something impossible
    └── MissingExtra         an optional dependency is not installed (also an ImportError)

A message reads *where: what is wrong; found, expected — what to do*. Rules and limits collect every
problem in a `Problems` and raise once.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class SpikewrightError(Exception):
    """Base of all errors raised on purpose."""


class UnitError(SpikewrightError):
    """A unit is unknown, or two units do not fit."""


class ModelError(SpikewrightError):
    """A neuron model says something that cannot be simulated."""


class NetworkError(SpikewrightError):
    """Populations and projections do not fit together."""


class EventError(SpikewrightError):
    """A stream of events is malformed, or an operation on it is."""


class FormatError(SpikewrightError):
    """A file is corrupt, truncated, too new, or not what it claims."""


class DataError(SpikewrightError):
    """A data set is missing, incomplete or of the wrong kind."""


class EngineError(SpikewrightError):
    """An engine cannot run what it was given, or not to the end.

    `recording` is what was recorded before a run ended, or None.
    """

    recording: object = None


class TrainError(SpikewrightError):
    """A training run cannot start or go on."""


class SubstrateError(SpikewrightError):
    """A substrate is misdescribed, or cannot do what is asked."""


class LimitError(SubstrateError):
    """A network exceeds a limit of a substrate."""


class ConstantError(SubstrateError):
    """A number without unit, source or grade."""


class VerifyError(SpikewrightError):
    """A folder of vectors cannot be compared."""


class UsageError(SpikewrightError):
    """A command line or configuration asks for something impossible."""


class MissingExtra(SpikewrightError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package} — pip install 'spikewright[{extra}]'")


def explain(
    where: str,
    what: str,
    *,
    found: object = None,
    expected: object = None,
    cure: str | None = None,
) -> str:
    """Return a message in the project's form: *where: what; found, expected — cure*."""
    text = f"{where}: {what}"
    facts = []
    if found is not None:
        facts.append(f"found {found}")
    if expected is not None:
        facts.append(f"expected {expected}")
    if facts:
        text += "; " + ", ".join(facts)
    if cure:
        text += f" — {cure}"
    return text


@dataclass
class Problems:
    """Collects every problem of one object, to be raised together.

    Examples
    --------
    >>> problems = Problems()
    >>> problems.add("population 'a'", "has no neurons", found=0, expected="at least 1")
    >>> problems.raise_as(NetworkError)
    Traceback (most recent call last):
        ...
    spikewright.errors.NetworkError: population 'a': has no neurons; found 0, expected at least 1
    """

    lines: list[str] = field(default_factory=list)

    def add(
        self,
        where: str,
        what: str,
        *,
        found: object = None,
        expected: object = None,
        cure: str | None = None,
    ) -> None:
        """Note one problem; arguments as in `explain`."""
        self.lines.append(explain(where, what, found=found, expected=expected, cure=cure))

    def raise_as(self, error: type[SpikewrightError]) -> None:
        """Raise `error` with every problem noted so far, or do nothing when there is none."""
        if not self.lines:
            return
        if len(self.lines) == 1:
            raise error(self.lines[0])
        listed = "\n".join(f"  {n}. {line}" for n, line in enumerate(self.lines, start=1))
        raise error(f"{len(self.lines)} problems\n{listed}")
