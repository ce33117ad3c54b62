"""MNIST and Fashion-MNIST: the idx files of a folder, plain or gzipped, read as untrusted input.

Notation: an idx file is two zero bytes, a type, a number of axes, one big-endian uint32 per axis, then the items.

Source
------
LeCun, Cortes, Burges, "The MNIST database", section "File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from spikewright.data.base import Dataset, Samples
from spikewright.data.encoding import Constant, Encoding
from spikewright.data.split import stratified
from spikewright.errors import DataError, FormatError, Problems, explain
from spikewright.units import ms

UNSIGNED_BYTE = 0x08
LARGEST = 1 << 30
"""Bytes of items that are read at most; the largest known relative, EMNIST by class, has 0.55e9."""
DEFLATE_RATIO = 1032
"""Bytes that one byte of deflate can hold at most: 258 from 2 bits (RFC 1951, 3.2.5; zlib's manual gives 1032:1)."""
CHUNK = 1 << 20
VALIDATION_SHARE = 1 / 12
FILES = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}
FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
MNIST_SHA256 = "ca679089cd9dd461d7b26e36e51216fc71f9271f8082e09656a7c1d29a50483b"
FASHION_SHA256 = "697249e9d1e87d6b2c6a738e828c890264cffecccb13840d472e3585751a5582"
"""Of the four sha256 of the unpacked files, hexadecimal, in the order of `FILES`, joined by newlines."""


