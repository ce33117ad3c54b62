"""Every built-in substrate keeps the contract that third parties inherit."""

from __future__ import annotations

from spikewright.substrates.base import Substrate
from spikewright.substrates.ideal.substrate import Ideal
from spikewright.substrates.loihi.model import Arithmetic
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.loihi2.substrate import Loihi2
from spikewright.substrates.pcm.substrate import Pcm
from spikewright.substrates.spinnaker.substrate import SpiNNaker
from spikewright.substrates.truenorth.substrate import TrueNorth
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


class TestTrueNorth(SubstrateSuite):
    def make(self) -> Substrate:
        return TrueNorth()


class TestTrueNorthFaulty(SubstrateSuite):
    def make(self) -> Substrate:
        return TrueNorth(preset="0.775V", faulty=((0, 0), (2, 0)))


class TestLoihiFaulty(SubstrateSuite):
    def make(self) -> Substrate:
        faulty = ((0, 0), (1, 1, 2))
        return Loihi(partition="traffic", faulty=faulty, failed_links=((2, 0, "W"),))


class TestSpiNNakerFaulty(SubstrateSuite):
    def make(self) -> Substrate:
        links = ((2, 0, "W"), (1, 1, "NE"))
        faulty = ((0, 0), (1, 0, 3))
        return SpiNNaker(partition="traffic", neurons_per_core=4, faulty=faulty, failed_links=links)


class TestLoihi2(SubstrateSuite):
    def make(self) -> Substrate:
        return Loihi2()


class TestSpiNNaker(SubstrateSuite):
    def make(self) -> Substrate:
        return SpiNNaker()


class TestSpiNNakerSharp(SubstrateSuite):
    def make(self) -> Substrate:
        return SpiNNaker(preset="sharp", neurons_per_core=5, ring_buffer_rate=30.0)
