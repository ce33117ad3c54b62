"""Events in files, `.npz` or `.h5`: version 1 of our own layout.

Both hold `format`, `version`, `tick`, `shape` and the arrays `t` and `address` (and `value` where
graded), never compressed, so that a file holds every byte it declares; sizes are compared before
memory is taken. An `.npz` checks each array by the archive's CRC-32; an `.h5` keeps a CRC-32 beside
each array, and HDF5's own checksums on what describes them. Nothing in a file is ever executed: no
pickles, no object arrays, no links to other files.
"""

from __future__ import annotations

import io
import os
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, FormatError, explain
from spikewright.events.stream import Events
from spikewright.files import replacing, replacing_hdf5

FORMAT = "spikewright-events"
VERSION = 1
MAX_AXES = 64
"""NumPy's largest number of axes (release notes of NumPy 2.0); a shape cannot be longer."""

MAX_TEXT = 64
"""Bytes of the longest text in a file: the name of the format takes 18."""

_NUMBERS = {"t": "<i8", "address": "<i8", "value": "<f8"}
_HEADER = {"format", "version", "tick", "shape"}


def save(events: Events, path: str | os.PathLike[str]) -> None:
    """Write events to a file, whole or not at all.

    Parameters
    ----------
    events : Events
    path : ends in .npz, .h5 or .hdf5

    Raises
    ------
    FormatError : another ending, or the file cannot be written
    """
    target = Path(path)
    write = _write_npz if _is_npz(target) else _write_h5
    write(events, target)


def load(path: str | os.PathLike[str]) -> Events:
    """Read events from a file that `save` wrote.

    Parameters
    ----------
    path : ends in .npz, .h5 or .hdf5

    Raises
    ------
    FormatError : missing, corrupt, truncated, too new, or no file of ours
    """
    source = Path(path)
    read = _read_npz if _is_npz(source) else _read_h5
    if not source.is_file():
        found = "a folder" if source.is_dir() else "no such file"
        raise FormatError(explain(str(source), "cannot be read", found=found, expected="a file"))
    fields = read(source)
    try:
        return Events(
            fields["t"],
            fields["address"],
            tuple(int(d) for d in fields["shape"]),
            tick=float(fields["tick"]),
            value=fields.get("value"),
        )
    except EventError as error:
        raise FormatError(explain(str(source), f"holds no valid events: {error}")) from error


def _is_npz(path: Path) -> bool:
    if path.suffix in (".npz", ".h5", ".hdf5"):
        return path.suffix == ".npz"
    raise FormatError(
        explain(
            str(path),
            "unknown kind of file",
            found=f"the ending {path.suffix!r}",
            expected=".npz, .h5 or .hdf5",
        )
    )


def _arrays(events: Events) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"t": events.t, "address": events.address}
    if events.value is not None:
        arrays["value"] = events.value
    return {name: array.astype(_NUMBERS[name], copy=False) for name, array in arrays.items()}


def _corrupt(path: Path, what: str, found: object = None, expected: object = None) -> FormatError:
    return FormatError(
        explain(str(path), what, found=found, expected=expected, cure="copy or make the file again")
    )


def _check_version(path: Path, kind: object, version: object) -> None:
    if kind != FORMAT:
        raise FormatError(
            explain(str(path), "is not a file of events", found=repr(kind), expected=repr(FORMAT))
        )
    if not isinstance(version, int) or version < 1:
        raise _corrupt(
            path, "has no usable version", found=repr(version), expected=f"1 to {VERSION}"
        )
    if version > VERSION:
        raise FormatError(
            explain(
                str(path),
                "was written by a newer Spikewright",
                found=f"version {version}",
                expected=f"at most {VERSION}",
                cure="pip install --upgrade spikewright",
            )
        )


def _check_names(path: Path, found: set[str]) -> None:
    least = _HEADER | {"t", "address"}
    if not least <= found <= least | {"value"}:
        raise _corrupt(
            path,
            "has other parts than a file of events",
            found=", ".join(sorted(found)) or "none",
            expected=f"{', '.join(sorted(least))}, and value where graded",
        )


# --- .npz -----------------------------------------------------------------------------------------

_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    OSError,
    EOFError,
    KeyError,
    ValueError,  # also text that cannot be decoded
    TypeError,
    SyntaxError,
    OverflowError,
    NotImplementedError,  # a compression that Python does not know
    RuntimeError,  # an encrypted member
)


def _write_npz(events: Events, path: Path) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as out:
        np.savez(
            out,
            format=np.array(FORMAT),
            version=np.array(VERSION, "<i8"),
            tick=np.array(events.tick, "<f8"),
            shape=np.array(events.shape, "<i8"),
            **_arrays(events),  # type: ignore[arg-type]
        )


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise _corrupt(path, "names a part twice")
            if not {"format", "version"} <= set(members):
                _check_version(path, None, None)
            _check_sizes(path, members)
            kind = _member(path, archive, members["format"], "U")
            version = _member(path, archive, members["version"], "<i8")
            _check_version(path, str(kind), int(version) if version.ndim == 0 else None)
            _check_names(path, set(members))
            fields = {
                name: _member(path, archive, members[name], dtype)
                for name, dtype in {"tick": "<f8", "shape": "<i8", **_NUMBERS}.items()
                if name in members
            }
    except _ZIP_ERRORS as error:
        raise _corrupt(path, f"is not a readable .npz: {error or type(error).__name__}") from error
    for name, array in fields.items():
        if array.ndim != (0 if name == "tick" else 1):
            raise _corrupt(path, f"{name} has other axes", found=f"shape {array.shape}")
    return fields


