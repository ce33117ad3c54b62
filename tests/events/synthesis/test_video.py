from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError, MissingExtra
from spikewright.events.camera import concatenate
from spikewright.events.synthesis import IDEAL, read_video, synthesize, video_events

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames of 64 x 48 that grow brighter, at 20 per second, without loss."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for k in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 20 + 20 * k, np.uint8), "gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_frames_and_times(film: Path) -> None:
    frames = list(read_video(film))
    assert [t for t, _ in frames] == pytest.approx(np.arange(10) / 20, abs=1e-3)
    for k, (_, frame) in enumerate(frames):
        assert frame.shape == (48, 64)
        assert (frame == 20 + 20 * k).all()
    assert next(read_video(film, size=(16, 12)))[1].shape == (12, 16)


def test_the_events_of_a_film_are_those_of_its_frames(film: Path) -> None:
    told: list[tuple[int, int | None]] = []
    parts = video_events(
        film, size=(16, 12), model=IDEAL, seed=0, progress=lambda k, n: told.append((k, n))
    )
    events = concatenate(list(parts))
    frames = list(read_video(film, size=(16, 12)))
    wanted = synthesize([f for _, f in frames], times=[t for t, _ in frames], model=IDEAL, seed=0)
    assert events.same_as(wanted)
    assert events.n == 192 * int(np.log(200 / 20) / 0.2)
    assert [k for k, _ in told] == list(range(1, 11))


def test_real_video(shared: Path) -> None:
    frames = list(read_video(shared / "data" / "video" / "bikes.mp4", size=(86, 65)))
    assert len(frames) == 250
    assert frames[-1][0] == pytest.approx(249 / 25)
    events = synthesize([f for _, f in frames[:20]], fps=25, seed=0)
    assert events.n > 5_000
    assert (np.diff(events.t) >= 0).all()


def test_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"nothing.mp4: cannot be read as a video"):
        next(read_video(tmp_path / "nothing.mp4"))
    text = tmp_path / "text.mp4"
    text.write_text("not a film" * 100)
    with pytest.raises(FormatError, match=r"text.mp4: cannot be read as a video"):
        next(read_video(text))
    with pytest.raises(EventError, match="size: is no size"):
        next(video_events(text, size=(0, 3), seed=0))


def test_a_film_that_is_cut_gives_what_it_has_or_says_so(film: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    data = film.read_bytes()
    for size in range(0, len(data), max(1, len(data) // 23)):
        cut.write_bytes(data[:size])
        with contextlib.suppress(FormatError):
            assert len(list(read_video(cut))) <= 10


def test_without_pyav(monkeypatch: pytest.MonkeyPatch, film: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(
        MissingExtra, match=r"video files needs PyAV — pip install 'spikewright\[video\]'"
    ):
        next(read_video(film))
