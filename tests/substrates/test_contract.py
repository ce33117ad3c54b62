"""Every built-in substrate keeps the contract that third parties inherit."""

from __future__ import annotations

from spikewright.substrates.base import Substrate
from spikewright.substrates.ideal.substrate import Ideal
from spikewright.substrates.loihi.model import Arithmetic
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.pcm.substrate import Pcm
from spikewright.testing.substrate_suite import SubstrateSuite


class TestIdeal(SubstrateSuite):
    def make(self) -> Substrate:
        return Ideal()


class TestLoihiLava(SubstrateSuite):
    def make(self) -> Substrate:
        return Loihi(arithmetic=Arithmetic.LAVA)


class TestLoihiChip(SubstrateSuite):
    def make(self) -> Substrate:
        return Loihi(arithmetic=Arithmetic.CHIP)


class TestLoihiNahuku(SubstrateSuite):
    def make(self) -> Substrate:
        return Loihi(preset="nahuku", weight_bits=4)


class TestPcm(SubstrateSuite):
    def make(self) -> Substrate:
        return Pcm()