def read_idx(path: Path, *, axes: int) -> tuple[NDArray[np.uint8], str]:
    """Read one idx file of unsigned bytes.

    Parameters
    ----------
    path : an idx file, gzipped if it begins so
    axes : how many axes it must have: 3 for images, 1 for labels

    Returns
    -------
    its items, and the sha256 of the unpacked file

    Raises
    ------
    FormatError : not an idx file of these axes, truncated, with bytes left over, or larger than `LARGEST`
    DataError : it cannot be opened
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                return _read_open(path, raw, axes, most=size)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _read_open(path, unpacked, axes, most=size * DEFLATE_RATIO)  # type: ignore[arg-type]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(
            explain(str(path), f"broken gzip file ({error})", cure="fetch the file again")
        ) from error
    except OSError as error:
        raise DataError(
            explain(str(path), f"cannot be read ({error.strerror or error})")
        ) from error


def _read_open(
    path: Path, file: BinaryIO, axes: int, *, most: int
) -> tuple[NDArray[np.uint8], str]:
    head = file.read(4 + 4 * axes)
    magic = bytes((0, 0, UNSIGNED_BYTE, axes))
    if head[:4] != magic:
        raise FormatError(
            explain(
                str(path),
                "is not an idx file of unsigned bytes with the axes wanted",
                found=f"first bytes {head[:4].hex(' ') or 'none'}",
                expected=magic.hex(" "),
                cure="check that images and labels were not exchanged",
            )
        )
    if len(head) < 4 + 4 * axes:
        raise FormatError(
            explain(
                str(path), "ends in its header", found=f"{len(head)} bytes", expected=4 + 4 * axes
            )
        )
    shape = struct.unpack(f">{axes}I", head[4:])
    wanted = math.prod(shape)
    if wanted == 0 or wanted > LARGEST:
        raise FormatError(
            explain(
                str(path),
                "empty, or larger than is read",
                found=f"items {shape}",
                expected=f"1 to {LARGEST} bytes",
            )
        )
    if wanted + len(head) > most:
        raise FormatError(
            explain(
                str(path),
                "truncated: shorter than its header says",
                found=f"at most {most} bytes",
                expected=wanted + len(head),
                cure="fetch the file again",
            )
        )
    digest = hashlib.sha256(head)
    store = io.BytesIO()
    # one byte more than wanted, so that what is left over is seen, and gzip checks its sum at the end
    while (left := wanted + 1 - store.tell()) > 0:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            break
        digest.update(chunk)
        store.write(chunk)
    if store.tell() != wanted:
        short = store.tell() < wanted
        raise FormatError(
            explain(
                str(path),
                "truncated" if short else "has bytes after its last item",
                found=f"{store.tell()} bytes of items" if short else f"more than {wanted} bytes",
                expected=wanted,
                cure="fetch the file again",
            )
        )
    items = np.frombuffer(store.getbuffer(), np.uint8).reshape(shape)
    return items, digest.hexdigest()


def mnist(
    folder: Path | None = None,
    *,
    encoding: Encoding | None = None,
    steps: int = 20,
    dt: float = 1 * ms,
) -> Dataset:
    """Read MNIST from a folder of its four idx files; arguments and errors as in `read_folder`."""
    return read_folder(
        folder,
        name="mnist",
        classes=tuple(str(n) for n in range(10)),
        known=MNIST_SHA256,
        source="Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits",
        license="CC BY-SA 3.0",
        encoding=encoding,
        steps=steps,
        dt=dt,
    )


def fashion_mnist(
    folder: Path | None = None,
    *,
    encoding: Encoding | None = None,
    steps: int = 20,
    dt: float = 1 * ms,
) -> Dataset:
    """Read Fashion-MNIST from a folder of its four idx files; arguments and errors as in `read_folder`."""
    return read_folder(
        folder,
        name="fashion_mnist",
        classes=FASHION,
        known=FASHION_SHA256,
        source="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv 1708.07747 (2017)",
        license="MIT",
        encoding=encoding,
        steps=steps,
        dt=dt,
    )


def read_folder(
    folder: Path | None,
    *,
    name: str,
    classes: tuple[str, ...],
    known: str,
    source: str,
    license: str,
    encoding: Encoding | None,
    steps: int,
    dt: float,
) -> Dataset:
    """Read four idx files. The official test part stays; 1/12 of each training class becomes validation.

    Parameters
    ----------
    folder : holds the four files, each plain or with `.gz`
    name, classes, source, license : of the data set
    known : checksum of the published files; others are read too, and the notes say so
    encoding : how images enter a network; default `Constant()`
    steps : T
    dt : float, s

    Returns
    -------
    Dataset : shape (Y, X), grey values 0 to 255 as 0 to 1

    Raises
    ------
    DataError : the folder or a file is missing, or images and labels do not fit
    FormatError : a file is damaged
    """
    arrays: dict[str, NDArray[np.uint8]] = {}
    sums = []
    for what, path in _find(folder, name).items():
        arrays[what], digest = read_idx(path, axes=3 if what.endswith("images") else 1)
        sums.append(digest)
    problems = Problems()
    for part in ("train", "test"):
        images, labels = arrays[f"{part} images"], arrays[f"{part} labels"]
        where = f"{folder}: {part}"
        if len(images) != len(labels):
            problems.add(where, "not one label per image", found=len(labels), expected=len(images))
        if labels.max() >= len(classes):
            problems.add(
                where,
                "has a label without a class",
                found=int(labels.max()),
                expected=f"0 to {len(classes) - 1}",
            )
    if arrays["train images"].shape[1:] != arrays["test images"].shape[1:]:
        problems.add(
            f"{folder}: test",
            "has images of another size than train",
            found=arrays["test images"].shape[1:],
            expected=arrays["train images"].shape[1:],
        )
    problems.raise_as(DataError)
    how = Constant() if encoding is None else encoding
    validation, train = stratified(
        arrays["train labels"].astype(np.int64),
        (VALIDATION_SHARE, 1 - VALIDATION_SHARE),
        name=f"data/{name}/split",
    )

    def samples(part: str, side: str, chosen: NDArray[np.int64]) -> Samples:
        images = arrays[f"{side} images"][chosen].astype(np.float32)
        images /= 255
        chosen_labels = arrays[f"{side} labels"][chosen].astype(np.int64)
        return Samples(images, chosen_labels, how, steps, dt, part, numbers=chosen)

    checksum = hashlib.sha256("\n".join(sums).encode()).hexdigest()
    everything = np.arange(len(arrays["test labels"]))
    parts = (
        samples("train", "train", train),
        samples("validation", "train", validation),
        samples("test", "test", everything),
    )
    published = "are" if checksum == known else "are NOT"
    return Dataset(
        name=name,
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        classes=classes,
        shape=parts[0].shape,
        steps=steps,
        dt=dt,
        source=source,
        license=license,
        checksum=checksum,
        notes=(
            f"official test part; 1/12 of each training class is validation, by the fixed stream "
            f"'data/{name}/split'",
            f"the files {published} those published, by their sha256",
        ),
    )


def _find(folder: Path | None, name: str) -> dict[str, Path]:
    cure = f"put {', '.join(FILES.values())} (each plain or .gz) into one folder and name it"
    if folder is None or not folder.is_dir():
        raise DataError(
            explain(
                f"data set {name!r}",
                "needs a folder of idx files",
                found="no folder" if folder is None else f"no folder {str(folder)!r}",
                cure=cure,
            )
        )
    found, missing = {}, []
    for what, stem in FILES.items():
        # some mirrors write a point in place of the hyphen before 'idx'
        names = [stem, stem.replace("-idx", ".idx")]
        paths = [folder / f"{stem}{end}" for stem in names for end in ("", ".gz")]
        present = [path for path in paths if path.is_file()]
        if present:
            found[what] = present[0]
        else:
            missing.append(stem)
    if missing:
        raise DataError(
            explain(
                f"data set {name!r}: {folder}",
                "lacks files",
                found=", ".join(path.name for path in found.values()) or "none of the four",
                expected=", ".join(missing),
                cure=cure,
            )
        )
    return found
