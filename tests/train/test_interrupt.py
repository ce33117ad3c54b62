"""Ctrl-C: asked for once it is noted, asked for twice it stops; one that comes twice is one."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from spikewright.train.interrupt import stop_requested


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_first_is_noted_second_stops() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_requested() as stop:
        assert not stop()
        press()
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is before


def test_two_that_come_together_are_one() -> None:
    with stop_requested(apart=60.0) as stop:
        press()
        press()
        assert stop()


def test_outside_the_main_thread_nothing_is_caught() -> None:
    seen = []

    def work() -> None:
        with stop_requested() as stop:
            seen.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
