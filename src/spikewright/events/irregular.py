"""What was wrong or remarkable in a recording: counted, with the place of the first, never passed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from spikewright.errors import EventError, explain


class Kind(Enum):
    """A sort of irregularity; the value is how it reads."""

    WRAP = "the clock's counter wrapped; times go on"
    TRUNCATED = "the file ends inside a record"
    BAD_WORD = "a word that the format does not know"
    BAD_PACKET = "a packet that cannot be decoded"
    OUTSIDE = "an event outside the sensor; kept"
    BACKWARDS = "time ran backwards; kept as it is"
    DROPPED = "events that cannot be placed; left out"
    NO_TIME = "a word before the first time; left out"
    UNKNOWN = "a packet or record of an unknown type; left out"
    INVALID = "an event that is marked invalid; left out"
    RESET = "the clock was reset"
    RESERVED = "a reserved byte; skipped"
    MISSING_INDEX = "no index in the file; read from start to end"
    NO_ORIGIN = "a time origin that cannot be used"
    BAD_VALUE = "a value out of its range"
    UNSUPPORTED = "something that the target cannot hold; left out"


HARMLESS = frozenset({Kind.WRAP, Kind.MISSING_INDEX})
"""Kinds that tell something and cost nothing."""


@dataclass(frozen=True)
class Irregularity:
    """All irregularities of one kind in a recording.

    Parameters
    ----------
    kind : Kind
    offset : int, bytes from the start of the file to the first; -1 where there is no such place
    count : int
    note : what else is known about the first
    """

    kind: Kind
    offset: int
    count: int
    note: str = ""

    @property
    def is_harmful(self) -> bool:
        """Whether something may be lost or wrong."""
        return self.kind not in HARMLESS

    def __str__(self) -> str:
        place = f", first at byte {self.offset}" if self.offset >= 0 else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.count} x {self.kind.value}{place}{note}"


class Irregularities:
    """Every irregularity met while reading, merged by kind.

    Parameters
    ----------
    where : what messages begin with: the file
    strict : whether the first harmful one raises

    Examples
    --------
    >>> met = Irregularities("a.raw")
    >>> met.add(Kind.BAD_WORD, 12), met.add(Kind.BAD_WORD, 4, count=2)
    (None, None)
    >>> print(met)
    3 x a word that the format does not know, first at byte 4
    """

    def __init__(self, where: str, *, strict: bool = False) -> None:
        self.where = where
        self.strict = strict
        self._by_kind: dict[Kind, Irregularity] = {}

    def add(self, kind: Kind, offset: int, count: int = 1, note: str = "") -> None:
        """Note `count` irregularities, the first of them at byte `offset`.

        Raises
        ------
        EventError : it is harmful, and reading is strict
        """
        if count <= 0:
            return
        known = self._by_kind.get(kind)
        found = Irregularity(kind, offset, count, note)
        if known is not None:
            first = known if known.offset <= offset else found
            found = replace(first, count=known.count + count)
        self._by_kind[kind] = found
        if self.strict and found.is_harmful:
            raise EventError(
                explain(
                    self.where,
                    str(found),
                    cure="read it without strict, or mend it: spikewright events repair",
                )
            )

    def clear(self) -> None:
        """Forget all, before another reading of the same file."""
        self._by_kind.clear()

    def count(self, kind: Kind) -> int:
        """Return how many of a kind were met."""
        known = self._by_kind.get(kind)
        return known.count if known else 0

    @property
    def harmful(self) -> list[Irregularity]:
        """Those by which something may be lost or wrong."""
        return [one for one in self if one.is_harmful]

    def __iter__(self) -> Iterator[Irregularity]:
        return iter(sorted(self._by_kind.values(), key=lambda one: one.offset))

    def __len__(self) -> int:
        return len(self._by_kind)

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __repr__(self) -> str:
        return f"Irregularities({self.where!r}, {list(self)!r})"
