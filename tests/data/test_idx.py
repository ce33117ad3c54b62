"""idx files: good ones read back, any damage is a FormatError, nothing large is taken on trust."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikewright.data import load
from spikewright.data.idx import FILES, LARGEST, read_idx
from spikewright.errors import DataError, FormatError, SpikewrightError


def idx(array: np.ndarray) -> bytes:
    """Return an idx file of unsigned bytes."""
    head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 3), np.uint8)
LABELS = (np.arange(60) % 5).astype(np.uint8)
GOOD = idx(IMAGES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return four small files, two of them gzipped."""
    for what, stem in FILES.items():
        content = GOOD if what.endswith("images") else idx(LABELS)
        if what.startswith("train"):
            (tmp_path / f"{stem}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / stem.replace("-idx", ".idx")).write_bytes(content)
    return tmp_path


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_items_come_back(tmp_path: Path, pack: object) -> None:
    content = gzip.compress(GOOD) if pack is gzip.compress else GOOD
    items, digest = read_idx(write(tmp_path / "a", content), axes=3)
    assert np.array_equal(items, IMAGES)
    assert len(digest) == 64


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.data())
def test_damage_is_seen(tmp_path: Path, data: st.DataObject) -> None:
    packed = data.draw(st.booleans())
    content = bytearray(gzip.compress(GOOD, mtime=0) if packed else GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "grow"]))
        if kind == "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        elif kind == "cut" and place:
            del content[place:]
        else:
            content += bytes([data.draw(st.integers(0, 255))])
    path = write(tmp_path / "mutated", bytes(content))
    try:
        items, _ = read_idx(path, axes=3)
    except SpikewrightError:
        return
    # what is still accepted has the length that its header says
    unpacked = gzip.decompress(bytes(content)) if content[:2] == b"\x1f\x8b" else bytes(content)
    assert idx(items) == unpacked


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not an idx file .* found first bytes none, expected 00 00 08 03"),
        (idx(LABELS), "found first bytes 00 00 08 01, expected 00 00 08 03 — check that images"),
        (GOOD[:9], "ends in its header; found 9 bytes, expected 16"),
        (GOOD[:-1], "truncated: shorter than its header says; found at most 735 bytes"),
        (GOOD + b"x", "has bytes after its last item; found more than 720 bytes, expected 720"),
        (gzip.compress(GOOD[:-1]), "truncated; found 719 bytes of items, expected 720"),
        (gzip.compress(GOOD + b"x"), "has bytes after its last item"),
        (gzip.compress(GOOD)[:-9], "broken gzip file"),
        (gzip.compress(GOOD) + b"rubbish", "broken gzip file"),
        (b"\x1f\x8b" + GOOD, "broken gzip file"),
        (idx(np.zeros((0, 4, 3))), r"empty, or larger than is read; found items \(0, 4, 3\)"),
        (GOOD[:4] + b"\xff" * 12, "empty, or larger than is read; found items"),
        (GOOD[:4] + struct.pack(">3I", 60000, 28, 28), "truncated: shorter than its header says"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_idx(write(tmp_path / "bad", content), axes=3)


def test_a_gzip_bomb_takes_no_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(GOOD[:4] + struct.pack(">3I", 100, 1, 1) + bytes(64 << 20))
    lie = gzip.compress(GOOD[:4] + struct.pack(">3I", LARGEST // 1024, 32, 32) + bytes(1 << 20))
    paths = [write(tmp_path / "bomb", bomb), write(tmp_path / "lie", lie)]
    tracemalloc.start()
    for path in paths:
        with pytest.raises(FormatError, match=r"bytes after its last item|shorter than its header"):
            read_idx(path, axes=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_folder(folder: Path) -> None:
    data = load("mnist", folder, steps=3)
    assert [data.train.n, data.validation.n, data.test.n] == [55, 5, 60]
    both = np.concatenate([data.train.numbers, data.validation.numbers])  # type: ignore[arg-type]
    assert np.array_equal(np.sort(both), np.arange(60))
    np.testing.assert_allclose(data.test.inputs, IMAGES / 255, rtol=1e-6)
    assert "files are NOT those published" in data.notes[1]
    assert load("mnist", str(folder)).checksum == data.checksum


def test_missing_folder_and_files(folder: Path) -> None:
    with pytest.raises(
        DataError, match="'mnist': needs a folder of idx files; found no folder — p"
    ):
        load("mnist")
    with pytest.raises(DataError, match="found no folder '/nowhere'"):
        load("fashion_mnist", "/nowhere")
    (folder / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(
        DataError, match=r"lacks files; found train-labels.*expected train-images-i"
    ):
        load("mnist", folder)


def test_files_that_do_not_fit(folder: Path) -> None:
    (folder / "t10k-labels.idx1-ubyte").write_bytes(idx(np.full(59, 11)))
    (folder / "t10k-images.idx3-ubyte").write_bytes(idx(IMAGES[:, :3]))
    with pytest.raises(DataError, match="3 problems") as caught:
        load("mnist", folder)
    for words in (
        "test: not one label per image; found 59, expected 60",
        "test: has a label without a class; found 11, expected 0 to 9",
        "test: has images of another size than train; found (3, 3), expected (4, 3)",
    ):
        assert words in str(caught.value)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: cannot be read \(No such file"):
        read_idx(tmp_path / "absent", axes=1)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_published_files(shared: Path, name: str) -> None:
    data = load(name, shared / "data" / name, steps=2)
    assert data.train.n + data.validation.n == 60000
    assert data.test.n == 10000
    assert data.shape == (28, 28)
    assert "the files are those published" in data.notes[1]
