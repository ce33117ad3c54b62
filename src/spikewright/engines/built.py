"""What `Cpu.prepare` builds: the synapses in their forms, and how the network is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spikewright.engines.lazy_source import LazyTables
from spikewright.engines.plastic import StoredRule
from spikewright.engines.stored import Stored


@dataclass(frozen=True)
class Built:
    """A network for the compiled engine.

    Parameters
    ----------
    precision : "double" or "single"
    threads : threads
    parts : of every population; 1: threads share samples out
    stored : projection -> its synapses
    ruled : projection with a rule -> its synapses
    lazy : lazy population -> its closed forms
    """

    precision: str
    threads: int
    parts: int
    stored: Mapping[str, Stored]
    ruled: Mapping[str, StoredRule]
    lazy: Mapping[str, LazyTables]

    @property
    def bytes(self) -> int:
        """Memory of all synapses."""
        static = sum(projection.bytes for projection in self.stored.values())
        return static + sum(projection.bytes for projection in self.ruled.values())
