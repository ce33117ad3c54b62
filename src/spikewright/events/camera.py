"""What a camera recorded: events as columns, and the triggers, frames and inertial samples beside them.

`Events` (see `stream`) is what networks take: sorted, with flat addresses. `CameraEvents` is what files hold: columns
of 13 bytes per event, in the order of the file, nothing rejected. The origin is the upper left pixel; times are
microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.stream import Events
from spikewright.events.transform import Rounding, rescale_tick

COLUMNS = {"t": np.int64, "x": np.uint16, "y": np.uint16, "p": np.uint8}
"""Name of each column of `CameraEvents` -> its type."""


@dataclass(frozen=True, eq=False, repr=False)
class CameraEvents:
    """Events of a camera in the order of their file; frozen, its arrays read-only.

    Neither order in time nor addresses are checked, because a reader keeps whatever a file holds: `check` does that.

    Parameters
    ----------
    t : int64 array, n, us
    x, y : uint16 array, n, column and row, from the upper left pixel
    p : uint8 array, n, 1 where the pixel became brighter, else 0
    width, height : int, pixels of the sensor; 0 where nobody knows

    Raises
    ------
    EventError : the columns differ in length, are not flat, or do not fit their types

    Examples
    --------
    >>> CameraEvents([0, 9], [3, 4], [1, 1], [0, 1], 640, 480)
    CameraEvents(2 events, 640 x 480, 0 to 9 us)
    """

    t: NDArray[np.int64]
    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    p: NDArray[np.uint8]
    width: int
    height: int

    def __post_init__(self) -> None:
        problems = Problems()
        for name, dtype in COLUMNS.items():
            column = _column(problems, f"CameraEvents.{name}", getattr(self, name), dtype)
            object.__setattr__(self, name, column)
        if not problems.lines and len({len(getattr(self, name)) for name in COLUMNS}) > 1:
            found = ", ".join(f"{name} {len(getattr(self, name))}" for name in COLUMNS)
            problems.add("CameraEvents", "columns differ in length", found=found)
        problems.raise_as(EventError)

    @classmethod
    def empty(cls, width: int, height: int) -> CameraEvents:
        """Return no events of a sensor."""
        columns = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
        return cls(**columns, width=width, height=height)

    @classmethod
    def from_events(cls, events: Events) -> CameraEvents:
        """Make camera events of a stream; times are rounded to microseconds.

        Parameters
        ----------
        events : Events, shape (2, H, W), or (1, H, W) or (H, W) where every event is of polarity 1

        Raises
        ------
        EventError : another shape, a sensor larger than 65536 pixels a side, or events that count other than 1
        """
        shape = events.shape if len(events.shape) != 2 else (1, *events.shape)
        if len(shape) != 3 or shape[0] > 2 or max(shape) > 65536:
            raise EventError(
                explain(
                    "CameraEvents.from_events",
                    "not the shape of a camera",
                    found=events.shape,
                    expected="(2, height, width), (1, height, width) or (height, width)",
                )
            )
        if events.value is not None and not np.all(events.value == 1.0):
            raise EventError(
                explain(
                    "CameraEvents.from_events",
                    "graded events; a camera's events count 1 each",
                    cure="threshold them first",
                )
            )
        on_clock = rescale_tick(events, 1e-6, rounding=Rounding.NEAREST)
        polarities, height, width = shape
        row, x = np.divmod(on_clock.address, width)
        p, y = np.divmod(row, height)
        p = p if polarities == 2 else np.ones_like(p)
        return cls(
            on_clock.t,
            x.astype(np.uint16),
            y.astype(np.uint16),
            p.astype(np.uint8),
            width,
            height,
        )

    def to_events(self) -> Events:
        """Return the events as a stream for networks, shape (2, height, width), tick 1 us.

        Raises
        ------
        EventError : time runs backwards, or an address lies outside the sensor
        """
        self.check()
        address = self.p.astype(np.int64)
        address *= self.height
        address += self.y
        address *= self.width
        address += self.x
        shape = (2, max(self.height, 1), max(self.width, 1))
        return Events(self.t, address, shape, tick=1e-6)

    def check(self) -> None:
        """Raise unless times are sorted, addresses inside the sensor, and polarities 0 or 1.

        Raises
        ------
        EventError : lists every rule that is broken
        """
        problems = Problems()
        backwards = self.t[1:] < self.t[:-1]
        if backwards.any():
            k = int(np.argmax(backwards)) + 1
            problems.add(
                "CameraEvents.t",
                f"time runs backwards at index {k}",
                found=f"{self.t[k]} after {self.t[k - 1]}",
                expected="sorted times",
                cure="sort them: ev[np.argsort(ev.t, kind='stable')]",
            )
        for name, column, size in (
            ("x", self.x, self.width),
            ("y", self.y, self.height),
            ("p", self.p, 2),
        ):
            if column.size and int(column.max()) >= size:
                k = int(np.argmax(column >= size))
                problems.add(
                    f"CameraEvents.{name}",
                    f"outside the sensor at index {k}",
                    found=int(column[k]),
                    expected=f"less than {size}",
                    cure="crop to the sensor, or give its true size",
                )
        problems.raise_as(EventError)

    @property
    def n(self) -> int:
        """How many events there are."""
        return int(self.t.size)

    @property
    def duration(self) -> int:
        """Microseconds from the earliest to the latest event, 0 where there are none."""
        return int(self.t.max() - self.t.min()) if self.n else 0

    def replace(self, **columns: Any) -> CameraEvents:
        """Return a copy with other columns or another sensor."""
        return replace(self, **columns)

    def same_as(self, other: CameraEvents) -> bool:
        """Tell whether every event and the sensor are equal."""
        return (self.width, self.height) == (other.width, other.height) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in COLUMNS
        )

    def __getitem__(self, kept: slice | NDArray[Any]) -> CameraEvents:
        """Return the events of a slice, a mask or an array of positions."""
        if not isinstance(kept, slice | np.ndarray):
            raise EventError(
                explain(
                    "CameraEvents",
                    "not a choice of events",
                    found=type(kept).__name__,
                    expected="a slice, a mask or an array of positions",
                )
            )
        return CameraEvents(
            self.t[kept], self.x[kept], self.y[kept], self.p[kept], self.width, self.height
        )

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        text = f"{self.n} event{'' if self.n == 1 else 's'}, {self.width} x {self.height}"
        if self.n:
            text += f", {self.t[0]} to {self.t[-1]} us"
        return f"CameraEvents({text})"


@dataclass(frozen=True, eq=False)
class Triggers:
    """Edges on a camera's trigger inputs, and other marks in time.

    Parameters
    ----------
    t : int64 array, n, us
    channel : uint8 array, n, the input's number, or the code of the source
    value : uint8 array, n, 1 rising and 0 falling
    """

    t: NDArray[np.int64]
    channel: NDArray[np.uint8]
    value: NDArray[np.uint8]

    def __post_init__(self) -> None:
        problems = Problems()
        for name, dtype in (("t", np.int64), ("channel", np.uint8), ("value", np.uint8)):
            column = _column(problems, f"Triggers.{name}", getattr(self, name), dtype)
            object.__setattr__(self, name, column)
        problems.raise_as(EventError)
        if not self.t.size == self.channel.size == self.value.size:
            raise EventError(explain("Triggers", "columns differ in length"))

    def __len__(self) -> int:
        return int(self.t.size)

    @classmethod
    def empty(cls) -> Triggers:
        """Return no triggers."""
        return cls(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint8))


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a camera that also takes frames.

    Parameters
    ----------
    t : int, us, of the frame
    exposure_start, exposure_end : int, us
    x0, y0 : int, upper left pixel of the picture on the sensor
    pixels : uint8 or uint16 array, (height, width) gray, (height, width, 3) red green blue, or with 4 channels
    """

    t: int
    exposure_start: int
    exposure_end: int
    x0: int
    y0: int
    pixels: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Imu:
    """Samples of an inertial sensor.

    Parameters
    ----------
    t : int64 array, n, us
    acc : float32 array, (n, 3), standard gravities
    gyro : float32 array, (n, 3), degrees per second
    mag : float32 array, (n, 3), microtesla
    temperature : float32 array, n, degrees Celsius
    """

    t: NDArray[np.int64]
    acc: NDArray[np.float32]
    gyro: NDArray[np.float32]
    mag: NDArray[np.float32]
    temperature: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.t.size)


