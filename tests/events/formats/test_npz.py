"""NumPy files: names that are accepted, tables, and arrays that claim what they do not hold."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats import Header, detect, open_recording, read, write
from spikewright.events.irregular import Kind

rng = np.random.default_rng(5)
N = 3000
EVENTS = CameraEvents(
    np.cumsum(rng.integers(0, 30, N)),
    rng.integers(0, 64, N),
    rng.integers(0, 48, N),
    rng.integers(0, 2, N),
    64,
    48,
)


def zipped(compressed=True, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def columns(names="txyp"):
    return {name: getattr(EVENTS, column) for name, column in zip(names, "txyp", strict=True)}


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def table(order, dtype=np.float64):
    return np.stack([getattr(EVENTS, name).astype(dtype) for name in order], axis=1)


def structured(fields):
    rows = np.zeros(N, [(name, getattr(EVENTS, column).dtype) for name, column in fields])
    for name, column in fields:
        rows[name] = getattr(EVENTS, column)
    return rows


def equal(events):
    return all(np.array_equal(getattr(events, name), getattr(EVENTS, name)) for name in "txyp")


def test_written_columns_come_back(tmp_path):
    path = tmp_path / "a.npz"
    header = Header("npz", 64, 48, t_offset=1234)
    write(path, (EVENTS[at : at + 700] for at in range(0, N, 700)), header=header)
    assert list(tmp_path.iterdir()) == [path]
    loaded = read(path)
    assert loaded.events.same_as(EVENTS)
    assert loaded.header.t_offset == 1234
    with np.load(path) as file:  # as NumPy reads it
        assert {name: file[name].dtype for name in "txyp"} == {
            "t": np.int64,
            "x": np.uint16,
            "y": np.uint16,
            "p": np.uint8,
        }
        np.testing.assert_array_equal(file["t"], EVENTS.t)
        assert (int(file["width"]), int(file["height"])) == (64, 48)
    with open_recording(path) as reader:
        assert reader.read(start=1000, stop=2000).same_as(
            EVENTS[(EVENTS.t >= 1000) & (EVENTS.t < 2000)]
        )
        assert [part.n for part in reader.chunks(size=2000)] == [2000, 1000]


def test_no_events_and_no_room_for_triggers(tmp_path):
    write(tmp_path / "a.npz", CameraEvents.empty(64, 48))
    assert read(tmp_path / "a.npz").events.same_as(CameraEvents.empty(64, 48))
    with pytest.raises(FormatError, match="cannot hold triggers"):
        write(tmp_path / "b.npz", EVENTS, extras=Extras(triggers=Triggers([1], [0], [1])))
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize(
    "data",
    [
        zipped(**columns()),
        zipped(compressed=False, **columns()),
        zipped(**columns(("timestamp", "x_pos", "y_pos", "polarity"))),
        zipped(**columns(("ts", "xs", "ys", "ps")), more=np.ones(3)),
        zipped(event_data=structured([("x", "x"), ("y", "y"), ("t", "t"), ("p", "p")])),
        zipped(events=structured([("pol", "p"), ("timestamp", "t"), ("y", "y"), ("x", "x")])),
        zipped(anything=table("xytp"), sizes=np.ones((2, 3))),
        zipped(anything=np.asfortranarray(table("xypt", np.uint32))),
        saved(structured([("t", "t"), ("x", "x"), ("y", "y"), ("on", "p")])),
        saved(table("txyp", np.int64)),
        saved(np.asfortranarray(table("txyp", np.int64))),
    ],
)
def test_accepted_names_and_tables(data):
    assert detect(data).name == "npz"
    loaded = read(data)
    assert equal(loaded.events)
    with open_recording(data) as reader:
        parts = list(reader.chunks(size=999))
        np.testing.assert_array_equal(np.concatenate([part.y for part in parts]), EVENTS.y)


def test_seconds_and_signs():
    given = columns()
    given["t"], given["p"] = EVENTS.t / 1e6, EVENTS.p * 2.0 - 1
    loaded = read(zipped(**given))
    assert equal(loaded.events)
    assert "times in s, by their fractions" in loaded.header.notes
    given["t"] = EVENTS.t * 1000
    assert equal(read(zipped(**given), unit="ns").events)
    with pytest.raises(FormatError, match="no unit of time"):
        read(zipped(**given), unit="days")


def test_several_tables():
    data = zipped(one=table("xytp"), two=table("txyp"))
    with pytest.raises(FormatError, match="several tables of events; found one, two"):
        read(data)
    assert equal(read(data, array="two").events)
    assert equal(read(data, array="one", columns="xytp").events)
    with pytest.raises(FormatError, match="not each of t, x, y and p once"):
        read(data, array="one", columns="xyz")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped(weights=np.ones((3, 5))), "holds no events; found weights"),
        (zipped(**{**columns(), "p": EVENTS.p[:-1]}), "columns differ in length"),
        (saved(np.ones((20, 4)) * 7), "cannot tell which column is what"),
        (zipped(**columns())[:-30], "cannot be read"),
        (b"\x93NUMPY\x09\x00aaaa", "version"),
    ],
)
def test_what_cannot_be_read(data, said):
    with pytest.raises(FormatError, match=said):
        read(data)


def test_objects_are_never_loaded():
    file = io.BytesIO()
    np.save(file, np.array([print, 1], object), allow_pickle=True)
    with pytest.raises(FormatError, match="never loaded"):
        read(file.getvalue())


def test_rows_that_are_claimed_and_not_stored():
    data = saved(structured([("t", "t"), ("x", "x"), ("y", "y"), ("p", "p")]))
    text = data[10 : data.index(b"\n")].replace(b"(3000,)", b"(900000000000,)")
    text = text.strip()
    lying = (
        data[:8]
        + (len(text) + 1).to_bytes(2, "little")
        + text
        + b"\n"
        + data[data.index(b"\n") + 1 :]
    )
    loaded = read(lying)
    assert equal(loaded.events)
    assert loaded.irregularities.count(Kind.TRUNCATED) == 900_000_000_000 - N
    with pytest.raises(EventError):
        read(lying, strict=True)


def test_a_zip_that_claims_terabytes():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, dtype in (("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "|u1")):
            entry = io.BytesIO()
            head = {"descr": dtype, "fortran_order": False, "shape": (10**12,)}
            np.lib.format.write_array_header_1_0(entry, head)
            archive.writestr(
                f"{name}.npy", entry.getvalue() + bytes(100 * np.dtype(dtype).itemsize)
            )
    loaded = read(file.getvalue())
    assert loaded.events.n == 100
    assert loaded.irregularities.count(Kind.TRUNCATED) >= 10**12 - 100


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_flipped_byte_never_crashes(at, change):
    data = bytearray(WHOLE)
    data[at % len(data)] ^= change
    try:
        read(bytes(data), format="npz")
    except (FormatError, EventError):
        return


WHOLE = zipped(**{name: column[:300] for name, column in columns().items()})


@pytest.mark.parametrize("damage", [b"('", b"[[", b"\x00\x00"])
def test_a_damaged_description_is_told_in_one_line(damage):
    file = io.BytesIO()
    np.save(file, np.arange(40).reshape(10, 4))
    content = bytearray(file.getvalue())
    content[20 : 20 + len(damage)] = damage
    with pytest.raises(FormatError, match="cannot be read") as caught:
        read(bytes(content))
    assert len(str(caught.value)) < 500
