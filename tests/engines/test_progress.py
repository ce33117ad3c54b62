import io
import subprocess
import sys

import pytest

from spikewright.engines.progress import Progress


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_where_there_is_no_terminal():
    stream, clock = io.StringIO(), Clock()
    with Progress(100_000, 1e-4, stream=stream, clock=clock) as progress:
        for done in range(1000, 100_001, 1000):
            clock.now += 0.5
            progress(done)
    assert stream.getvalue().splitlines() == [
        "4000 of 100000 steps (4%), 0.4 s, real-time factor 5, 0:48 left",
        "64000 of 100000 steps (64%), 6.4 s, real-time factor 5, 0:18 left",
        "100000 of 100000 steps (100%), 10 s, real-time factor 5, 0:00 left",
    ]


def test_a_short_run_says_nothing():
    stream, clock = io.StringIO(), Clock()
    with Progress(10, 1e-3, stream=stream, clock=clock) as progress:
        clock.now += 1
        progress(10)
    assert stream.getvalue() == ""


def test_the_factor_is_that_of_the_last_seconds():
    clock = Clock()
    progress = Progress(10_000, 1e-3, shown=False, clock=clock)
    assert progress.factor is None
    for done in range(100, 2001, 100):
        clock.now += 1.0  # 10 s of computing per second
        progress(done)
    assert progress.factor == pytest.approx(10.0)
    for done in range(2100, 4101, 100):
        clock.now += 0.1
        progress(done)
    clock.now += 9.0
    progress(4110)
    assert progress.factor < 10
    assert progress.text(4110).startswith("4110 of 10000 steps (41%), 4.11 s, real-time factor")
    assert "left" in progress.text(4110)


def test_hours():
    clock = Clock()
    progress = Progress(10_000, 1e-3, shown=False, clock=clock)
    clock.now += 3
    progress(1)
    assert progress.text(1).endswith("real-time factor 3e+03, 8:19:57 left")
    assert Progress(0, 1e-3).text(0) == "0 of 0 steps (100%), 0 s"


def test_a_bar_on_a_terminal():
    stream = Terminal()
    with Progress(50, 1e-3, stream=stream) as progress:
        progress(25)
        progress(50)
    assert "50 of 50 steps (100%)" in stream.getvalue()


def test_nothing_is_shown_or_loaded_unless_asked():
    code = (
        "import sys; from spikewright.engines.progress import Progress\n"
        "with Progress(10, 1e-3, shown=False) as p: p(5); p(10)\n"
        "assert 'rich' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONPATH": ":".join(sys.path)}
    )  # fmt: skip
    assert done.stderr == b""
