"""The one type of events: when, where, and (for graded spikes) how much.

A camera, a cochlea and a population all give `Events`. Time counts ticks in int64, so it never
drifts; an address is the flat index, in C order, into `shape` (a camera has `(P, Y, X)`, a
population `(N,)`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.clock import INT64_MAX
from spikewright.units import show


@dataclass(frozen=True, eq=False, repr=False)
class Events:
    """Events sorted in time; frozen, its arrays read-only.

    Parameters
    ----------
    t : int64 array, n, ticks, not decreasing (negative times are allowed)
    address : int64 array, n, flat index into `shape`
    shape : what the addresses index, in C order
    tick : float, s, > 0
    value : float64 array, n, finite; None means that every event counts 1

    Raises
    ------
    EventError : lists every rule that is broken

    Examples
    --------
    >>> Events([0, 10, 2500], [1, 0, 3], (4,))
    Events(3 events, shape (4,), tick 1 us, 0 s to 2.5 ms)
    >>> Events([5, 3], [0, 9], (4,))
    Traceback (most recent call last):
        ...
    spikewright.errors.EventError: 2 problems
      1. Events.t: time runs backwards at index 1; found 3 after 5, expected sorted ticks — \
sort by np.argsort(t, kind='stable'), if the order may be lost
      2. Events.address: outside the shape at index 1; found 9, expected 0 to 3 for shape (4,)
    """

    t: NDArray[np.int64]
    address: NDArray[np.int64]
    shape: tuple[int, ...]
    tick: float = field(default=1e-6, kw_only=True)
    value: NDArray[np.float64] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        problems = Problems()
        shape = _shape_rule(problems, self.shape)
        tick = _tick_rule(problems, self.tick)
        t = _integer_rule(problems, "Events.t", self.t)
        address = _integer_rule(problems, "Events.address", self.address)
        value = None if self.value is None else _value_rule(problems, self.value)
        if t is not None:
            for name, other in (("address", address), ("value", value)):
                if other is not None and other.size != t.size:
                    problems.add(
                        f"Events.{name}",
                        "differs in length from the times",
                        found=other.size,
                        expected=t.size,
                    )
            _order_rule(problems, t)
        if address is not None and shape is not None:
            _inside_rule(problems, address, shape)
        problems.raise_as(EventError)
        for name, checked in (
            ("t", t),
            ("address", address),
            ("shape", shape),
            ("tick", tick),
            ("value", value),
        ):
            object.__setattr__(self, name, checked)

    @classmethod
    def from_coordinates(
        cls,
        t: NDArray[np.int64],
        coordinates: Sequence[NDArray[Any]],
        shape: tuple[int, ...],
        *,
        tick: float = 1e-6,
        value: NDArray[np.float64] | None = None,
    ) -> Events:
        """Make events from one array per axis of `shape`, for instance ``(p, y, x)``.

        Raises
        ------
        EventError : a coordinate lies outside its axis, an axis is missing, or a rule of `Events`
            is broken

        Examples
        --------
        >>> Events.from_coordinates([7], ([1], [0], [2]), (2, 3, 4)).address.tolist()
        [14]
        """
        problems = Problems()
        checked = _shape_rule(problems, shape)
        problems.raise_as(EventError)
        if checked is None or len(coordinates) != len(checked):
            raise EventError(
                explain(
                    "Events.from_coordinates",
                    f"not one array per axis of shape {shape}",
                    found=len(coordinates),
                    expected=len(shape),
                )
            )
        address: NDArray[np.int64] | None = None
        for axis, (given, size) in enumerate(zip(coordinates, checked, strict=True)):
            where = f"coordinates[{axis}]"
            index = _integer_rule(problems, where, given)
            if index is None:
                continue
            _inside_rule(problems, index, (size,), where=where)
            if address is None:
                address = index
            elif index.size == address.size:
                address = address * size + index
            else:
                problems.add(
                    where,
                    "differs in length from the first",
                    found=index.size,
                    expected=address.size,
                )
        problems.raise_as(EventError)
        return cls(
            t,
            np.zeros(0, np.int64) if address is None else address,
            checked,
            tick=tick,
            value=value,
        )

    @classmethod
    def empty(cls, shape: tuple[int, ...], *, tick: float = 1e-6) -> Events:
        """Return no events at all, of a shape."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), shape, tick=tick)

    @property
    def n(self) -> int:
        """Number of events."""
        return int(self.t.size)

    @property
    def size(self) -> int:
        """Number of addresses."""
        return math.prod(self.shape)

    @property
    def duration(self) -> float:
        """Time from the first to the last event, in s; 0 for fewer than two events."""
        return (int(self.t[-1]) - int(self.t[0])) * self.tick if self.n else 0.0

    def coordinates(self) -> tuple[NDArray[np.intp], ...]:
        """Return one array per axis of `shape`."""
        return np.unravel_index(self.address, self.shape)

    def weights(self) -> NDArray[np.float64]:
        """Return what each event counts: `value`, or ones."""
        return np.ones(self.n) if self.value is None else self.value

    def rate(self, *, duration: float | None = None) -> float:
        """Return the events per second of an address, in Hz, averaged over all addresses.

        Parameters
        ----------
        duration : float, s, > 0; the observed time. None takes the time from first to last event

        Raises
        ------
        EventError : the events span no time and no `duration` is given

        Examples
        --------
        >>> Events([0, 500_000], [0, 1], (4,)).rate(duration=1.0)
        0.5
        """
        observed = self.duration if duration is None else duration
        if not (observed > 0 and math.isfinite(observed)):
            if self.n == 0 and duration is None:
                return 0.0
            raise EventError(
                explain(
                    "Events.rate",
                    "no time to divide by",
                    found=f"{observed:g} s",
                    expected="more than 0 s",
                    cure="give duration=, the time that was observed",
                )
            )
        return self.n / (self.size * observed)

    def same_as(self, other: Events) -> bool:
        """Return whether times, addresses, shape, tick and what each event counts are the same."""
        return (
            self.shape == other.shape
            and self.tick == other.tick
            and np.array_equal(self.t, other.t)
            and np.array_equal(self.address, other.address)
            and np.array_equal(self.weights(), other.weights())
        )

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        text = f"{self.n} event{'' if self.n == 1 else 's'}, shape {self.shape}"
        text += f", tick {show(self.tick, 's')}"
        if self.n:
            first, last = (show(int(self.t[k]) * self.tick, "s") for k in (0, -1))
            text += f", {first} to {last}" if self.n > 1 else f", at {first}"
        return f"Events({text}{'' if self.value is None else ', graded'})"


