"""Lines of text: exact decimals, what is guessed from the first lines, and lines that are no events."""

import io
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents
from spikewright.events.formats import detect, open_recording, read, write
from spikewright.events.formats import text as text_module
from spikewright.events.formats import text_codec as codec
from spikewright.events.formats.text_sniff import sniff
from spikewright.events.irregular import Kind

EVENTS = CameraEvents(
    [-1_500_000, 0, 7, 7, 3_811, 2**53 + 1], [0, 5, 9, 9, 639, 2], [3, 479, 0, 1, 2, 3], [0, 1, 1, 0, 1, 1], 640, 480
)  # fmt: skip


def lines(text):
    """Return t, x, y, p of text, in the order in which they were guessed."""
    events = read(text.encode()).events
    return [getattr(events, name).tolist() for name in "txyp"]


def notes(text):
    return "; ".join(read(text.encode()).header.notes)


@given(
    st.decimals(-(10**9), 10**9, allow_nan=False, places=12),
    st.sampled_from(["f", ".3e", ".18e"]),
    st.sampled_from([6, 3, 0, -3]),
)
def test_decimals_are_exact(value, form, power):
    written = format(value, form)
    wanted = (
        Decimal(written) * 10**power if power >= 0 else Decimal(written) / 1000
    ).to_integral_value(ROUND_HALF_UP)
    data = np.frombuffer(f"{written} 1 2 1\n".encode(), np.uint8)
    t, x, y, p = (np.zeros(1, d) for d in (np.int64, np.uint16, np.uint16, np.uint8))
    said = np.zeros(7, np.int64)
    codec.parse(data, np.array([1, 2, 3, 4], np.uint8), 32, power, t, x, y, p, said)
    assert said[codec.READ] == 1
    # eighteen digits are kept: a number with more of them may end in other microseconds' fractions
    assert abs(int(t[0]) - int(wanted)) <= (1 if len(written.strip("-0.").replace(".", "")) > 18 else 0)  # fmt: skip


@pytest.mark.parametrize("form", ["text", "csv"])
def test_written_lines_come_back(tmp_path, form):
    path = tmp_path / "a.txt"
    write(path, (EVENTS[at : at + 2] for at in (0, 2, 4)), format=form)
    assert detect(path).name == form
    assert read(path).events.same_as(EVENTS)
    with open_recording(path) as reader:
        assert reader.read(start=0, stop=8).t.tolist() == [0, 7, 7]
    wanted = {"text": b"-1.500000 0 3 0\n0.000000 5 479 1\n", "csv": b"t,x,y,p\n-1500000,0,3,0\n"}
    assert path.read_bytes().startswith(wanted[form])


def test_no_events(tmp_path):
    for form in ("text", "csv"):
        write(tmp_path / "a", CameraEvents.empty(4, 4), format=form)
        assert read(tmp_path / "a", format=form).events.n == 0


def test_the_writer_refuses_what_has_no_columns(tmp_path):
    with pytest.raises(FormatError, match="a time does not fit"):
        write(tmp_path / "a.csv", CameraEvents([-(2**63)], [0], [0], [0], 1, 1))
    assert list(tmp_path.iterdir()) == []


ROWS = [(0.5, 10, 20, 1), (0.75, 300, 2, 0), (1.0, 11, 21, 1)]
WANTED = [[500_000, 750_000, 1_000_000], [10, 300, 11], [20, 2, 21], [1, 0, 1]]


@pytest.mark.parametrize("delimiter", [" ", ",", ";", "\t", ", ", "   "])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 2, 0, 3), (1, 2, 3, 0), (3, 0, 1, 2)])
def test_order_and_delimiter_are_told_by_values(delimiter, order):
    text = "\n".join(
        delimiter.join(f"{row[k]:g}" if k else f"{row[k]:.6f}" for k in order) for row in ROWS
    )
    assert lines(text + "\n") == WANTED
    names = " ".join("txyp"[k] for k in order)
    assert f"columns {names}, by their values" in notes(text)
    assert "times in s, by their decimal point" in notes(text)


