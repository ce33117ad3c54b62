"""`spikewright events`: what each verb makes of small recordings, of pipes, of damage and of interruption."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from spikewright.cli.app import app
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.filters import background_activity, crop, remove_hot_pixels
from spikewright.events.formats import read, write

VERBS = ("info", "stats", "cut", "convert", "filter", "repair", "render", "play", "synth", "list")
N = 3000


@dataclass(frozen=True)
class Said:
    """What a call gave; `data` are the bytes of standard output."""

    status: int
    data: bytes
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.data)

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.data.decode()


def events(line: str, data: bytes = b"", *, env: dict[str, str] | None = None) -> Said:
    """Call `spikewright events` with words and bytes on standard input."""
    words = ["events", *line.split()] if line else []
    found = CliRunner().invoke(app, words, prog_name="spikewright", input=data, env=env)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Said(found.exit_code, found.stdout_bytes, found.stderr)


@pytest.fixture(scope="module")
def clip() -> CameraEvents:
    """Return events of 0.3 s, with times that no format of 24 bits holds, and a hot pixel."""
    draw = np.random.default_rng(3)
    t = 40_000_000 + np.sort(draw.integers(0, 300_000, N))
    x, y = draw.integers(0, 64, N), draw.integers(0, 48, N)
    x[::4], y[::4] = 7, 9
    return CameraEvents(t, x, y, draw.integers(0, 2, N), 64, 48)


@pytest.fixture
def here(clip: CameraEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with clip.raw (EVT2), cut.raw (the same, damaged) and beside.aedat4 (with triggers)."""
    monkeypatch.chdir(tmp_path)
    write("clip.raw", clip, format="evt2")
    Path("cut.raw").write_bytes(Path("clip.raw").read_bytes()[:-6])
    times = clip.t[[5, 2000]]
    triggers = Triggers(times, np.array([1, 1], np.uint8), np.array([1, 0], np.uint8))
    write("beside.aedat4", clip, extras=Extras(triggers))
    return tmp_path


# --- info ---------------------------------------------------------------------------------------------


def test_info(here: Path, clip: CameraEvents) -> None:
    found = events("info clip.raw --json --header")
    facts = found.json
    assert found.status == 0
    assert (facts["format"], facts["events"], facts["on"]) == ("evt2", N, int(clip.p.sum()))
    assert (facts["width"], facts["height"], facts["sound"]) == (64, 48, True)
    assert (facts["first"], facts["last"]) == (int(clip.t[0]), int(clip.t[-1]))
    assert any("64" in line for line in facts["header"])
    text = events("info clip.raw").out
    assert "EVT2" in text
    assert "64 x 48 pixels" in text
    assert f"{N:,}" in text


def test_info_counts_what_came_beside(here: Path) -> None:
    assert events("info beside.aedat4 --json").json["beside"] == {"triggers": 2}
    assert "2 triggers" in events("info beside.aedat4").out


def test_damage_is_told_with_its_place_and_the_status(here: Path) -> None:
    found = events("info cut.raw --json")
    (one,) = found.json["irregularities"]
    # the last whole word ends 2 bytes before the end
    assert (one["kind"], one["count"]) == ("truncated", 1)
    assert one["offset"] == Path("cut.raw").stat().st_size - 2
    assert (found.status, found.json["sound"]) == (1, False)
    assert f"first at byte {one['offset']}" in events("info cut.raw").out


@pytest.mark.parametrize("verb", ["info cut.raw", "convert cut.raw out.dat", "stats cut.raw"])
def test_strict_makes_damage_an_error(here: Path, verb: str) -> None:
    found = events(f"{verb} --strict")
    assert (found.status, found.data) == (2, b"")
    assert found.err.startswith("spikewright: cut.raw: 1 x the file ends inside a record")
    assert "read it without strict, or mend it" in found.err
    assert not Path("out.dat").exists()


@pytest.mark.parametrize("line", ["info none.raw", "info note.txt", "stats .", "info clip.raw --from es"])  # fmt: skip
def test_what_is_no_recording_is_one_line(here: Path, line: str) -> None:
    Path("note.txt").write_text("no recording\n" * 3)
    found = events(line)
    assert (found.status, found.data) == (2, b"")
    assert found.err.startswith("spikewright: ")
    assert len(found.err.splitlines()) == 1


