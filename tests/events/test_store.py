from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikewright.errors import EventError, FormatError
from spikewright.events import Events, load, save

GOLDEN = Path(__file__).parents[1] / "golden"
ENDINGS = [".npz", ".h5"]
MUTATIONS = 200

either = pytest.mark.parametrize("ending", ENDINGS)


def sample(n: int = 20) -> Events:
    """The events of the golden files, where n is 5."""
    k = np.arange(n)
    return Events(k * 250 - 250, (k * 7) % 24, (2, 3, 4), tick=1e-6, value=k * 0.5 - 1)


@either
def test_the_saved_example_of_version_1_loads_for_ever(ending: str) -> None:
    events = load(GOLDEN / f"events_v1{ending}")
    assert events.t.tolist() == [-250, 0, 250, 500, 750]
    assert events.address.tolist() == [0, 7, 14, 21, 4]
    assert events.shape == (2, 3, 4)
    assert events.tick == 1e-6
    assert events.value is not None
    assert events.value.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]


@either
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_round_trip(ending: str, data: Any, tmp_path: Path) -> None:
    n = data.draw(st.integers(0, 30))
    ints = st.integers(-(2**63), 2**63 - 1)
    t = sorted(data.draw(st.lists(ints, min_size=n, max_size=n)))
    address = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    finite = st.floats(allow_nan=False, allow_infinity=False)
    value = data.draw(st.none() | st.lists(finite, min_size=n, max_size=n))
    tick = data.draw(st.floats(1e-12, 10.0))
    events = Events(t, address, (2, 3), tick=tick, value=value)
    path = tmp_path / f"events{ending}"
    save(events, path)
    again = load(path)
    assert again.same_as(events)
    assert (again.value is None) == (value is None)
    assert not again.t.flags.writeable


