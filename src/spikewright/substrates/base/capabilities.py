"""What substrates can do, side by side: read from their chip files, never typed."""

from __future__ import annotations

from collections.abc import Iterable

from spikewright.substrates.base.constant import Chip


def capability_table(chips: Iterable[Chip]) -> list[tuple[str, ...]]:
    """Return rows of text: a head (empty corner, then titles), then one row per capability that any chip names.

    A capability that a chip file leaves out reads "?": unknown is not the same as no.
    """
    found = list(chips)
    names = list(dict.fromkeys(name for chip in found for name in chip.capabilities))
    head = ("", *(chip.title for chip in found))
    return [head] + [
        (name.replace("_", " "), *(_text(chip.capabilities.get(name, "?")) for chip in found))
        for name in names
    ]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
