from spikewright.engines.reference import Reference
from spikewright.testing.engine_suite import EngineSuite


class TestReference(EngineSuite):
    engine = Reference