@either
def test_the_same_events_make_the_same_bytes(ending: str, tmp_path: Path) -> None:
    for name in "ab":
        save(sample(), tmp_path / f"{name}{ending}")
    a, b = ((tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
    assert a == b


@either
def test_mutated_files_load_or_say_what_is_wrong(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"events{ending}"
    save(sample(), path)
    good = path.read_bytes()
    draw = np.random.Generator(np.random.PCG64(20260101))
    refused = 0
    for _ in range(MUTATIONS):
        bad = bytearray(good)
        kind = draw.integers(4)
        for _ in range(int(draw.integers(1, 4))):
            bad[int(draw.integers(len(bad)))] ^= int(draw.integers(1, 256))
        if kind == 1:
            del bad[int(draw.integers(len(bad))) :]
        elif kind == 2:
            start = int(draw.integers(len(bad)))
            del bad[start : start + int(draw.integers(1, 64))]
        elif kind == 3:
            start = int(draw.integers(len(bad)))
            bad[start:start] = draw.bytes(int(draw.integers(1, 64)))
        path.write_bytes(bad)
        message = str(path)
        try:
            load(path)
        except (FormatError, EventError) as error:
            message = str(error)
            refused += 1
        assert str(path) in message
    assert refused > MUTATIONS / 2


@either
def test_every_truncation_is_noticed(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"events{ending}"
    save(sample(5), path)
    good = path.read_bytes()
    for length in range(0, len(good) - 1, 61):
        path.write_bytes(good[:length])
        with pytest.raises(FormatError, match=r"is not a readable|declares|has other parts"):
            load(path)


@either
def test_a_changed_number_is_noticed(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"events{ending}"
    save(sample(), path)
    content = path.read_bytes()
    times = sample().t.tobytes()
    assert content.count(times) == 1
    path.write_bytes(content.replace(times, times[:8] + b"\1" + times[9:]))
    with pytest.raises(FormatError, match="CRC-32"):
        load(path)


@either
def test_a_full_or_missing_folder_leaves_nothing(ending: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be written; found no such folder"):
        save(sample(), tmp_path / "nowhere" / f"events{ending}")
    assert list(tmp_path.iterdir()) == []


@either
def test_an_interrupted_save_keeps_the_old_file(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"events{ending}"
    save(sample(5), path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spikewright.events.store._arrays", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(sample(6), path)
    assert load(path).same_as(sample(5))
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_endings_and_missing_files(tmp_path: Path) -> None:
    for call in (lambda p: save(sample(), p), load):
        with pytest.raises(
            FormatError, match=r"unknown kind of file; found the ending '.txt', exp"
        ):
            call(tmp_path / "events.txt")
    with pytest.raises(FormatError, match=r"a.npz: cannot be read; found no such file"):
        load(tmp_path / "a.npz")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(FormatError, match=r"folder.h5: cannot be read; found a folder"):
        load(tmp_path / "folder.h5")


def parts(**changes: Any) -> dict[str, Any]:
    events = sample()
    made: dict[str, Any] = {
        "format": np.array("spikewright-events"),
        "version": np.array(1),
        "tick": np.array(1e-6),
        "shape": np.array([2, 3, 4]),
        "t": events.t,
        "address": events.address,
    }
    made.update(changes)
    return {name: part for name, part in made.items() if part is not None}


def write_npz(path: Path, **changes: Any) -> Path:
    np.savez(path, **parts(**changes))
    return path


def write_h5(path: Path, **changes: Any) -> Path:
    import zlib

    with h5py.File(path, "w") as file:
        for name, part in parts(**changes).items():
            if name in ("t", "address", "value"):
                data = np.asarray(part)
                file[name] = data
                file[name].attrs["crc32"] = zlib.crc32(np.ascontiguousarray(data).data)
            else:
                file.attrs[name] = np.bytes_(str(part)) if name == "format" else part
    return path


WRITERS = pytest.mark.parametrize(
    ("write", "name"), [(write_npz, "events.npz"), (write_h5, "events.h5")], ids=ENDINGS
)


@WRITERS
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": None}, "is not a file of events; found None, expected 'spikewright-events'"),
        ({"format": np.array("other")}, "is not a file of events; found 'other'"),
        (
            {"version": np.array(2)},
            "was written by a newer Spikewright; found version 2, expected at most 1 — pip install",
        ),
        ({"version": np.array(0)}, "has no usable version"),
        ({"t": None}, "has other parts than a file of events; found address, format, shape"),
        ({"extra": np.array(1)}, "has other parts than a file of events"),
        ({"t": np.arange(20.0)}, "is of another type"),
        ({"t": np.zeros((4, 5), np.int64)}, "another"),
        ({"shape": np.array([2.0])}, "of another type"),
        ({"shape": np.array(24)}, "other axes|of another type"),
        ({"tick": np.array([1e-6])}, "other axes|of another type"),
        ({"tick": np.array(-1.0)}, "holds no valid events: Events.tick: is not a time"),
        ({"t": sample().t[::-1].copy()}, "holds no valid events: Events.t: time runs backwards"),
        ({"shape": np.array([2])}, "holds no valid events: Events.address: outside the shape"),
        ({"shape": np.array([-2])}, "holds no valid events"),
        ({"value": np.full(20, np.nan)}, "holds no valid events: Events.value: is not finite"),
    ],
)
def test_files_that_are_not_ours(
    write: Any, name: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, **changes)
    with pytest.raises(FormatError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@WRITERS
def test_files_written_by_hand_load(write: Any, name: str, tmp_path: Path) -> None:
    assert load(write(tmp_path / name)).n == 20


def member(shape: str, data: bytes = b"", descr: str = "<i8") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (member("(1099511627776,)"), r"t.npy declares another size than it has; found shape \(10"),
        (member("(-1,)"), "declares another size"),
        (member("(2,)", b"\0" * 8), "declares another size"),
        (member("(1,)", b"\0" * 8, "|O"), "t.npy is of another type; found object"),
        (member("(" * 2000), "is not a readable .npz"),
        (b"\x93NUMPY\x03\x00" + b"\0" * 100, "t.npy is of another .npy version"),
        (b"not an array", "is not a readable .npz"),
        (b"", "is not a readable .npz"),
    ],
)
def test_npz_members_that_lie(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "events.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts(t=None).items():
            buffer = io.BytesIO()
            np.save(buffer, part)
            archive.writestr(f"{name}.npy", buffer.getvalue())
        archive.writestr("t.npy", content)
    with pytest.raises(FormatError, match=message):
        load(path)


def test_a_compressed_npz_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "events.npz"
    zeros = np.zeros(4_000_000, np.int64)
    np.savez_compressed(path, **parts(t=zeros, address=zeros))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="is compressed; expected parts"):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_an_h5_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "events.h5", t=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("t", (10**12,), "<i8", chunks=(10**6,))
    with pytest.raises(
        FormatError, match="t declares another size than it has; found 8000000000000"
    ):
        load(path)


@pytest.mark.parametrize("link", [h5py.SoftLink("/address"), h5py.ExternalLink("other.h5", "/t")])
def test_an_h5_that_points_elsewhere(link: Any, tmp_path: Path) -> None:
    path = write_h5(tmp_path / "events.h5", t=None)
    write_h5(tmp_path / "other.h5")
    with h5py.File(path, "a") as file:
        file["t"] = link
    with pytest.raises(FormatError, match="t lies outside the file"):
        load(path)


def test_an_h5_that_stores_elsewhere(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "events.h5", t=None)
    (tmp_path / "raw").write_bytes(b"\0" * 160)
    with h5py.File(path, "a") as file:
        file.create_dataset("t", (20,), "<i8", external=[(str(tmp_path / "raw"), 0, 160)])
    with pytest.raises(FormatError, match="an array stored as it is, inside the file"):
        load(path)


def test_an_h5_with_a_group_or_long_texts(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "events.h5", t=None)
    with h5py.File(path, "a") as file:
        file.create_group("t")
    with pytest.raises(FormatError, match="t is not an array"):
        load(path)
    path = write_h5(tmp_path / "long.h5", format=np.array("x" * 1000))
    with pytest.raises(FormatError, match="attribute format is too long; found 1000 bytes"):
        load(path)
