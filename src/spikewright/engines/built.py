"""What `Cpu.prepare` builds: the synapses in their forms, and how the network is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
    edges : population -> the neurons of its parts, where they are not those of `planner.bounds`
    mine : the parts that are advanced here, one by each thread, where others are advanced elsewhere; synapses are
        stored for these only
    kept : what one run has made and the next needs again; see `once`
    """

    precision: str
    threads: int
    parts: int
    stored: Mapping[str, Stored]
    ruled: Mapping[str, StoredRule]
    lazy: Mapping[str, LazyTables]
    edges: Mapping[str, list[tuple[int, int]]] = field(default_factory=dict)
    mine: range | None = None
    kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make` returned when a run first asked for a key."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    @property
    def bytes(self) -> int:
        """Memory of all synapses."""
        static = sum(projection.bytes for projection in self.stored.values())
        return static + sum(projection.bytes for projection in self.ruled.values())