@pytest.mark.parametrize(
    ("head", "row", "said"),
    [
        ("x,y,polarity,timestamp_us", "{x},{y},{p},{us}", "times in us, by their name"),
        ("timestamp;x;y;polarity", "{us};{x};{y};{p}", "times in us: whole numbers"),
        ("id,p,y,x,t [ms],z", "7,{p},{y},{x},{ms},9", "times in ms, by their name"),
        ("t_ns,x,y,p", "{us}000,{x},{y},{p}", "times in ns, by their name"),
        ("# time x_pos y_pos is_on", "{s} {x} {y} {p}", "times in s, by their decimal point"),
        ("t(s) x y p", "{s} {x} {y} {p}", "times in s, by their name"),
        ('"t","x","y","p"', "{us},{x},{y},{p}", "times in us: whole numbers"),
    ],
)
def test_names_of_columns(head, row, said):
    body = "".join(
        row.format(us=int(t * 1e6), ms=t * 1e3, s=t, x=x, y=y, p=p) + "\n" for t, x, y, p in ROWS
    )
    assert lines(f"{head}\n{body}") == WANTED
    assert said in notes(f"{head}\n{body}")


@pytest.mark.parametrize(
    ("on", "off"), [("1", "0"), ("1", "-1"), ("True", "False"), ("1.0", "0.0"), ("+1", "-1.0")]
)
def test_codes_of_polarities(on, off):
    text = f"10,1,2,{on}\n11,3,4,{off}\n12,4,4,{on}\n"
    assert lines(text)[3] == [1, 0, 1]
    written = ", ".join(sorted((on.lower(), off.lower())))
    assert f"polarities written as {written}" in notes(text)


def test_units_by_size():
    assert lines("1504645177420000123 1 2 1\n1504645177420001000 1 2 0\n")[0] == [
        1504645177420000,
        1504645177420001,
    ]
    assert lines("5000.0 1 2 1\n6000.0 1 2 0\n")[0] == [5000, 6000]  # floats of microseconds
    assert lines("5000.5 1 2 1\n6000.0 1 2 0\n")[0] == [5_000_500_000, 6_000_000_000]


def test_the_caller_knows_better():
    text = b"0 3 1 1\n1 4 0 1\n"
    events = read(text, format="text", columns="xpyt", unit="ms").events
    assert (events.x.tolist(), events.p.tolist(), events.t.tolist()) == ([0, 1], [1, 1], [1000, 1000])  # fmt: skip
    events = read(b"a,1.5,7,8,1\nb,2,7,8,0\n", format="csv", columns="_txyp", unit="s").events
    assert events.t.tolist() == [1_500_000, 2_000_000]
    for options, said in (
        ({"columns": "txy"}, "columns name not each of t, x, y and p once"),
        ({"unit": "min"}, "no unit of time; found min"),
        ({"delimiter": "x"}, "no delimiter"),
        ({"order": "txyp"}, "no such option; found order"),
    ):
        with pytest.raises(FormatError, match=said):
            read(text, format="text", **options)


def test_a_first_line_with_the_size():
    loaded = read(b"240 180\n0.5 1 2 1\n0.75 3 4 0\n")
    assert (loaded.header.width, loaded.header.height) == (240, 180)
    assert loaded.header.lines == ("240 180",)


@pytest.mark.parametrize(
    "text",
    [
        "0.1 0.5 0.5 0.5 0 0 0 1\n0.2 0.5 0.5 0.5 0 0 0 1\n",  # poses
        "0.000000000 images/frame_00000000.png\n",
        "335.4 335.3 129.9 99.1 -0.1 0.09 -0.0003 0.0001 0.0\n",
        '{"a": 1}\n',
        "1 2 3\n4 5 6\n",
        "hello\n",
        "1,2,3,4\n2,3,4,5\n",  # nothing that could be a polarity
        "#!AER-DAT3.1\r\n#Format: RAW\r\n",
        "0.5 1 2 1\0\n",
    ],
)
def test_other_texts_are_not_taken_for_events(text):
    assert sniff(text.encode(), {}) is None
    with pytest.raises(FormatError, match="cannot tell what its columns are"):
        read(text.encode(), format="text")


def test_lines_that_are_no_events_are_counted():
    good = "".join(f"{k},{k % 7},{k % 5},{k % 2}\n" for k in range(100))
    bad = "5,5\n# a remark\n\n6,x,1,1\n7,1,1,1z\n8,70000,1,1\n9,-3,1,1\n"
    text = (good + bad + good).encode()
    loaded = read(text)
    assert loaded.events.n == 200
    found = {one.kind: one for one in loaded.irregularities}
    assert found[Kind.BAD_WORD].count == 3
    assert found[Kind.BAD_WORD].offset == len(good)
    assert "'5,5'" in found[Kind.BAD_WORD].note
    assert found[Kind.DROPPED].count == 2
    assert found[Kind.DROPPED].offset == text.index(b"8,70000")
    assert found[Kind.BACKWARDS].count == 1
    with pytest.raises(EventError, match="a word that the format does not know"):
        read(text, strict=True)