@dataclass
class Extras:
    """What a recording holds beside events; None where it holds none.

    Parameters
    ----------
    triggers : Triggers
    frames : list of Frame
    imu : Imu
    more : name -> what only one format has, such as exposure events; whoever reads in chunks may take it out in between
    """

    triggers: Triggers | None = None
    frames: list[Frame] = field(default_factory=list)
    imu: Imu | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(map(bool, (self.triggers, self.frames, self.imu, self.more)))


def concatenate(parts: Iterable[CameraEvents]) -> CameraEvents:
    """Join events one after another; nothing is sorted.

    Parameters
    ----------
    parts : at least one, all of one sensor

    Raises
    ------
    EventError : nothing to join, or sensors differ

    Examples
    --------
    >>> one = CameraEvents([5], [0], [0], [1], 8, 8)
    >>> concatenate([one, one]).t.tolist()
    [5, 5]
    """
    listed = list(parts)
    sizes = {(part.width, part.height) for part in listed}
    if len(sizes) != 1:
        raise EventError(
            explain(
                "concatenate",
                "not events of one sensor",
                found="nothing" if not listed else f"sensors {sorted(sizes)}",
                expected="one size",
            )
        )
    if len(listed) == 1:
        return listed[0]
    columns = {name: np.concatenate([getattr(part, name) for part in listed]) for name in COLUMNS}
    width, height = sizes.pop()
    return CameraEvents(**columns, width=width, height=height)


def _column(problems: Problems, where: str, given: ArrayLike, dtype: type) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(given)
    if array.ndim != 1:
        problems.add(where, "is not a flat array", found=f"shape {array.shape}")
        return np.empty(0, dtype)
    if array.dtype != dtype:
        if array.size == 0:
            array = array.astype(dtype)
        elif array.dtype.kind not in "iub":
            problems.add(where, "is not of an integer type", found=array.dtype, expected=dtype)
            return np.empty(0, dtype)
        elif not np.can_cast(array.dtype, dtype):
            low, high = int(array.min()), int(array.max())
            limits = np.iinfo(dtype)
            if low < limits.min or high > limits.max:
                problems.add(
                    where,
                    "does not fit its type",
                    found=f"{low} to {high}",
                    expected=f"{limits.min} to {limits.max}",
                )
                return np.empty(0, dtype)
        array = array.astype(dtype, copy=False)
    if array.flags.writeable:
        array = array.view()  # the caller's own array stays writeable
        array.flags.writeable = False
    return array
