"""Cut into cores in order or by traffic, whichever sends fewer packets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from spikewright.errors import LimitError
from spikewright.network.graph import Network
from spikewright.substrates.base import Change
from spikewright.substrates.passes.hypergraph import hypergraph_of, packets
from spikewright.substrates.passes.partition import Partition

MORE_CORES = 4
"""Cores beyond those of the cut in order that a cut by traffic may take."""


def better_of(
    network: Network,
    in_order: Partition,
    by_traffic: Callable[[], Partition],
    rates: Mapping[str, Any] | None = None,
) -> tuple[Partition, tuple[Change, ...]]:
    """Return the cut by traffic where it sends fewer packets and takes few more cores, and what it saves.

    Parameters
    ----------
    network : lowered
    in_order : what is compared with, and kept where nothing else fits
    by_traffic : makes the other one; not called where one core is enough
    rates : population -> Hz; without them all neurons fire once
    """
    if in_order.n_cores <= 1:
        return in_order, ()
    try:
        other = by_traffic()
    except LimitError:
        return in_order, ()
    if other.n_cores > in_order.n_cores + MORE_CORES:
        return in_order, ()
    cover = hypergraph_of(network, tuple(in_order.core_of), rates)
    before, after = (
        packets(cover.graph, cover.joined(cut.core_of).astype(np.int64))
        for cut in (in_order, other)
    )
    if after >= before:
        return in_order, ()
    how = "per second" if rates else "where all neurons fire once"
    what = f"with all others sends {after:g} packets {how}, in place of {before:g} in order"
    widest = max(other.core_of, key=lambda p: len(other.core_of[p]))
    return other, (Change("partition", widest, what, "neurons chosen by traffic"),)
