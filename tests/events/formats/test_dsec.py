"""One array per column: DSEC's layout with its compression, and the layouts that only name things otherwise."""

import struct
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError, FormatError, MissingExtra
from spikewright.events.camera import CameraEvents
from spikewright.events.formats import blosc, detect, open_recording, read, write
from spikewright.events.irregular import Kind


def noise(n, seed=1, width=640, height=480):
    rng = np.random.default_rng(seed)
    return CameraEvents(
        np.cumsum(rng.integers(0, 30, n)) + 7_000_000_000,
        rng.integers(0, width, n),
        rng.integers(0, height, n),
        rng.integers(0, 2, n),
        width,
        height,
    )


def columns_file(path, events, group="events", names="xytp", **more):
    """Write columns as other programs do, without compression of ours."""
    with h5py.File(path, "w") as file:
        for name, column in zip(names, "xytp", strict=True):
            file[f"{group}/{name}"] = getattr(events, column)
        for name, value in more.items():
            file[name] = value
    return path


def test_the_data_set_compression_is_read(shared):
    """Written by the Blosc library itself."""
    path = shared / "vectors" / "events" / "dsec_events.h5"
    with h5py.File(path) as file, np.load(path.parent / "dsec_events_h5.npz") as stored:
        dataset = file["events/x"]
        rows = dataset.chunks[0]
        _, chunk = dataset.id.read_direct_chunk((rows,))
        data = blosc.decode(chunk, rows * 2).view("<u2")
        np.testing.assert_array_equal(data, stored["x"][rows : 2 * rows])


@given(st.binary(min_size=1, max_size=4000), st.sampled_from([1, 2, 4, 8]))
def test_compressed_bytes_come_back(data, item):
    raw = np.frombuffer(data + bytes(-len(data) % item), np.uint8)
    chunk = blosc.encode(raw, item)
    assert len(chunk) <= raw.size + blosc.HEADER.size
    np.testing.assert_array_equal(blosc.decode(chunk, raw.size), raw)


def test_split_blocks_of_other_codecs():
    """As older versions of the library write: a stream per byte of a number, a shorter last block that is not split."""
    numbers = np.arange(700, dtype="<u4") * 3
    raw = numbers.view(np.uint8)
    per_block = 4 * 256
    starts, body = [], b""
    for at in range(0, raw.size, per_block):
        block = raw[at : at + per_block]
        planes = block.reshape(-1, 4).T
        streams = list(planes) if block.size == per_block else [planes.ravel()]
        starts.append(len(body))
        for plane in streams:
            packed = zlib.compress(plane.tobytes())
            body += struct.pack("<I", len(packed)) + packed
    head = 16 + 4 * len(starts)
    chunk = struct.pack("<BBBBIII", 2, 1, 3 << 5 | 1, 4, raw.size, per_block, head + len(body))
    chunk += struct.pack(f"<{len(starts)}I", *(head + at for at in starts)) + body
    np.testing.assert_array_equal(blosc.decode(chunk, raw.size).view("<u4"), numbers)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c[:10], "ends inside its header"),
        (lambda c: c[:60], "ends early"),
        (lambda c: c[:2] + b"\x15" + c[3:], "not known here"),
        (lambda c: c[:4] + b"\0\0\0\x7f" + c[8:], "another size"),
        (lambda c: c[:8] + b"\0\0\0\0" + c[12:], "blocks of no size"),
        (lambda c: c[:8] + b"\1\0\0\0" + c[12:], "more blocks than bytes"),
        (lambda c: c[:30] + b"\xff" + c[31:], "Blosc chunk"),
    ],
)
def test_damaged_compression(change, said):
    chunk = blosc.encode(np.arange(4000, dtype="<u2").view(np.uint8), 2)
    with pytest.raises(FormatError, match=said):
        blosc.decode(change(chunk), 8000)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_chunk_or_an_error(data):
    head = blosc.HEADER.pack(2, 1, 4 << 5 | 16 | 1, 2, 200, 200, len(data) + 16)
    try:
        found = blosc.decode(head + data, 200)
    except FormatError:
        return
    assert found.size == 200


def test_index_and_offset_are_those_of_the_data_set(shared, tmp_path):
    theirs = shared / "vectors" / "events" / "dsec_events.h5"
    events = read(theirs).events
    write(
        tmp_path / "a.h5", (events[at : at + 999] for at in range(0, events.n, 999)), format="dsec"
    )
    assert read(tmp_path / "a.h5").events.same_as(events)
    with open_recording(theirs) as one, open_recording(tmp_path / "a.h5") as other:
        assert one._offset == other._offset == 64107
        np.testing.assert_array_equal(one._index, other._index)
    with h5py.File(theirs) as one, h5py.File(tmp_path / "a.h5") as other:
        for name in ("events/x", "events/y", "events/t", "events/p", "ms_to_idx", "t_offset"):
            assert one[name].dtype == other[name].dtype
            assert one[name].shape == other[name].shape
        plans = [f["events/t"].id.get_create_plist().get_filter(0) for f in (one, other)]
        assert (plans[0][0], plans[0][2][4:]) == (plans[1][0], plans[1][2][4:])


def test_a_long_recording_in_pieces_and_windows(tmp_path):
    events = noise(150_000)  # more than two chunks
    write(tmp_path / "a.h5", events, format="dsec")
    with open_recording(tmp_path / "a.h5") as reader:
        assert reader.read().same_as(events)
        parts = list(reader.chunks(size=7000))
        np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), events.x)
        for start, stop in (
            (7_000_500_123, 7_000_600_456),
            (0, None),
            (None, 7_000_000_100),
            (9 * 10**9, None),
        ):
            kept = (events.t >= (start or 0)) & (events.t < (stop or 10**12))
            assert reader.read(start=start, stop=stop).same_as(events[kept])
        first, last = reader.span(7_000_500_000, 7_000_501_000)
        assert last - first < 200


