"""The null device: every other substrate is compared with it, and every tool can be tried on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spikewright.engines.recording import Recording
from spikewright.network.graph import Network
from spikewright.substrates.base import Chip, Compiled, Costs, Substrate, load_chip


@dataclass(frozen=True)
class Ideal(Substrate):
    """No limits, no passes, no prices."""

    name: ClassVar[str] = "ideal"

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Return the network itself."""
        return Compiled(network, network, self.name, (), seed=seed)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return costs without a single term."""
        self.check_recording(compiled, recording)
        return Costs(
            self.name,
            "default",
            steps=recording.steps,
            notes=("Not a device: it has no energy, latency or area.",),
        )
