"""Text attributes without the HDF5 library: what the library wrote, and lengths and heaps that are damaged."""

import io

import h5py
import numpy as np
import pytest

from spikewright.events.formats.hdf5_text import MAX_TEXT, attributes
from spikewright.events.formats.source import Source

TEXTS = {f"name {k}": f"value {k} äöü" * k for k in range(1, 7)}


def file_of(fill, **options):
    raw = io.BytesIO()
    with h5py.File(raw, "w", **options) as file:
        fill(file)
        address = h5py.h5o.get_info(file.id).addr
    return raw.getvalue(), address


def texts(file):
    for name, value in TEXTS.items():
        file.attrs[name] = value


@pytest.mark.parametrize("libver", ["earliest", "v110"])
def test_what_the_library_wrote(libver):
    def fill(file):
        texts(file)
        file.attrs["fixed"] = np.bytes_(b"of six")
        file.attrs["number"] = 7
        if libver == "earliest":  # newer files keep more than eight elsewhere
            file.attrs["two"] = np.array(["a", "b"], h5py.string_dtype())

    data, address = file_of(fill, libver=libver)
    found = attributes(Source(data), address)
    assert found == {**TEXTS, "fixed": "of six"}


def test_texts_of_arrays_are_told_apart(shared):
    path = shared / "vectors" / "events" / "prophesee_ecf.hdf5"
    with h5py.File(path) as file, Source(path) as source:
        address = h5py.h5o.get_info(file["CD/indexes"].id).addr
        assert attributes(source, address) == {"offset": "-1279"}
        root = h5py.h5o.get_info(file.id).addr
        assert attributes(source, root) == dict(file.attrs)


def test_a_damaged_length_takes_no_memory():
    """The library would take 3 GB for this."""
    data, address = file_of(lambda file: file.attrs.update({"geometry": "640x480"}))
    at = data.index(b"geometry\0")
    length = data.index((7).to_bytes(4, "little"), at)
    damaged = data[:length] + b"\x07\0\0\xc4" + data[length + 4 :]
    assert attributes(Source(damaged), address) == {"geometry": "640x480"}


def test_long_texts_are_cut():
    data, address = file_of(lambda file: file.attrs.update({"a": "b" * 5000}))
    assert attributes(Source(data), address) == {"a": "b" * MAX_TEXT}


@pytest.mark.parametrize("libver", ["earliest", "v110"])
def test_any_damage_ends_at_once(libver):
    data, address = file_of(texts, libver=libver)
    rng = np.random.default_rng(0)
    for _ in range(1000):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 6):
            damaged[at] = rng.choice([0, 255, rng.integers(256)])
        found = attributes(Source(bytes(damaged)), address)
        assert all(len(value) <= MAX_TEXT for value in found.values())
    assert attributes(Source(b""), 5) == {}
    assert attributes(Source(data), 2**63) == {}
