"""The contract of engines, for the one without a clock."""

from __future__ import annotations

from spikewright.engines.event import Event
from spikewright.testing.engine_suite import EngineSuite


class TestEvent(EngineSuite):
    engine = Event
    clock = False
