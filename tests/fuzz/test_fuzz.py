"""A little of what `make fuzz` does, every time; and the harness, on sound files and on wrong readers."""

import os
import random
from pathlib import Path

import fuzz_oracles
import pytest
from fuzz_corpus import NAMES, samples
from fuzz_damage import Change, damage, size_fields
from fuzz_oracles import Broken, examine
from fuzz_recount import recount
from run import Case

from spikewright.errors import EventError
from spikewright.events.formats import read

DEAR = {"ecf": 6, "dsec": 6, "mvsec": 6, "rosbag": 30, "npz": 60, "stmnist": 40, "text": 80, "csv": 80}  # fmt: skip
"""Format -> executions, where they are dear; of all others there are 160."""


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_break_no_promise(name, tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, "fsync", lambda file: None
    )  # hundreds of files are mended; no disk need keep them
    pytest.importorskip("rosbags" if name == "rosbag" else "numpy")
    case = Case(name, real=False)
    done = [case.run(number, tmp_path)[0] for number in range(DEAR.get(name, 160))]
    assert any(done) or name in ("dsec", "ecf", "mvsec")  # most damage makes HDF5 unreadable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["evt3", "aedat4"])
def test_the_same_number_is_the_same_case(name, tmp_path):
    one, other = Case(name, real=False), Case(name, real=False)
    for number in (3, 77):
        made = [case.run(number, tmp_path, keep=True)[1][1] for case in (one, other)]
        assert made[0] == made[1]


def test_damage_tells_where_it_is():
    content, other = bytes(range(256)) * 3, b"\xff" * 50
    fields, n_same = size_fields(content), 0
    for seed in range(300):
        damaged, change = damage(content, other, fields, random.Random(seed))
        assert damaged[: change.first] == content[: change.first]
        if change.same_size:
            n_same += 1
            assert len(damaged) == len(content)
            assert damaged[change.last :] == content[change.last :]
        if change.only_cut:
            assert damaged == content[: change.first]
    assert n_same > 50


@pytest.mark.parametrize("name", ["evt2", "evt21", "evt3", "evt4", "dat", "es", "atis", "aedat2"])
def test_recounts_know_sound_files(name):
    """The slow decoders find every event, and nothing wrong, where there is nothing wrong."""
    found = [s for s in samples(name, real=False) if s.content and recount(name, s.kind, b"", 0)]
    assert len(found) > 1
    for sample in found:
        loaded = read(sample.content, format=name)
        height = loaded.header.height if name in ("es", "aedat2") else 0
        count = recount(sample.format, sample.kind, sample.content[sample.head :], height)
        assert (count.lost, count.bad, count.left) == (0, 0, 0)
        assert len(count.events) == loaded.events.n


def test_packets_are_found_without_our_readers():
    for name in fuzz_oracles.PACKETED:
        for sample in samples(name, real=False):
            counts = [count for _, _, count in fuzz_oracles.packets_of(sample)]
            assert sum(counts) == read(sample.content).events.n


def _first(name, title):
    return next(s for s in samples(name, real=False) if s.name == title)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("evt3", lambda loaded: loaded.irregularities.clear()),
        ("evt2", lambda loaded: object.__setattr__(loaded, "events", loaded.events[1:])),
        ("csv", lambda loaded: object.__setattr__(loaded, "events", loaded.events[:-1])),
        ("aedat3", lambda loaded: object.__setattr__(loaded, "events", loaded.events[:-1])),
    ],
)
def test_readers_that_lose_events_are_caught(name, wrong, monkeypatch, tmp_path):
    sample = _first(name, "dense")
    content = sample.content[:-1] if name == "evt3" else sample.content

    def read_wrongly(*given, **options):
        loaded = read(*given, **options)
        wrong(loaded)
        return loaded

    change = Change(len(content), len(sample.content), name != "evt3")
    fuzz_oracles._original(sample)
    monkeypatch.setattr(fuzz_oracles, "read", read_wrongly)
    with pytest.raises(Broken):
        examine(sample, content, change, _Fixed(0.5), tmp_path)


def test_readers_that_raise_anything_else_are_caught(monkeypatch, tmp_path):
    def raises(error):
        def wrong(*given, **options):
            raise error

        monkeypatch.setattr(fuzz_oracles, "read", wrong)
        sample = _first("evt2", "few")
        return examine(sample, sample.content, Change(0, 0), _Fixed(0.5), Path(tmp_path))

    with pytest.raises(IndexError):
        raises(IndexError("index 3 is out of bounds"))
    assert raises(EventError("told")) is False


class _Fixed(random.Random):
    def __init__(self, value):
        super().__init__(0)
        self._value = value

    def random(self):
        return self._value
