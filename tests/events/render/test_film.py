from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spikewright.errors import EventError, FormatError, MissingExtra
from spikewright.events.camera import CameraEvents
from spikewright.events.render import SCHEMES, Look, Rendered, picture, pictures, render

W, H = 31, 22  # odd width: codecs want even ones


def moving(n: int = 4000, *, begin: int = 0) -> CameraEvents:
    """Return events of an edge that moves to the right within 100 ms."""
    draws = np.random.default_rng(1)
    t = np.sort(draws.integers(begin, begin + 100_000, n))
    x = ((t - begin) * W // 100_000).astype(np.uint16)
    y = draws.integers(0, H, n).astype(np.uint16)
    return CameraEvents(t, x, y, (y % 2).astype(np.uint8), W, H)


def test_a_png_shows_the_picture(tmp_path: Path) -> None:
    events = moving()
    told: list[tuple[int, int | None]] = []
    done = render(
        events,
        tmp_path / "a.png",
        scale=2,
        colors="fire",
        progress=lambda k, n: told.append((k, n)),
    )
    assert done == Rendered(1, 4000, 0)
    assert told == [(1, 1)]
    with Image.open(tmp_path / "a.png") as image:
        rgb = np.asarray(image.convert("RGB"))
    assert np.array_equal(rgb[::2, ::2], SCHEMES["fire"].palette()[picture(events).index])
    assert np.array_equal(rgb[::2, ::2], rgb[1::2, 1::2])


def test_a_gif_shows_the_pictures_in_their_time(tmp_path: Path) -> None:
    events = moving()
    told: list[tuple[int, int | None]] = []
    done = render(
        events, tmp_path / "a.gif", fps=30, speed=0.1, colors="light",
        progress=lambda k, n: told.append((k, n)),
    )  # fmt: skip
    film = list(pictures(events, fps=30, speed=0.1))
    assert done == Rendered(len(film), 4000, 0)
    assert told == [(k + 1, len(film)) for k in range(len(film))]
    palette = SCHEMES["light"].palette()
    duration = 0
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == len(film)
        assert image.info["loop"] == 0
        for k, one in enumerate(film):
            image.seek(k)
            duration += image.info["duration"]
            assert np.array_equal(np.asarray(image.convert("RGB")), palette[one.index])
    assert duration == pytest.approx(1000 * len(film) / 30, abs=10)


def test_an_mp4_shows_the_pictures_in_their_time(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    events = moving()
    done = render(events, tmp_path / "a.mp4", fps=25, speed=0.2, scale=4, look=Look(window=0.02))
    film = list(pictures(events, fps=25, speed=0.2, look=Look(window=0.02)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 25
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert done.pictures == len(film) == len(frames)
    palette = SCHEMES["dark"].palette().astype(int)
    for one, frame in zip(film, frames, strict=True):
        assert frame.shape == (4 * H, 4 * W, 3)
        # in the middle of each block, where the coarser color planes have no neighbors in them
        error = np.abs(frame[1::4, 1::4].astype(int) - palette[one.index])
        assert error.mean() < 6


def test_an_mp4_of_odd_size_is_filled_up(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    render(moving(), tmp_path / "a.mp4", fps=25, speed=0.5)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (32, 22)


def test_a_long_film_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    def recording(parts: int) -> Iterator[CameraEvents]:
        for k in range(parts):
            yield moving(1000, begin=k * 100_000)

    peaks = []
    for parts in (2, 2, 20):  # the first one loads what is loaded once
        tracemalloc.start()
        render(recording(parts), tmp_path / "a.gif", fps=40, scale=8)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # all 80 pictures together are 3.5 MB
    assert peaks[2] < peaks[1] + 500_000


def test_nothing_is_left_of_a_film_that_failed(tmp_path: Path) -> None:
    def broken() -> Iterator[CameraEvents]:
        yield moving()
        raise RuntimeError("the cable is gone")

    for name in ("a.gif", "a.png"):
        with pytest.raises(RuntimeError, match="the cable is gone"):
            render(broken(), tmp_path / name)
    with pytest.raises(EventError, match="nothing to show"):
        render(CameraEvents.empty(W, H), tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_jump_in_time_does_not_fill_the_disk(tmp_path: Path) -> None:
    events = CameraEvents([0, 10**14], [0, 0], [0, 0], [1, 1], W, H)
    with pytest.raises(
        EventError, match=r"the film is too long; found .*, expected at most 100000"
    ):
        render(events, tmp_path / "a.gif")
    with pytest.raises(EventError, match="the film is too long; found more"):
        render([events[:1], events[1:]], tmp_path / "a.gif", longest=100)
    assert list(tmp_path.iterdir()) == []


def test_names_and_numbers_that_make_no_film(tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match=r"a.txt: is no film; found '.txt', expected .mp4, .gif, .png"
    ):
        render(moving(), tmp_path / "a.txt")
    with pytest.raises(
        EventError, match="colors: no such scheme; found 'nice', expected dark, light"
    ):
        render(moving(), tmp_path / "a.png", colors="nice")
    with pytest.raises(EventError, match="scale: is out of range; found 0"):
        render(moving(), tmp_path / "a.png", scale=0)
    with pytest.raises(EventError, match="too many pictures per second for a gif; found 60"):
        render(moving(), tmp_path / "a.gif", fps=60)


def test_without_pyav(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(
        MissingExtra, match=r"films in mp4 needs PyAV — pip install 'spikewright\[video\]'"
    ):
        render(moving(), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
