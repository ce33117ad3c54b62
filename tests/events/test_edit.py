from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError, FormatError
from spikewright.events import formats
from spikewright.events.camera import CameraEvents
from spikewright.events.edit import Clock, Edit, Join, Step, render
from spikewright.events.filters import (
    Crop,
    HotPixels,
    Mask,
    Refractory,
    Reverse,
    Rotate,
    SpatioTemporal,
    merge,
    refractory,
    remove_hot_pixels,
    rotate,
    stcf,
)

TEXT = """
input = "walk.npz"
output = "clean.npz"

[[filter]]
name = "hot_pixels"

[[filter]]
name = "refractory"
period = "2 ms"
enabled = false

[[filter]]
name = "stcf"
within = "10 ms"

[[filter]]
name = "rotate"
"""


def recording(seed: int, start: int = 5_000_000) -> CameraEvents:
    g = np.random.default_rng(seed)
    x = np.concatenate([g.integers(0, 24, 3000), np.full(300, 7)])
    y = np.concatenate([g.integers(0, 16, 3000), np.full(300, 3)])
    t = start + np.sort(g.integers(0, 2_000_000, x.size))
    return CameraEvents(t, x, y, g.integers(0, 2, x.size), 24, 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    formats.write(tmp_path / "walk.npz", recording(1))
    formats.write(tmp_path / "other.npz", recording(2))
    (tmp_path / "edit.toml").write_text(TEXT, encoding="utf-8")
    return tmp_path


def written(path: Path) -> CameraEvents:
    return formats.read(path).events


def test_an_edit_is_its_filters_in_order_and_leaves_the_recording(folder: Path) -> None:
    before = (folder / "walk.npz").read_bytes()
    told: list[tuple[int, int, int]] = []
    done = render(folder / "edit.toml", progress=lambda *numbers: told.append(numbers), size=500)
    want = rotate(stcf(remove_hot_pixels(recording(1)), within=10e-3))
    assert written(folder / "clean.npz").same_as(want)
    assert (folder / "walk.npz").read_bytes() == before
    assert done.output == folder / "clean.npz"
    assert (done.read, done.written) == (3300, len(want))
    assert (7, 3) in done.masked
    assert len(told) >= 7
    assert [n for n, _, _ in told] == sorted(n for n, _, _ in told)
    assert told[-1][:2] == (3300, len(want))


def test_cuts_keep_times_or_close_the_gaps(folder: Path) -> None:
    events = recording(1)
    a = events[(events.t >= 5_200_000) & (events.t < 5_500_000)]
    b = events[(events.t >= 6_000_000) & (events.t < 6_250_000)]
    cuts = ((5.2, 5.5), (6.0, 6.25))
    edit = Edit(folder / "walk.npz", folder / "out.npz", cuts=cuts)
    render(edit)
    assert written(folder / "out.npz").t.tolist() == [*a.t, *b.t]
    render(replace(edit, join=Join.CLOSE))
    want = [*(a.t - 5_200_000), *(b.t - 6_000_000 + 300_000)]
    assert written(folder / "out.npz").t.tolist() == want
    # closed, they may stand in any order
    render(replace(edit, cuts=cuts[::-1], join=Join.CLOSE))
    want = [*(b.t - 6_000_000), *(a.t - 5_200_000 + 250_000)]
    assert written(folder / "out.npz").t.tolist() == want


def test_cuts_that_count_from_the_first_event(folder: Path) -> None:
    events = recording(1)
    first = int(events.t[0])
    edit = Edit(folder / "walk.npz", folder / "out.npz", cuts=((0.0, 0.1),), clock=Clock.START)
    render(edit)
    assert written(folder / "out.npz").same_as(events[events.t < first + 100_000])
    render(replace(edit, cuts=((1.5, float("inf")),)))
    assert written(folder / "out.npz").same_as(events[events.t >= first + 1_500_000])


def test_recordings_are_merged_by_time(folder: Path) -> None:
    edit = Edit(
        folder / "walk.npz",
        folder / "out.npz",
        merge=(folder / "other.npz",),
        cuts=((5.5, 6.5),),
        steps=(Step(Refractory()),),
    )
    render(edit, size=100)
    both = merge(recording(1), recording(2))
    inside = both[(both.t >= 5_500_000) & (both.t < 6_500_000)]
    assert written(folder / "out.npz").same_as(refractory(inside))


def test_filters_that_hold_events_give_them_at_the_end(folder: Path) -> None:
    edit = Edit(folder / "walk.npz", folder / "out.npz", steps=(Step(Reverse()), Step(Rotate())))
    render(edit, size=700)
    assert written(folder / "out.npz").same_as(rotate(Reverse()(recording(1))))


def test_another_format_by_its_name_or_by_an_option(folder: Path) -> None:
    render(Edit(folder / "walk.npz"), output=folder / "out.csv")
    assert (folder / "out.csv").read_bytes().startswith(b"t,x,y,p\n")
    edit = Edit(folder / "walk.npz", folder / "out.data", write={"format": "csv"})
    render(edit)
    assert (folder / "out.data").read_bytes() == (folder / "out.csv").read_bytes()
    render(replace(edit, input=folder / "out.data", read={"width": 24, "height": 16},
                   output=folder / "back.npz", write={}))  # fmt: skip
    assert written(folder / "back.npz").same_as(recording(1))


def test_nothing_is_left_of_a_rendering_that_fails(folder: Path) -> None:
    names = {each.name for each in folder.iterdir()}

    def stop(read: int, written: int, t: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(folder / "edit.toml", progress=stop, size=100)
    with pytest.raises(EventError, match="the rectangle leaves the sensor"):
        render(Edit(folder / "walk.npz", folder / "out.npz", steps=(Step(Crop(20, 0, 9, 9)),)))
    assert {each.name for each in folder.iterdir()} == names


def test_what_cannot_be_rendered(folder: Path) -> None:
    with pytest.raises(EventError, match="edit: has no output"):
        render(Edit(folder / "walk.npz"))
    with pytest.raises(EventError, match="would replace what it reads"):
        render(Edit(folder / "walk.npz"), output=folder / "." / "walk.npz")
    with pytest.raises(FormatError):
        render(Edit(folder / "missing.npz", folder / "out.npz"))
    formats.write(folder / "small.npz", CameraEvents([1], [0], [0], [0], 3, 3))
    edit = Edit(folder / "walk.npz", folder / "out.npz", merge=(folder / "small.npz",))
    with pytest.raises(EventError, match="not events of one sensor"):
        render(edit)


def test_edits_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    made = Edit(
        Path('a "quoted" \\ name\n.raw'),
        Path("out.aedat4"),
        cuts=((0.25, 1.5), (2.0, float("inf"))),
        clock=Clock.START,
        steps=(
            Step(HotPixels()),
            Step(SpatioTemporal(within=12.5e-3, least=3), enabled=False),
            Step(Mask(drop=((1, 2), (3, 4)))),
        ),
        merge=(Path("b.raw"),),
        read={"format": "evt3", "width": 640, "strict": True},
        write={"compression": "zstd"},
    )
    assert Edit.parse(made.dump()) == made
    made.save(tmp_path / "edit.toml")
    loaded = Edit.load(tmp_path / "edit.toml")
    assert loaded.input == tmp_path / made.input
    assert loaded.steps == made.steps
    assert Edit.parse(Edit(Path("a.raw")).dump()) == Edit(Path("a.raw"))


def test_names_are_relative_to_the_edit_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(folder / "kept.npy", np.ones((16, 24), bool))
    (folder / "mask.toml").write_text(
        'input = "walk.npz"\noutput = "out.npz"\n[[filter]]\nname = "mask"\nfile = "kept.npy"\n'
    )
    monkeypatch.chdir("/")
    render(folder / "mask.toml")
    assert written(folder / "out.npz").same_as(recording(1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input = ", "is not TOML"),
        ("", "edit: input: is not the name of a file; found None"),
        ('input = "a"\nfilters = []', "has no entry 'filters' — did you mean 'filter'?"),
        ('input = "a"\n[[filter]]\nname = "sctf"', "filter[0]: no filter is called 'sctf' — did you mean 'stcf'?"),
        ('input = "a"\n[[filter]]\nwithin = 3', "filter[0]: has no name"),
        ('input = "a"\n[[filter]]\nname = "stcf"\nwithn = 3', "no parameter 'withn' — did you mean 'within'?"),
        ('input = "a"\n[[filter]]\nname = "stcf"\nenabled = 3', "filter[0].enabled: is not true or false"),
        ('input = "a"\nfilter = "stcf"', "filter: is not a list of tables; found 'stcf', expected [[filter]]"),
        ('input = "a"\ncuts = 3', "cuts: is not a list"),
        ('input = "a"\ncuts = [[1]]', "cuts[0]: is not a stretch of time; found [1]"),
        ('input = "a"\ncuts = [["1 s", "3 mV"]]', "cuts[0]: is not a stretch of time"),
        ('input = "a"\ncuts = [["3 s", "1 s"]]', "cuts[0]: is not a stretch of time; found 3.0 s to 1.0 s"),
        ('input = "a"\ncuts = [[0, nan]]', "cuts[0]: is not a stretch of time"),
        ('input = "a"\ncuts = [[0, 2], [1, 3]]', "cuts[1]: begins before the one before it ends"),
        ('input = "a"\njoin = "close"\ncuts = [[0, inf], [1, 3]]', "cuts[0]: has an open end, and another"),
        ('input = "a"\njoin = "close"\ncuts = [[-inf, 2]]', "cuts[0]: has an open start"),
        ('input = "a"\njoin = "glue"', "join: is not one of its options; found 'glue', expected 'keep' or 'close'"),
        ('input = "a"\nclock = 5', "clock: is not one of its options"),
        ('input = "a"\nmerge = "b"', "merge: is not a list of names of files"),
        ('input = "a"\nread = 5', "read: is not a table"),
    ],
)  # fmt: skip
def test_edits_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(EventError) as caught:
        Edit.parse(text)
    assert message in str(caught.value)


def test_every_problem_of_an_edit_is_told_at_once() -> None:
    with pytest.raises(EventError, match="4 problems"):
        Edit.parse('cuts = 3\njoin = 1\n[[filter]]\nname = "zzz"\n')


def test_files_that_are_no_edits(tmp_path: Path) -> None:
    with pytest.raises(EventError, match="cannot be read"):
        Edit.load(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EventError, match="cannot be read"):
        Edit.load(tmp_path / "binary.toml")
    with open(tmp_path / "huge.toml", "wb") as file:
        file.truncate(2**30)
    with pytest.raises(EventError, match="is too long for an edit file"):
        Edit.load(tmp_path / "huge.toml")


def test_options_that_toml_cannot_hold() -> None:
    with pytest.raises(EventError, match="a value that TOML cannot write; found object"):
        Edit(Path("a"), read={"x": object()}).dump()