def _immutable(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that nobody can write to: itself where that already holds, else a copy."""
    node: object = array
    while isinstance(node, np.ndarray) and not node.flags.writeable:
        node = node.base
    if (node is None or isinstance(node, bytes)) and array.flags.c_contiguous:
        return array
    copied = np.array(array, order="C", copy=True, subok=False)
    copied.setflags(write=False)
    return copied


def _array_rule(problems: Problems, where: str, given: object) -> NDArray[Any] | None:
    try:
        array: NDArray[Any] = np.asarray(given)
    except (ValueError, TypeError, OverflowError):
        problems.add(where, "is not an array of numbers", found=type(given).__name__)
        return None
    if array.ndim != 1:
        problems.add(
            where,
            "is not a flat array",
            found=f"shape {array.shape}",
            expected="one number per event",
        )
        return None
    return array


def _integer_rule(problems: Problems, where: str, given: object) -> NDArray[np.int64] | None:
    array = _array_rule(problems, where, given)
    if array is None:
        return None
    if array.size == 0 and not isinstance(given, np.ndarray):
        array = np.zeros(0, np.int64)
    if array.dtype.kind not in "iu":
        problems.add(
            where,
            "is not of an integer type",
            found=array.dtype,
            expected="int64",
            cure="round it on purpose, to ticks or indices",
        )
        return None
    if array.dtype.kind == "u" and array.size and int(array.max()) > INT64_MAX:
        problems.add(
            where, "does not fit int64", found=int(array.max()), expected=f"at most {INT64_MAX}"
        )
        return None
    return _immutable(array.astype(np.int64, copy=False))


def _value_rule(problems: Problems, given: object) -> NDArray[np.float64] | None:
    array = _array_rule(problems, "Events.value", given)
    if array is None:
        return None
    if array.dtype.kind not in "iufb":
        problems.add("Events.value", "is not real numbers", found=array.dtype, expected="float64")
        return None
    value = array.astype(np.float64, copy=False)
    wrong = ~np.isfinite(value)
    if wrong.any():
        k = int(np.argmax(wrong))
        problems.add(
            "Events.value",
            f"is not finite at index {k}",
            found=value[k],
            expected="a finite number",
        )
    return _immutable(value)


def _shape_rule(problems: Problems, given: object) -> tuple[int, ...] | None:
    where = "Events.shape"
    if isinstance(given, int | np.integer):
        given = (given,)
    if (
        not isinstance(given, tuple | list)
        or len(given) == 0
        or not all(
            isinstance(d, int | np.integer) and not isinstance(d, bool) and d > 0 for d in given
        )
    ):
        problems.add(
            where, "is not a shape", found=repr(given), expected="whole numbers of at least 1"
        )
        return None
    shape = tuple(int(d) for d in given)
    if math.prod(shape) > INT64_MAX:
        problems.add(where, "has more addresses than int64 can count", found=shape)
        return None
    return shape


def _tick_rule(problems: Problems, given: object) -> float | None:
    if (
        isinstance(given, bool)
        or not isinstance(given, int | float | np.integer | np.floating)
        or not (given > 0 and math.isfinite(given))
    ):
        problems.add(
            "Events.tick", "is not a time", found=repr(given), expected="seconds, more than 0"
        )
        return None
    return float(given)


def _order_rule(problems: Problems, t: NDArray[np.int64]) -> None:
    backwards = t[1:] < t[:-1]
    if backwards.any():
        k = int(np.argmax(backwards)) + 1
        problems.add(
            "Events.t",
            f"time runs backwards at index {k}",
            found=f"{t[k]} after {t[k - 1]}",
            expected="sorted ticks",
            cure="sort by np.argsort(t, kind='stable'), if the order may be lost",
        )


def _inside_rule(
    problems: Problems,
    address: NDArray[np.int64],
    shape: tuple[int, ...],
    *,
    where: str = "Events.address",
) -> None:
    size = math.prod(shape)
    if address.size and (int(address.min()) < 0 or int(address.max()) >= size):
        k = int(np.argmax((address < 0) | (address >= size)))
        problems.add(
            where,
            f"outside the shape at index {k}",
            found=int(address[k]),
            expected=f"0 to {size - 1} for shape {shape}",
        )