def _check_sizes(path: Path, members: dict[str, zipfile.ZipInfo]) -> None:
    held = path.stat().st_size
    declared = sum(info.file_size for info in members.values())
    packed = [name for name, info in members.items() if info.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise _corrupt(path, f"{packed[0]} is compressed", expected="parts stored as they are")
    if declared > held:
        raise _corrupt(
            path,
            "declares more than it holds",
            found=f"{declared} bytes",
            expected=f"at most {held}",
        )


def _member(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: str
) -> NDArray[Any]:
    content = io.BytesIO(archive.read(info))  # checks the CRC-32
    version = np.lib.format.read_magic(content)
    if version != (1, 0):
        raise _corrupt(path, f"{info.filename} is of another .npy version", version, (1, 0))
    shape, _, found = np.lib.format.read_array_header_1_0(content)
    if found != np.dtype(dtype) and not (dtype == "U" and found.kind == "U"):
        raise _corrupt(path, f"{info.filename} is of another type", found, dtype)
    n = 1
    for size in shape:
        n *= size
    here = info.file_size - content.tell()
    if len(shape) > 1 or n < 0 or n * found.itemsize != here:
        raise _corrupt(
            path,
            f"{info.filename} declares another size than it has",
            found=f"shape {shape} of {found}",
            expected=f"{here} bytes",
        )
    array: NDArray[Any] = np.frombuffer(content.getvalue(), found, offset=content.tell(), count=n)
    return array.reshape(shape)


# --- .h5 ------------------------------------------------------------------------------------------


def _write_h5(events: Events, path: Path) -> None:
    # from version 1.10 of the file format on, HDF5 checks all of its own structures by checksums
    with replacing_hdf5(path, libver=("v110", "v110")) as file:
        file.attrs["format"] = np.bytes_(FORMAT)
        file.attrs["version"] = np.int64(VERSION)
        file.attrs["tick"] = np.float64(events.tick)
        file.attrs["shape"] = np.array(events.shape, "<i8")
        for name, array in _arrays(events).items():
            dataset = file.create_dataset(name, data=array, track_times=False)
            dataset.attrs["crc32"] = np.int64(zlib.crc32(array.data))


def _read_h5(path: Path) -> dict[str, Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if "format" not in file.attrs or "version" not in file.attrs:
                _check_version(path, None, None)
            kind = _attribute(path, file, "format")
            version = _attribute(path, file, "version")
            known = kind.decode("ascii", "replace") if isinstance(kind, bytes) else kind
            _check_version(path, known, int(version) if isinstance(version, np.integer) else None)
            _check_names(path, set(file.keys()) | set(file.attrs.keys()))
            fields: dict[str, Any] = {
                "tick": _attribute(path, file, "tick"),
                "shape": _attribute(path, file, "shape"),
            }
            for name in _NUMBERS:
                if name in file:
                    fields[name] = _dataset(path, file, name)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise _corrupt(path, f"is not a readable .h5: {error}") from error
    shape = fields["shape"]
    if not isinstance(fields["tick"], np.float64) or not (
        isinstance(shape, np.ndarray) and shape.ndim == 1 and shape.dtype == np.int64
    ):
        raise _corrupt(path, "tick or shape are of another type", expected="float64 and int64")
    return fields


def _attribute(path: Path, place: Any, name: str) -> Any:
    described = place.attrs.get_id(name)
    n = 1
    for size in described.shape:
        n *= size
    # variable-length and object types have kind O; MAX_AXES numbers are the most we write
    if described.dtype.kind not in "Sif" or len(described.shape) > 1 or n > MAX_AXES:
        raise _corrupt(path, f"attribute {name} is of another type", found=described.dtype)
    if described.dtype.itemsize > MAX_TEXT:
        raise _corrupt(
            path, f"attribute {name} is too long", found=f"{described.dtype.itemsize} bytes"
        )
    return place.attrs[name]


def _dataset(path: Path, file: Any, name: str) -> NDArray[Any]:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise _corrupt(path, f"{name} lies outside the file")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise _corrupt(path, f"{name} is not an array")
    plan = dataset.id.get_create_plist()
    dtype = np.dtype(_NUMBERS[name])
    if dataset.dtype != dtype or dataset.ndim != 1:
        raise _corrupt(
            path, f"{name} is of another type", f"{dataset.dtype}, {dataset.ndim} axes", dtype
        )
    n_bytes = dataset.shape[0] * dtype.itemsize
    held = dataset.id.get_storage_size()
    if (
        plan.get_layout() != h5py.h5d.CONTIGUOUS
        or plan.get_external_count()
        or held != n_bytes
        or held > path.stat().st_size
    ):
        raise _corrupt(
            path,
            f"{name} declares another size than it has",
            found=f"{n_bytes} bytes declared, {held} stored",
            expected="an array stored as it is, inside the file",
        )
    array: NDArray[Any] = dataset[:]
    crc = _attribute(path, dataset, "crc32") if "crc32" in dataset.attrs else None
    if crc != zlib.crc32(array.data):
        raise _corrupt(path, f"{name} has changed", found="another CRC-32 than was written")
    array.setflags(write=False)
    return array
