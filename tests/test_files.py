import contextlib
import errno
import io
import os
import stat
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import FormatError
from spikewright.files import read_arrays, replacing, replacing_hdf5


def test_the_file_appears_whole(tmp_path):
    target = tmp_path / "a.bin"
    target.write_text("old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_after_a_failure_nothing_has_changed(tmp_path):
    target = tmp_path / "a.bin"
    target.write_text("old")

    def write_half():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk(tmp_path):
    target = tmp_path / "a.bin"
    with pytest.raises(FormatError) as caught, replacing(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "cannot be written: No space left on device — free space" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_no_such_folder(tmp_path):
    with (
        pytest.raises(
            FormatError, match="cannot be written; found no such folder — create the folder"
        ),
        replacing(tmp_path / "no" / "a.bin"),
    ):
        pass


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_plain_file_is_never_replaced(tmp_path, kind):
    target = tmp_path / "a"
    target.mkdir() if kind == "folder" else os.mkfifo(target)
    with (
        pytest.raises(FormatError, match=f"cannot be written; found a .*{kind}, expected a plain"),
        replacing(target),
    ):
        pytest.fail("nothing may be written")
    assert not target.is_file()


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_hdf5_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", full)
    with (
        pytest.raises(FormatError, match="cannot be written: No space left on device"),
        replacing_hdf5(tmp_path / "a.h5") as file,
    ):
        file["x"] = np.ones(1000)
    assert os.listdir(tmp_path) == []


def test_hdf5_is_written_whole(tmp_path):
    import h5py

    with replacing_hdf5(tmp_path / "a.h5") as file:
        file["x"] = np.arange(1000)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["x"][()], np.arange(1000))


def npy(shape, content=b"", dtype="<f8"):
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


def zipped(path, *entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_arrays_come_back(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "f": np.ones((3, 2), order="F"),
        "b": np.array(True),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize(
    ("entries", "method", "message"),
    [
        ([("a.npy", npy((10**6, 10**6)))], zipfile.ZIP_STORED, "declares another size than it has"),
        (
            [("a.npy", npy((3,), bytes(16)))],
            zipfile.ZIP_STORED,
            "declares another size than it has",
        ),
        ([("a.npy", npy((1,), bytes(8), "|O"))], zipfile.ZIP_STORED, "holds Python objects"),
        ([("a.txt", b"hallo")], zipfile.ZIP_STORED, "is a zip of something else; found 'a.txt'"),
        ([("a.npy", b"hallo")], zipfile.ZIP_STORED, "not a readable .npz file"),
        ([("a.npy", npy((1,), bytes(8)))], zipfile.ZIP_LZMA, "is a zip of something else"),
    ],
)
def test_arrays_that_are_refused(tmp_path, entries, method, message):
    path = zipped(tmp_path / "a.npz", *entries, method=method)
    with pytest.raises(FormatError, match=message):
        read_arrays(path)


def test_encrypted_arrays_are_refused(tmp_path):
    path = zipped(tmp_path / "a.npz", ("a.npy", npy((1,), bytes(8))))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is a zip of something else"):
        read_arrays(path)


def test_arrays_that_take_too_much_memory(tmp_path):
    path = zipped(tmp_path / "a.npz", ("a.npy", npy((1000,), bytes(8000))))
    with pytest.raises(FormatError, match="is too large; found 8128 bytes, expected at most 5000"):
        read_arrays(path, limit=5000)


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_mutated_arrays_are_read_or_refused(place, value, cut):
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.arange(40.0), b=np.ones((2, 3), np.int8))
    content = bytearray(stream.getvalue())
    content[place % len(content)] = value
    if cut < len(content):
        del content[cut:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        path.write_bytes(content)
        with contextlib.suppress(FormatError):
            read_arrays(path)
