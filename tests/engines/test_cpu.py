from spikewright.engines.cpu import Cpu
from spikewright.testing.engine_suite import EngineSuite


class TestCpu(EngineSuite):
    engine = Cpu