def test_a_damaged_byte_costs_one_line():
    lines_of = [b"%d,%d,2,%d\n" % (k, k % 9, k % 2) for k in range(100)]
    for byte in (b"\xff", b"\0", b"~"):
        lines_of[50] = b"5" + byte + b",1,2,1\n"
        loaded = read(b"".join(lines_of))
        assert loaded.header.format == "csv"
        assert loaded.events.n == 99
        assert loaded.irregularities.count(Kind.BAD_WORD) == 1


def test_other_letters_in_a_comment():
    assert read("# Größe in µs\n5 1 2 1\n6 1 2 0\n".encode()).events.t.tolist() == [5, 6]


def test_a_cut_last_line():
    whole = b"0.5 1 2 1\n0.75 3 4 0\n"
    assert read(whole[:-1]).events.n == 2  # complete without its line feed
    for cut in (whole[:-2], whole[:-4]):
        loaded = read(cut)
        assert loaded.events.n == 1
        assert loaded.irregularities.count(Kind.TRUNCATED) == 1


def test_a_line_longer_than_the_window(monkeypatch):
    monkeypatch.setattr(text_module, "WINDOW", 100)
    text = b"".join(b"%d,1,2,1\n" % k for k in range(30)) + b"7" * 350 + b"\n" + b"31,1,2,0\n"
    loaded = read(text)
    assert loaded.events.t.tolist() == [*range(30), 31]
    assert loaded.irregularities.count(Kind.BAD_WORD) == 1


@pytest.mark.parametrize("window", [25, 64, 1000])
def test_windows_and_pieces_do_not_matter(monkeypatch, window):
    monkeypatch.setattr(text_module, "WINDOW", window)
    monkeypatch.setattr(text_module, "BLOCK", 3)
    t = [5, 6, 9, 2, 3, 3, 50, 51, 7, 60]  # not in order
    text = b"".join(b"%d,1,%d,1\n" % (k, n) for n, k in enumerate(t))
    with open_recording(text, columns="txyp") as reader:
        assert reader.read().t.tolist() == t
        assert [part.n for part in reader.chunks(size=4)] == [4, 4, 2]
        for _ in range(2):  # the second time with what was seen
            for start, stop in ((3, 8), (50, None), (None, 3), (100, 200)):
                wanted = [k for k in t if (start or 0) <= k < (stop or 99)]
                assert reader.read(start=start, stop=stop).t.tolist() == wanted


def test_a_growing_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t,x,y,p\n1,1,1,1\n")
    with open_recording(path, width=10, height=10) as reader:
        following = reader.follow(poll=0.0, stop=lambda: True)
        assert next(following).t.tolist() == [1]
        with open(path, "a") as file:
            file.write("2,1,1,0\n3,1,")
        assert next(following).t.tolist() == [2]
        with open(path, "a") as file:
            file.write("1,1\n")
        assert [part.t.tolist() for part in following] == [[3]]


def test_a_pipe():
    class Pipe:
        def __init__(self, data):
            self.data = io.BytesIO(data)

        def read(self, n):
            return self.data.read(min(n, 7))

    text = b"".join(b"%d,%d,2,1\n" % (k, k) for k in range(500))
    assert read(Pipe(text)).events.t.tolist() == list(range(500))
    with open_recording(Pipe(text), width=640, height=480) as reader:
        assert sum(part.n for part in reader.chunks(size=100)) == 500


@given(st.binary(max_size=200) | st.text("0123456789.,-+ \n\te#tx", max_size=200).map(str.encode))
def test_any_bytes_are_events_or_an_error(data):
    try:
        loaded = read(data, format="csv", columns="txyp")
    except FormatError:
        return
    assert loaded.events.n <= data.count(b"\n") + 1


def test_the_standard_csv_is_not_shadowed():
    code = (
        "import spikewright.events.formats.csv as ours, csv; assert csv.reader and csv is not ours"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_last_line_without_end_is_followed_too():
    with open_recording(b"1,1,1,1\n2,2,2,0", columns="txyp") as reader:
        parts = list(reader.follow(poll=0.0, stop=lambda: True))
    assert [t for part in parts for t in part.t.tolist()] == [1, 2]
    with open_recording(b"1,1,1,1\n2,2,", columns="txyp") as reader:
        parts = list(reader.follow(poll=0.0, stop=lambda: True))
        assert [t for part in parts for t in part.t.tolist()] == [1]
        assert reader.irregularities.count(Kind.TRUNCATED) == 1
