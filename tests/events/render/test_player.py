from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.render import SCHEMES, Blocks, Look, play

W, H = 40, 20


def terminal(width: int = 60, height: int = 20) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=height,
        color_system="truecolor",
    )


def events() -> CameraEvents:
    t = np.arange(0, 1_000_000, 1000)
    zero = np.zeros(t.size, np.int64)
    return CameraEvents(
        t,
        (t * W // 1_000_000).astype(np.uint16),
        (zero + 7).astype(np.uint16),
        zero.astype(np.uint8) + 1,
        W,
        H,
    )


class Time:
    """A clock that only runs while somebody sleeps, or draws."""

    def __init__(self, drawing: float = 0.0) -> None:
        self.now, self.drawing, self.slept = 100.0, drawing, 0.0

    def clock(self) -> float:
        self.now += self.drawing
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.mark.parametrize("height", [6, 7])
def test_characters_show_every_pixel(height: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 2, (height, 9, 3)).astype(np.uint8) * 255
    seen = np.zeros((height + height % 2, 9, 3), int)
    console = terminal()
    column = row = 0
    for segment in console.render(Blocks(rgb)):
        if segment.text == "\n":
            column, row = 0, row + 2
            continue
        assert segment.style is not None
        for _ in segment.text:
            for k, color in enumerate((segment.style.color, segment.style.bgcolor)):
                if color is not None:
                    assert color.triplet is not None
                    seen[row + k, column] = color.triplet
            column += 1
    assert np.array_equal(seen[:height], rgb)


def test_a_recording_is_played_in_its_time() -> None:
    time = Time()
    console = terminal()
    done = play(events(), console=console, fps=10, clock=time.clock, sleep=time.sleep)
    assert (done.pictures, done.events, done.outside) == (10, 1000, 0)
    assert time.slept == pytest.approx(0.9)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "0.900 s   1,000 events/s" in text
    assert "▀" in text
    slow = Time()
    play(events(), console=terminal(), fps=10, speed=0.5, clock=slow.clock, sleep=slow.sleep)
    assert slow.slept == pytest.approx(1.9)


def test_pictures_that_come_too_late_are_left_out_but_not_all_of_them() -> None:
    time = Time(drawing=0.15)  # of each look at the clock
    done = play(events(), console=terminal(), fps=20, clock=time.clock, sleep=time.sleep)
    assert 3 <= done.pictures < 12
    assert done.events == 1000


def test_the_picture_fits_the_terminal() -> None:
    console = terminal(width=20, height=8)
    play(events(), console=console, fps=2, speed=2, sleep=lambda s: None)
    drawn = console.file.getvalue().count("▀")  # type: ignore[attr-defined]
    # 40 x 20 pixels into 20 x 12: 20 x 10, which are five lines; the player leaves the last picture there once more
    assert drawn == 20 * 5 * 2


def test_stopping_by_the_keyboard_is_no_error() -> None:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    assert play(events(), console=terminal(), fps=10, sleep=stop).pictures == 1


def test_what_cannot_be_played() -> None:
    with pytest.raises(EventError, match="the output is no terminal"):
        play(events(), console=Console(file=io.StringIO()))
    with pytest.raises(EventError, match="nothing to show"):
        play(CameraEvents.empty(W, H), console=terminal())
    with pytest.raises(EventError, match="colors: no such scheme"):
        play(events(), console=terminal(), colors="nice")


def test_a_size_that_is_asked_for_is_kept() -> None:
    console = terminal()
    play(events(), console=console, fps=2, speed=2, look=Look(size=(4, 2)), sleep=lambda s: None)
    assert console.file.getvalue().count("▀") == 4 * 2  # type: ignore[attr-defined]
    assert len(SCHEMES) >= 5