def test_info_keeps_an_index(here: Path) -> None:
    assert events("info clip.raw --index").status == 0
    assert Path("clip.raw.evidx").is_file()
    assert "no such option; found index" in events("info beside.aedat4 --index").err
    assert events("convert clip.raw new.raw --to evt3 --write index=true").status == 0
    assert Path("new.raw.evidx").is_file()


# --- convert, cut, pipes ------------------------------------------------------------------------------


def test_convert_there_and_back(here: Path, clip: CameraEvents) -> None:
    before = Path("clip.raw").read_bytes()
    chain = ("clip.raw", "a.aedat4", "b.dat", "c.raw", "d.csv", "e.npz")
    for source, target in pairwise(chain):
        found = events(f"convert {source} {target}")
        assert (found.status, found.data) == (0, b"")
        assert f"{source} -> {target}: {N:,} events" in found.err
    assert read("e.npz", width=64, height=48).events.same_as(clip)
    assert Path("clip.raw").read_bytes() == before


def test_times_that_a_format_cannot_hold_can_be_moved(here: Path, clip: CameraEvents) -> None:
    write("unix.npz", clip.replace(t=clip.t + 10**15))
    assert "move the times" in events("convert unix.npz out.dat").err
    assert events("convert unix.npz out.dat --zero").status == 0
    assert np.array_equal(read("out.dat").events.t, clip.t - clip.t[0])


def test_convert_says_what_it_did_in_json(here: Path) -> None:
    found = events("convert clip.raw out.raw --to evt3 --json")
    assert (found.json["from"], found.json["to"], found.json["events"]) == ("evt2", "evt3", N)
    assert found.err == ""


def test_convert_keeps_what_can_be_read_and_says_what_is_missing(here: Path) -> None:
    found = events("convert cut.raw out.dat")
    assert found.status == 1
    assert "the file ends inside a record, first at byte" in found.err
    assert len(read("out.dat").events) == N - 1  # and the half of its time before it


def test_what_a_format_cannot_hold_is_an_error_or_counted(here: Path) -> None:
    found = events("convert beside.aedat4 out.csv")
    assert found.status == 2
    assert "cannot hold triggers; found 2" in found.err
    assert not Path("out.csv").exists()
    lossy = events("convert beside.aedat4 out.csv --lossy --json")
    assert (lossy.status, lossy.json["left_out"]) == (0, {"triggers": 2})
    alone = events("convert beside.aedat4 out.csv --events-only")
    assert (alone.status, "left out: 2 triggers" in alone.err) == (0, True)


def test_triggers_find_their_places_among_the_events(here: Path, clip: CameraEvents) -> None:
    for verb, rest in (("convert", ""), ("filter", "--with drop:chance=0,seed=1")):
        assert events(f"{verb} beside.aedat4 out.raw {rest}").status == 0
        found = read("out.raw")
        assert found.header.format == "evt3"
        assert found.extras.triggers is not None
        assert found.extras.triggers.t.tolist() == clip.t[[5, 2000]].tolist()
        assert found.events.same_as(clip)


def test_verbs_are_chained_through_pipes(here: Path, clip: CameraEvents) -> None:
    cut = events("cut clip.raw - --start 50ms --stop 0.2s")
    filtered = events("filter - - --with background_activity:within=5ms", cut.data)
    last = events("convert - out.dat", filtered.data)
    assert (cut.status, filtered.status, last.status) == (0, 0, 0)
    low, high = clip.t[0] + 50_000, clip.t[0] + 200_000
    expected = background_activity(clip[(clip.t >= low) & (clip.t < high)], within=5e-3)
    assert 0 < len(expected) < N
    assert read("out.dat").events.same_as(expected)
    # a pipe of ours has no index, which is no news
    assert (filtered.err, last.err.count("\n")) == ("", 1)


