"""Delays against what a chip can hold."""

from __future__ import annotations

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network
from spikewright.substrates.base import Chip


def check_delays(network: Network, chip: Chip, *, least: int = 0) -> None:
    """Raise LimitError with every projection whose delay exceeds the chip's `max_delay`.

    Parameters
    ----------
    network : lowered to the chip
    chip : its limits
    least : steps that the chip counts besides those of a projection
    """
    problems = Problems()
    for name in network.projections:
        steps = int(network.delay_steps(name).max(initial=0)) + least
        if steps > chip.limit("max_delay"):
            problems.add(
                f"{chip.name}: projection {name!r}",
                "exceeds max_delay",
                found=f"{steps} steps",
                expected=f"{chip.limit('max_delay'):g} at most",
                cure="use a larger dt, or relay populations",
            )
    problems.raise_as(LimitError)