def test_the_offset_is_never_forgotten(tmp_path):
    events = noise(100)
    write(tmp_path / "a.h5", events, format="dsec")
    loaded = read(tmp_path / "a.h5", shift_time=True)
    assert loaded.header.t_offset == events.t[0]
    np.testing.assert_array_equal(loaded.events.t + loaded.header.t_offset, events.t)


@pytest.mark.parametrize(
    ("times", "found"), [([5, 4], "-1 to 0 us"), ([0, 2**32], "0 to 4294967296 us")]
)
def test_times_that_do_not_fit(tmp_path, times, found):
    late = CameraEvents(times, [0, 0], [0, 0], [0, 0], 8, 8)
    with pytest.raises(FormatError, match=f"times do not fit the format; found {found}"):
        write(tmp_path / "a.h5", late, format="dsec")
    assert list(tmp_path.iterdir()) == []


def test_no_events(tmp_path):
    write(tmp_path / "a.h5", CameraEvents.empty(64, 48), format="dsec")
    assert read(tmp_path / "a.h5").events.same_as(CameraEvents.empty(64, 48))


def test_layouts_that_only_name_things_otherwise(tmp_path):
    events = noise(2000)
    tum = columns_file(tmp_path / "tum.h5", events)
    loaded = read(tum)
    np.testing.assert_array_equal(loaded.events.t, events.t)
    assert loaded.irregularities.count(Kind.MISSING_INDEX) == 1
    m3ed = columns_file(tmp_path / "m3ed.h5", events, "prophesee/right")
    assert detect(m3ed).name == "dsec"
    loaded = read(m3ed, camera="right")
    assert (loaded.header.width, loaded.header.details["layout"]) == (1280, "M3ED right")
    with pytest.raises(FormatError, match="no columns of events"):
        read(m3ed, camera="left")
    seconds = columns_file(tmp_path / "e2vid.h5", events, names=("xs", "ys", "ts", "ps"))
    with h5py.File(seconds, "r+") as file:
        del file["events/ts"]
        file["events/ts"] = events.t / 1e6
    loaded = read(seconds)
    np.testing.assert_array_equal(loaded.events.t, events.t)
    assert "times are seconds, by their type" in loaded.header.notes


def test_columns_that_hold_no_events(tmp_path):
    events = noise(10)
    path = columns_file(tmp_path / "a.h5", events)
    with h5py.File(path, "r+") as file:
        del file["events/x"], file["events/t"]
        file["events/x"] = np.array([0, 1, -1, 3, 70000, 5, 6, 7, 8, 9])
        file["events/t"] = np.array([0.0, 1.0, 2.0, np.nan, 4.0, np.inf, 6.0, 7.0, 8.0, 9.0])
    loaded = read(path)
    assert loaded.events.x.tolist() == [0, 1, 6, 7, 8, 9]
    assert loaded.irregularities.count(Kind.DROPPED) == 4
    with pytest.raises(EventError, match="cannot be placed"):
        read(path, strict=True)


def test_backwards_and_outside_are_kept_and_counted(tmp_path):
    path = columns_file(
        tmp_path / "a.h5",
        CameraEvents([5, 9, 3, 10], [0, 9, 1, 2], [0, 0, 0, 0], [1, 1, 0, 1], 4, 4),
    )
    loaded = read(path, width=4, height=4)
    assert loaded.events.t.tolist() == [5, 9, 3, 10]
    assert loaded.irregularities.count(Kind.BACKWARDS) == 1
    assert loaded.irregularities.count(Kind.OUTSIDE) == 1
    with open_recording(path, width=4, height=4) as reader:
        list(reader.chunks(size=2))  # between two pieces, too
        assert reader.irregularities.count(Kind.BACKWARDS) == 1


def test_columns_of_different_length(tmp_path):
    path = columns_file(tmp_path / "a.h5", noise(10))
    with h5py.File(path, "r+") as file:
        del file["events/p"]
        file["events/p"] = np.ones(8, np.uint8)
    loaded = read(path)
    assert loaded.events.n == 8
    assert loaded.irregularities.count(Kind.TRUNCATED) == 2


def test_an_unknown_filter_says_what_would_help(tmp_path):
    path = columns_file(tmp_path / "a.h5", noise(10))
    with h5py.File(path, "r+") as file:
        del file["events/p"]
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((10,))
        plan.set_filter(32026, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((10,))
        made = h5py.h5d.create(file["events"].id, b"p", h5py.h5t.NATIVE_UINT8, space, plan)
        made.write_direct_chunk((0,), bytes(10))
    with pytest.raises(MissingExtra, match="hdf5plugin"):
        read(path)


def test_links_out_of_the_file_are_not_followed(tmp_path):
    columns_file(tmp_path / "a.h5", noise(10))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["events"] = h5py.ExternalLink("a.h5", "events")
    with pytest.raises(FormatError):
        read(tmp_path / "b.h5", format="dsec")


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes_never_crash(tmp_path, seed):
    write(tmp_path / "a.h5", noise(3000), format="dsec")
    data = bytearray((tmp_path / "a.h5").read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(data), 3):
        data[at] = rng.integers(256)
    try:
        assert read(bytes(data), format="dsec").events.n <= 2**16
    except (FormatError, EventError, MissingExtra):
        return
