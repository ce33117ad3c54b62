"""Prophesee HDF5: the codec against the reference's bytes, the container, and what damaged ones do."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError, FormatError
from spikewright.events.camera import CameraEvents, Extras, Imu, Triggers
from spikewright.events.formats import Header, detect, open_recording, read, write
from spikewright.events.formats import ecf_codec as codec
from spikewright.events.formats.ecf import ROWS
from spikewright.events.irregular import Kind

VECTORS = ("prophesee_ecf", "prophesee_ecf_sparse", "prophesee_ecf_xp")


def packed(events):
    """Return the bytes of one chunk; arrays are as the reader and writer have them, so nothing is compiled twice."""
    columns = [getattr(events, name).copy() for name in "txyp"]
    out = np.empty(12 + codec.WORST_BYTES * (events.n + codec.SLACK), np.uint8)
    return np.frombuffer(out[: codec.encode(*columns, out)].tobytes(), np.uint8)


def unpacked(data):
    columns = codec.scratch(0)
    n, said = codec.decode(data, *columns)
    return [column[:n].copy() for column in columns], said


def stored(shared, name):
    with np.load(shared / "vectors" / "events" / f"{name}_hdf5.npz") as file:
        return CameraEvents(file["t"], file["x"], file["y"], file["p"], 1280, 720)


def noise(n, seed=1, width=1280, height=720, step=40):
    rng = np.random.default_rng(seed)
    return CameraEvents(
        np.cumsum(rng.integers(0, step, n)) + 5_000_000,
        rng.integers(0, width, n),
        rng.integers(0, height, n),
        rng.integers(0, 2, n),
        width,
        height,
    )


@pytest.fixture
def recording(tmp_path):
    events = noise(40_000)
    write(tmp_path / "a.hdf5", events, format="ecf")
    return tmp_path / "a.hdf5", events


@pytest.mark.parametrize("name", VECTORS)
def test_chunks_have_the_bytes_of_the_reference_codec(shared, name):
    events = stored(shared, name)
    with h5py.File(shared / "vectors" / "events" / f"{name}.hdf5") as file:
        dataset = file["CD/events"]
        assert dataset.id.get_num_chunks() > 1
        for at in range(0, events.n, ROWS):
            _, data = dataset.id.read_direct_chunk((at,))
            assert packed(events[at : at + ROWS]).tobytes() == data


def test_the_layout_follows_the_limits():
    """Of 400 events the first 100 decide: up to 20 repeated y for all packed, up to 8 near x for packed columns."""

    def layout(repeats, near):
        y = np.arange(400) % 700
        y[: repeats + 1] = y[0]
        x = np.tile([2000, 0], 200)
        x[40 : 41 + near] = 500 + np.arange(near + 1) * 4 % 2000
        events = CameraEvents(np.arange(400), x, y, np.zeros(400, np.uint8), 2048, 2048)
        columns, said = unpacked(packed(events))
        assert said == codec.OK
        for column, name in zip(columns, "txyp", strict=True):
            np.testing.assert_array_equal(column, getattr(events, name))
        return int(packed(events)[0] & 3)

    assert layout(20, 0) == 2
    assert layout(21, 0) == 1


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**62), 2**62) | st.integers(0, 40),
            st.integers(0, 2047) | st.integers(3, 9),
            st.integers(0, 2047) | st.just(5),
            st.integers(0, 1),
        ),
        min_size=1,
        max_size=300,
    )
)
def test_any_events_come_back(rows):
    """Also when times step back: the long step wraps around 2^64."""
    t, x, y, p = (np.array(column) for column in zip(*rows, strict=True))
    events = CameraEvents(t, x, y, p, 2048, 2048)
    columns, said = unpacked(packed(events))
    assert said == codec.OK
    for column, name in zip(columns, "txyp", strict=True):
        np.testing.assert_array_equal(column, getattr(events, name))


@pytest.mark.parametrize("n", [1, 15, 16, 31, 127, 65535])
def test_runs_of_every_length(n):
    one = CameraEvents(np.full(n, 7), np.full(n, 3), np.full(n, 4), np.ones(n, np.uint8), 8, 8)
    columns, said = unpacked(packed(one))
    assert (said, len(columns[0])) == (codec.OK, n)
    assert all(len(set(column.tolist())) == 1 for column in columns)


@given(st.binary(max_size=80), st.integers(0, 5))
def test_any_bytes_decode_to_something(data, cut):
    data = np.frombuffer(data, np.uint8)
    columns, said = unpacked(data)
    assert said in (codec.OK, codec.CUT, codec.TOO_MANY, codec.DISAGREES)
    assert len(columns[0]) <= codec.MAX_EVENTS


def test_a_cut_chunk_keeps_what_was_whole():
    whole = packed(noise(3000))
    assert whole[0] & 3 == 2
    for cut in (0, 3, 11, 13, 2000, len(whole) - 1):
        columns, said = unpacked(whole[:cut])
        assert said == codec.CUT
        assert len(columns[0]) == {2000: 0}.get(cut, len(columns[0]))
    assert len(unpacked(whole[:-1])[0][0]) == 2996


@pytest.mark.parametrize("name", VECTORS)
def test_writing_gives_the_chunks_and_the_index_again(shared, tmp_path, name):
    events = stored(shared, name)
    path = tmp_path / "again.hdf5"
    write(path, (events[at : at + 777] for at in range(0, events.n, 777)), format="ecf")
    with (
        h5py.File(shared / "vectors" / "events" / f"{name}.hdf5") as theirs,
        h5py.File(path) as ours,
    ):
        for group in ("CD/events", "CD/indexes", "EXT_TRIGGER/events", "EXT_TRIGGER/indexes"):
            assert ours[group].dtype == theirs[group].dtype
        assert ours["CD/events"].shape == theirs["CD/events"].shape
        np.testing.assert_array_equal(ours["CD/indexes"][:], theirs["CD/indexes"][:])
        assert ours["CD/indexes"].attrs["offset"] == theirs["CD/indexes"].attrs["offset"]
        plans = [file["CD/events"].id.get_create_plist().get_filter(0) for file in (ours, theirs)]
        assert plans[0][:3] == plans[1][:3]
        for at in range(0, events.n - ROWS, ROWS):
            chunks = [file["CD/events"].id.read_direct_chunk((at,)) for file in (ours, theirs)]
            assert chunks[0] == chunks[1]
        last = events.n // ROWS * ROWS  # whole for the HDF5 library, whatever the row count says
        data = ours["CD/events"].id.read_direct_chunk((last,))[1]
        assert int.from_bytes(data[:4], "little") >> 2 == ROWS
    assert read(path).events.same_as(events)


def test_windows_read_only_the_rows_around_them(recording):
    path, events = recording
    with open_recording(path) as reader:
        for start, stop in (
            (5_100_000, 5_130_001),
            (0, 10**12),
            (5_777_777, 5_777_777),
            (5_774_000, None),
        ):
            kept = (events.t >= start) & (events.t < (stop or 10**12))
            assert reader.read(start=start, stop=stop).same_as(events[kept])
        first, last = reader.span(5_100_000, 5_102_000)
        assert last - first < 500


@pytest.mark.parametrize("size", [1000, ROWS, 1 << 20])
def test_pieces_of_any_size(recording, size):
    path, events = recording
    with open_recording(path) as reader:
        parts = list(reader.chunks(size=size))
    assert max(part.n for part in parts) <= size
    np.testing.assert_array_equal(np.concatenate([part.t for part in parts]), events.t)


def test_triggers_and_what_the_format_cannot_hold(tmp_path):
    path = tmp_path / "t.hdf5"
    edges = Triggers([10, 2500, 9000], [0, 6, 0], [1, 1, 0])
    zeros = np.zeros((1, 3), np.float32)
    imu = Imu(np.zeros(1, np.int64), zeros, zeros, zeros, zeros[:, 0])
    events = noise(5)
    with pytest.raises(FormatError, match="cannot hold inertial samples"):
        write(path, events, format="ecf", extras=Extras(triggers=edges, imu=imu))
    assert not path.exists()
    write(path, events, format="ecf", extras=Extras(triggers=edges, imu=imu), lossy=True)
    back = read(path).extras.triggers
    for column in ("t", "channel", "value"):
        np.testing.assert_array_equal(getattr(back, column), getattr(edges, column))


def test_a_coordinate_that_does_not_fit(tmp_path):
    far = CameraEvents([0], [2048], [0], [1], 4096, 4096)
    with pytest.raises(
        FormatError, match="x does not fit the format; found 2048, expected at most 2047"
    ):
        write(tmp_path / "far.hdf5", far, format="ecf")
    assert list(tmp_path.iterdir()) == []


def test_no_events_and_long_silence(tmp_path):
    write(tmp_path / "none.hdf5", CameraEvents.empty(64, 48), format="ecf")
    loaded = read(tmp_path / "none.hdf5")
    assert (loaded.events.n, loaded.header.width, loaded.header.height) == (0, 64, 48)
    silent = CameraEvents([0, 2**60], [1, 2], [3, 4], [0, 1], 64, 48)
    write(tmp_path / "silent.hdf5", silent, format="ecf", header=Header("ecf", 64, 48))
    with open_recording(tmp_path / "silent.hdf5") as reader:
        assert reader.read().same_as(silent)
        assert reader.read(start=2**60).same_as(silent[1:])
    assert (tmp_path / "silent.hdf5").stat().st_size < 2**21


def test_from_memory_and_by_content(recording):
    path, events = recording
    data = path.read_bytes()
    assert detect(data).name == "ecf"
    assert read(io.BytesIO(data)).events.same_as(events)


def damaged(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def test_a_damaged_chunk_is_counted_and_the_rest_is_read(recording):
    path, events = recording

    def cut(file):
        dataset = file["CD/events"].id
        _, data = dataset.read_direct_chunk((ROWS,))
        dataset.write_direct_chunk((ROWS,), data[: len(data) // 2])

    damaged(path, cut)
    loaded = read(path)
    lost = loaded.irregularities.count(Kind.DROPPED)
    assert 0 < lost < ROWS
    assert loaded.events.n == events.n - lost
    assert loaded.events[:ROWS].same_as(events[:ROWS])
    (bad,) = [one for one in loaded.irregularities if one.kind is Kind.BAD_PACKET]
    assert bad.offset > 0
    assert "chunk at row 16384: cut" in bad.note
    with open_recording(path) as reader:  # counted again in every reading, once each
        for _ in range(2):
            list(reader.chunks(size=1000))
            assert reader.irregularities.count(Kind.DROPPED) == lost
    with pytest.raises(EventError, match="cannot be decoded"):
        read(path, strict=True)


def test_a_wrong_index_is_not_used(recording):
    path, events = recording
    damaged(path, lambda file: file["CD/indexes"].attrs.modify("offset", "none"))
    with open_recording(path) as reader:
        assert reader.read(start=5_100_000, stop=5_200_000).n == np.count_nonzero(
            (events.t >= 5_100_000) & (events.t < 5_200_000)
        )
        assert reader.irregularities.count(Kind.MISSING_INDEX) == 1


def test_rows_that_are_claimed_and_not_stored(recording):
    path, events = recording
    damaged(path, lambda file: file["CD/events"].id.set_extent((10**12,)))
    loaded = read(path)
    assert loaded.events[: events.n].same_as(events)
    assert loaded.irregularities.count(Kind.TRUNCATED) == 10**12 - 3 * ROWS


def test_plain_rows_and_no_size(tmp_path):
    """Files repacked by other tools: the same rows without the filter."""
    events = noise(500, width=90, height=70)
    rows = np.zeros(500, [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    for column in "xypt":
        rows[column] = getattr(events, column)
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file.create_dataset("CD/events", data=rows, compression="gzip")
    loaded = read(tmp_path / "plain.h5")
    assert loaded.header.format == "ecf"
    np.testing.assert_array_equal(loaded.events.t, events.t)
    assert (loaded.header.width, loaded.header.height) == (events.x.max() + 1, events.y.max() + 1)
    assert "by the events" in loaded.header.notes[0]
    assert read(tmp_path / "plain.h5", width=1280, height=720).header.width == 1280


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_crash(recording, seed):
    path, _ = recording
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(data) if seed % 2 else 4000, 3):
        data[at] = rng.integers(256)
    try:
        loaded = read(bytes(data), format="ecf")
    except (FormatError, EventError):
        return
    assert loaded.events.n <= 3 * ROWS