def test_a_pipe_keeps_what_came_beside_and_may_be_cut(here: Path, clip: CameraEvents) -> None:
    piped = events("convert beside.aedat4 -")
    assert events("info - --json", piped.data).json["beside"] == {"triggers": 2}
    cut = events("cut - half.aedat4 --start 100ms --zero", piped.data)
    assert cut.status == 0
    half = read("half.aedat4")
    start = clip.t[0] + 100_000
    assert np.array_equal(half.events.t, clip.t[clip.t >= start] - start)
    assert half.extras.triggers is not None
    assert half.extras.triggers.t.tolist() == [clip.t[2000] - start]


def test_any_format_may_be_piped_in(here: Path, clip: CameraEvents) -> None:
    found = events("convert - out.npz", Path("clip.raw").read_bytes())
    assert found.status == 0
    assert read("out.npz").events.same_as(clip)


def test_cut_by_the_clock_of_the_file(here: Path, clip: CameraEvents) -> None:
    events("cut clip.raw out.dat --clock recording --stop 40.1s")
    assert len(read("out.dat").events) == int((clip.t < 40_100_000).sum())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cut clip.raw out.dat", "cut: needs --start, --stop or both"),
        ("cut clip.raw out.dat --start later", "--start: is not a time; found 'later'"),
        ("cut clip.raw out.dat --start 2 --stop 1", "--stop: is not later than --start"),
        ("cut clip.raw out.dat --start 1 --clock wall", "--clock: is unknown"),
        ("convert clip.raw clip.raw", "would replace what is read"),
        ("convert clip.raw ./clip.raw", "would replace what is read"),
        ("convert clip.raw out.what", "its ending names no format"),
        ("convert clip.raw out.dat --read width", "--read: is not KEY=VALUE; found 'width'"),
        ("convert clip.raw out.dat --read format=es", "--read: format is no option of a format"),
        ("info beside.aedat4 --read packet_limit=large", "--read: a value does not fit"),
        ("info clip.raw --read width=wide", "width of no sensor; found wide"),
        ("convert clip.raw out.aedat4 --write compression=best", "compression"),
        ("convert clip.raw out.aedat4 --write pipe=1", "--write: pipe is no option of a format"),
        ("convert clip.raw out.dat --read colour=1", "has no such option; found colour"),
        ("convert clip.raw out.dat --write colour=1", "has no such option"),
        ("convert clip.raw - --to dat", "standard output: carries AEDAT 4 only; found dat"),
        ("convert clip.raw - --json", "cannot both go to standard output"),
        ("filter clip.raw out.dat", "filter: has nothing to do"),
        (
            "filter clip.raw out.dat --with stfc",
            "no filter is called 'stfc' — did you mean 'stcf'?",
        ),
        ("filter clip.raw out.dat --with stcf:least=2,least=3", "least is said twice"),
        ("filter clip.raw out.dat --with stcf:within=3V", "stcf.within: does not fit"),
        ("repair clip.raw -", "repair: writes files only"),
        ("repair clip.raw clip.raw", "would replace what is read"),
        ("render clip.raw out.dat", "makes no such thing of a recording"),
        ("render clip.raw", "makes no such thing of a recording"),
        ("play clip.raw", "play: needs a terminal"),
        ("synth box out.dat", "neither a file nor a scene; found 'box'"),
        ("synth bar:sped=3 out.dat", "scene bar: has no such parameter"),
        ("synth bar out.dat --size 3", "--size: is not a size"),
        ("synth bar out.dat --pixel best", "--pixel: is unknown"),
        ("synth bar out.dat --set shots=1", "--set: no such parameter; found shots"),
        ("synth bar out.dat --set shot=much", "--set shot: does not fit; found 'much'"),
        ("synth bar out.dat --duration 0", "synth: has no time"),
        ("stats clip.raw --hot most", "--hot: is no rule"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_no_file(
    here: Path, line: str, message: str
) -> None:
    before = sorted(here.iterdir())
    found = events(line)
    assert (found.status, found.data) == (2, b"")
    assert found.err.startswith("spikewright: ")
    assert message in found.err
    assert sorted(here.iterdir()) == before


def test_a_recording_is_never_sent_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from spikewright.cli.events import streams
    from spikewright.errors import UsageError

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr("sys.stdin", Terminal())
    with pytest.raises(UsageError, match="standard output: is a terminal"):
        streams.check_target(Path("-"))
    with (
        pytest.raises(UsageError, match="standard input: is a terminal"),
        streams.reading(Path("-")),
    ):
        pass


def test_an_interrupted_conversion_leaves_the_source_and_no_half_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spikewright.events.formats.dat import DatWriter

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    Path("out.dat").write_bytes(b"of before")
    contents = {path: path.read_bytes() for path in here.iterdir()}
    monkeypatch.setattr(DatWriter, "finish", stop)
    found = events("convert clip.raw out.dat")
    assert found.status == 130
    assert "interrupted" in found.err
    assert {path: path.read_bytes() for path in here.iterdir()} == contents


def test_a_reading_has_come_as_far_as_its_last_window(here: Path) -> None:
    from spikewright.cli.events.streams import pieces, reading

    with reading(Path("clip.raw")) as reader:
        size = reader.source.size
        assert sum(len(chunk) for _, chunk in pieces(reader)) == N
        assert reader.source.at > 0.9 * size


def test_a_polite_kill_is_an_interruption() -> None:
    from spikewright.cli.events.streams import ending_cleanly

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="ended by SIGTERM"), ending_cleanly():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_progress_on_a_terminal(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from spikewright.cli.events import meter as meters
    from spikewright.cli.events import streams

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(meters, "PATIENCE", 0.0)
    with meters.Meter("converting") as meter:
        meter.at(1234567, done=1, total=4)
        meter._bar.refresh()
    assert "converting" in screen.getvalue()
    assert "1,234,567 events" in screen.getvalue()
    screen.truncate(0)
    with streams.reading(Path("clip.raw")) as reader, meters.Meter("reading", reader) as meter:
        reader.source.at = reader.source.size // 2
        meter.at(5)
        meter._bar.refresh()
    assert "50%" in screen.getvalue()
    quiet = Terminal()
    monkeypatch.setattr("sys.stderr", quiet)
    with meters.Meter("converting", shown=False) as meter:
        meter.at(1)
    assert quiet.getvalue() == ""


# --- filter, stats, repair ----------------------------------------------------------------------------


def test_filters_in_order_and_one_that_looks_twice(here: Path, clip: CameraEvents) -> None:
    line = "filter - out.dat --with hot_pixels --with crop:x=0,y=0,width=32,height=40 --json"
    found = events(line, Path("clip.raw").read_bytes())
    expected = crop(remove_hot_pixels(clip), x=0, y=0, width=32, height=40)
    assert found.status == 0
    assert (found.json["read"], found.json["written"]) == (N, len(expected))
    assert read("out.dat").events.same_as(expected)


def test_what_came_beside_is_kept_unless_events_are_moved(here: Path) -> None:
    kept = events("filter beside.aedat4 out.aedat4 --with refractory")
    assert (kept.status, events("info out.aedat4 --json").json["beside"]) == (0, {"triggers": 2})
    moved = events("filter beside.aedat4 out.aedat4 --with flip")
    assert moved.status == 0
    assert "left out, because events were moved: 2 triggers" in moved.err
    assert events("info out.aedat4 --json").json["beside"] == {}


def test_stats(here: Path, clip: CameraEvents) -> None:
    found = events("stats clip.raw --json --bins 8 --gap 200us")
    facts = found.json
    assert found.status == 0
    assert (facts["events"], facts["on"]) == (N, int(clip.p.sum()))
    assert sum(facts["rate"]["counts"]) == N
    assert len(facts["rate"]["counts"]) <= 8
    assert facts["rate"]["mean"] == pytest.approx(N / ((clip.t[-1] - clip.t[0]) * 1e-6))
    assert facts["gaps"]["count"] == int((np.diff(clip.t) >= 200).sum())
    hot = int(((clip.x == 7) & (clip.y == 9)).sum())
    assert facts["pixels"]["hot"] == [{"x": 7, "y": 9, "events": hot}]
    assert sum(facts["intervals"]["counts"]) == N - facts["pixels"]["active"]
    part = events("stats clip.raw --json --start 100ms --stop 200ms").json
    inside = (clip.t >= clip.t[0] + 100_000) & (clip.t < clip.t[0] + 200_000)
    assert part["events"] == int(inside.sum())


def test_stats_in_words(here: Path) -> None:
    text = events("stats clip.raw").out
    for word in ("rate", "bandwidth", "silences", "intervals", "(7, 9)", "█"):
        assert word in text


def test_stats_of_nothing(here: Path) -> None:
    write("empty.dat", CameraEvents.empty(8, 8))
    assert events("stats empty.dat").status == 0
    assert events("stats empty.dat --json").json["events"] == 0
    assert events("info empty.dat --json").json["first"] is None


def test_repair(here: Path) -> None:
    found = events("repair cut.raw whole.raw --json")
    assert (found.status, found.json["irregularities"][0]["kind"]) == (0, "truncated")
    assert events("info whole.raw --json").json["sound"] is True
    assert events("info whole.raw --json").json["format"] == "evt2"
    again = events("repair clip.raw same.raw")
    assert "it was sound" in again.err
    piped = events("repair - third.dat", Path("cut.raw").read_bytes())
    assert (piped.status, "mended" in piped.err) == (0, True)


# --- pictures -----------------------------------------------------------------------------------------


def test_render_a_recording(here: Path) -> None:
    from PIL import Image

    found = events("render clip.raw one.png --scale 2 --json")
    assert (found.status, found.json["events"], found.json["pictures"]) == (0, N, 1)
    with Image.open("one.png") as image:
        assert image.size == (128, 96)
    film = events("render clip.raw film.gif --fps 20 --stop 200ms --colors light", b"")
    assert film.status == 0
    assert "4 pictures" in film.err
    with Image.open("film.gif") as image:
        assert getattr(image, "n_frames", 1) == 4


def test_render_an_edit(here: Path, clip: CameraEvents) -> None:
    from PIL import Image

    text = 'input = "clip.raw"\noutput = "out.dat"\ncuts = [["0 s", "0.1 s"]]\nclock = "start"\n'
    Path("edit.toml").write_text(text + '[[filter]]\nname = "hot_pixels"\n')
    found = events("render edit.toml --json")
    first = clip[clip.t < clip.t[0] + 100_000]
    expected = remove_hot_pixels(first)
    assert (found.status, found.json["read"], found.json["events"]) == (
        0,
        len(first),
        len(expected),
    )
    assert found.json["masked"] == [[7, 9]]
    assert read("out.dat").events.same_as(expected)
    picture = events("render edit.toml edited.png")
    assert picture.status == 0
    with Image.open("edited.png") as image:
        assert image.size == (64, 48)
    assert not list(here.glob(".edit-*"))
    Path("edit.toml").write_text(text.replace("clip", "cut").replace("0.1 s", "1 s"))
    assert "the file ends inside a record" in events("render edit.toml again.dat").err


def test_terminal_pictures() -> None:
    play = import_module("spikewright.cli.events.play")  # its name is that of the verb too
    from spikewright.events.render.colors import SCHEMES

    assert play.fitting(346, 260, 80, 25) == (63, 48)
    assert play.fitting(64, 8, 32, 50) == (32, 4)
    index = np.array([[127, 254], [0, 254]], np.uint8)
    (line,) = play.lines(index, SCHEMES["grey"].palette())
    assert line == (
        "\x1b[38;2;127;127;127;48;2;0;0;0m▀\x1b[38;2;255;255;255;48;2;255;255;255m▀\x1b[0m"
    )


def test_a_late_film_skips_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    play = import_module("spikewright.cli.events.play")  # its name is that of the verb too

    clock = [0.0]
    monkeypatch.setattr(play.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(play.time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    shown = []
    for k in play.on_time(iter(range(6)), 1.0):
        shown.append(k)
        clock[0] += 3.5 if k == 1 else 0.0  # drawing this one takes long
    assert shown == [0, 1, 4, 5]

    def slow() -> Iterator[int]:
        for k in range(4):
            clock[0] += 3.0
            yield k

    assert list(play.on_time(slow(), 1.0)) == [0, 1, 2, 3]


def test_play_on_a_terminal(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("spikewright.cli.events.play")
    said: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(module, "sys", type("sys", (), {"stdout": Terminal()}))
    monkeypatch.setattr(module.os, "get_terminal_size", lambda: (32, 13))
    monkeypatch.setattr(module.typer, "echo", lambda text, nl=True: said.append(text))
    module.play(
        Path("clip.raw"), speed=1000.0, fps=20.0, colors="dark", decay=None, start=None,
        stop=None, clock="start", from_=None, read=None, strict=False,
    )  # fmt: skip
    assert said[0] == "\x1b[?25l\x1b[2J"
    assert said[1].count("▀") == 32 * 12
    assert f"{N:,} events" in said[1]
    assert said[-1] == "\x1b[0m\x1b[?25h"


# --- synth --------------------------------------------------------------------------------------------


def test_synth_a_scene(here: Path) -> None:
    from spikewright.events.synthesis import PRESETS, MovingBar, scene_events

    line = "synth bar:speed=400 out.dat --size 24x8 --duration 30ms --pixel ideal --set refractory=1e-3"
    found = events(line + " --json --seed 5")
    model = replace(PRESETS["ideal"], refractory=1e-3)
    expected = scene_events(MovingBar(width=24, height=8, speed=400), 0.03, model=model, seed=5)
    assert (found.status, found.json["events"]) == (0, len(expected))
    assert read("out.dat").events.same_as(expected)
    piped = events("synth disc - --size 24x16 --duration 20ms --fps 200")
    assert events("info - --json", piped.data).json["width"] == 24


def test_synth_a_video(here: Path, shared: Path) -> None:
    from spikewright.events.synthesis import read_video

    av = pytest.importorskip("av")
    video = shared / "data" / "video" / "bikes.mp4"
    with av.open("short.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for k, (_, grey) in enumerate(read_video(video, size=(64, 32))):
            if k == 4:
                break
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = events("synth short.mp4 out.aedat4 --size 32x16 --json")
    assert (found.status, found.json["width"], found.json["height"]) == (0, 32, 16)
    assert found.json["events"] == len(read("out.aedat4").events) > 0


# --- help, lists, the Tab key -------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_says_its_statuses(verb: str) -> None:
    found = events(f"{verb} --help")
    assert found.status == 0
    assert "Exit status" in found.out
    assert ("--json" in found.out) == (verb != "play")


def test_the_help_names_the_format_of_pipes() -> None:
    text = " ".join(events("--help").out.split())
    assert "writes standard output, as AEDAT 4" in text
    assert all(verb in text for verb in VERBS)


def test_lists() -> None:
    found = events("list --json").json
    names = {kind: [line["name"] for line in lines] for kind, lines in found.items()}
    assert {"evt2", "evt3", "aedat4", "dat", "es"} <= set(names["formats"])
    assert "bar" in names["scenes"]
    assert "ideal" in names["presets"]
    assert "dark" in names["colors"]
    stcf = next(line for line in found["filters"] if line["name"] == "stcf")
    assert stcf["parameters"] == "within=25ms, least=2, same_polarity=true, own=true"
    assert "stcf" in events("list filters").out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("convert a b --to evt2", ["evt2", "evt21"]),
        ("convert a b --from aedat4", ["aedat4"]),
        ("filter a b --with stc", ["stcf"]),
        ("filter a b --with stcf:wi", ["stcf:within="]),
        ("filter a b --with stcf:within=3ms,le", ["stcf:within=3ms,least="]),
        ("synth dis", ["disc"]),
        ("synth bar b --pixel id", ["ideal"]),
        ("render a b --colors li", ["light"]),
        ("rep", ["repair"]),
    ],
)
def test_the_tab_key(typed: str, offered: list[str]) -> None:
    words = f"spikewright events {typed}"
    env = {
        "_SPIKEWRIGHT_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": words,
    }
    found = events("", env=env)
    assert [line.split("\t")[0] for line in found.out.splitlines()] == offered


def test_values_on_the_command_line() -> None:
    from spikewright.cli.events.options import called, pairs

    assert called("stcf", "--with") == ("stcf", {})
    name, values = called("a:x=3,y=2.5,z=25 ms,own=true,drop=[[1,2],[3,4]],s='a,b',e=", "--with")
    assert name == "a"
    assert values == {
        "x": 3, "y": 2.5, "z": "25 ms", "own": True, "drop": [[1, 2], [3, 4]], "s": "a,b", "e": "",
    }  # fmt: skip
    # a date of TOML is no value of ours
    assert pairs(["day=1979-05-27"], "--read") == {"day": "1979-05-27"}
