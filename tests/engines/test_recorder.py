"""Recordings in memory and in files are the same, and a file survives whatever ends its run."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache

import h5py
import numpy as np
import pytest

from spikewright.engines import journal
from spikewright.engines.record import Record
from spikewright.engines.recorder import (
    FileRecorder,
    MemoryRecorder,
    is_complete,
    read_recording,
    read_spikes,
)
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError, FormatError
from spikewright.testing.recorded_run import (
    RECORD,
    Tape,
    assert_same_recording,
    facts,
    network,
    run_into,
)

CHUNKS = (7, 1, 20, 12)
NET = network()


@cache
def tape(chunks=CHUNKS, start=0):
    """What the run of `NET` in these chunks tells a recorder, from the step `start` on."""
    told = Tape()
    run_into(told, NET, chunks, state=tape((start,)).state if start else None)
    return told


@cache
def in_memory(chunks=CHUNKS, start=0):
    recorder = MemoryRecorder()
    tape(chunks, start).play(recorder)
    return recorder.recording


def test_memory_is_one_run():
    net, found = NET, in_memory()
    whole = Reference().run(
        net, steps=40, batch=2, seed=5, first_sample=1,
        record={n: r.variables for n, r in RECORD.items()},
    )  # fmt: skip
    assert found.spikes["hid"].n > 0
    assert found.spikes["graded"].value is not None
    for name, spikes in whole.spikes.items():
        assert np.array_equal(found.spikes[name].step, spikes.step)
        assert np.array_equal(found.spikes[name].address, spikes.address)
    hid = whole.traces["hid"]["v"].reshape(40, 2, 4)[::4][:, :, [3, 1]]
    assert np.array_equal(found.trace("hid", "v"), hid)
    assert found.trace("graded", "v").shape == (14, 2, 4)
    assert found.trace("out", "v").shape == (40, 2, 2)
    assert found.trace_steps("hid").tolist() == list(range(0, 40, 4))
    assert found.trace_neurons("hid").tolist() == [3, 1]
    assert found.trace_neurons("out").tolist() == [0, 1]
    assert np.array_equal(found.dense("out"), whole.dense("out"))


def test_a_trace_in_part_is_not_dense():
    recorder = MemoryRecorder()
    run_into(recorder, NET, (3,), record={"out": Record("output", every=2)})
    found = replace(recorder.recording, spikes={})
    with pytest.raises(EngineError, match=r"traces\['out'\]: only some neurons or steps were kept"):
        found.dense("out")


def test_a_file_is_what_memory_holds(tmp_path):
    net = network()
    tape().play(FileRecorder(tmp_path / "r.h5"))
    found, expected, state = read_recording(tmp_path / "r.h5"), in_memory(), tape().state
    assert is_complete(tmp_path / "r.h5")
    assert_same_recording(found, expected)
    assert found.engine == "reference"
    assert found.state.step == 40
    assert np.array_equal(found.state.values["hid"]["v"], state.values["hid"]["v"])
    assert found.network.projections == {}
    assert found.events("hid", 1).n == expected.events("hid", 1).n
    again = read_recording(tmp_path / "r.h5", net)
    assert np.array_equal(again.operations("a"), expected.operations("a"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.h5"]


def test_going_on_from_what_a_file_says(tmp_path):
    net = network()
    tape((15,)).play(FileRecorder(tmp_path / "r.h5"))
    state = read_recording(tmp_path / "r.h5").state
    run_into(FileRecorder(tmp_path / "r.h5", append=True), net, (25,), state=state)
    assert_same_recording(read_recording(tmp_path / "r.h5"), in_memory((15, 25)))


def test_appending_replaces_what_lies_beyond(tmp_path):
    tape((11, 30)).play(FileRecorder(tmp_path / "r.h5"))
    tape((9, 20), 11).play(FileRecorder(tmp_path / "r.h5", append=True))
    assert_same_recording(read_recording(tmp_path / "r.h5"), in_memory((40,)))


def test_appending_to_nothing_begins(tmp_path):
    tape().play(FileRecorder(tmp_path / "r.h5", append=True))
    assert_same_recording(read_recording(tmp_path / "r.h5"), in_memory())


def test_a_later_start(tmp_path):
    tape((7, 8), 10).play(FileRecorder(tmp_path / "r.h5"))
    found = read_recording(tmp_path / "r.h5")
    assert (found.first_step, found.steps) == (10, 15)
    assert found.trace_steps("hid").tolist() == [2, 6, 10, 14], "steps 12, 16, 20, 24"
    assert_same_recording(found, in_memory((7, 8), 10))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 6}, "holds a recording with another seed; found 5, expected 6"),
        ({"net": network(1)}, "holds a recording with another fingerprint"),
        ({"record": {}}, "holds a recording with another traces"),
        ({"first_step": 12}, r"does not begin where the recording ends, or before; found step 12"),
    ],
)
def test_appending_to_another_run(tmp_path, change, message):
    net = network()
    tape((11,)).play(FileRecorder(tmp_path / "r.h5"))
    options = {"first_step": 11} | change
    told = options.pop("net", net)
    with pytest.raises(EngineError, match=message):
        FileRecorder(tmp_path / "r.h5", append=True).begin(told, facts(told, **options))


def test_rows_that_are_missing(tmp_path):
    recorder = FileRecorder(tmp_path / "r.h5")
    recorder.begin(network(), facts(network()))
    with pytest.raises(
        EngineError, match=r"'hid'\.v: rows are missing or given twice; found row 1"
    ):
        recorder.trace("hid", "v", 1, np.zeros((1, 2, 2)))
    recorder.close()
    recorder.close()


# -- what may go wrong -----------------------------------------------------------------------------------


def until(path, stop):
    """Run into a file, and break off behind the flush at `stop` steps; return the recorder, still open."""
    recorder = FileRecorder(path)
    for name, told in tape().calls:
        getattr(recorder, name)(*told)
        if (name, told) == ("flush", (stop,)):
            return recorder
    raise AssertionError(stop)


def test_a_run_that_was_broken_off(tmp_path):
    net = network()
    recorder = until(tmp_path / "r.h5", 28)
    recorder.close()
    found = read_recording(tmp_path / "r.h5")
    assert not is_complete(tmp_path / "r.h5")
    assert_same_recording(found, in_memory((28,)))
    assert found.state.step == 28
    with pytest.raises(EngineError, match="does not fit the network or the batch"):
        Reference().run(net, steps=1, batch=2, state=found.state)


def test_what_waits_for_a_flush_is_not_seen(tmp_path):
    recorder = until(tmp_path / "r.h5", 8)
    recorder.spikes("hid", *np.array([[9], [0], [2]]), None)
    recorder._write()
    shutil.copy(tmp_path / "r.h5", tmp_path / "copy.h5")
    for name in ("copy.h5", "r.h5"):
        assert_same_recording(read_recording(tmp_path / name), in_memory((8,)))
    recorder.close()
    assert_same_recording(read_recording(tmp_path / "r.h5"), in_memory((8,)))


@pytest.fixture(scope="module")
def known():
    """Recordings of the first n steps."""
    found = {}
    for i in range(len(CHUNKS) + 1):
        chunks = CHUNKS[:i]
        found[sum(chunks)] = in_memory(chunks) if chunks else None
    return found


def check_kept(path, known, error=""):
    found = read_recording(path)
    assert found.steps in known
    if found.steps:
        assert_same_recording(found, known[found.steps])
    else:
        assert all(s.n == 0 for s in found.spikes.values())
    spikes = sum(s.n for s in found.spikes.values())
    if error:
        assert f"steps 0 to {found.steps} with {spikes} spikes are kept there" in error
    return found.steps


def test_every_write_may_be_the_last(tmp_path, known, monkeypatch):
    """Whatever write to the disk fails: what is kept is a prefix that ends at a flush, and the message says which."""
    path = tmp_path / "r.h5"
    left = [10**9]
    real_pwrite, real_open = os.pwrite, open

    def pwrite(fd, data, offset):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        if left[0] == 0:
            return real_pwrite(fd, bytes(data)[: max(1, len(data) // 2)], offset)
        return real_pwrite(fd, data, offset)

    def opening(place, *more, **options):
        left[0] -= 1
        if left[0] < 0 and str(place).endswith(".journal"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_open(place, *more, **options)

    monkeypatch.setattr(journal.os, "pwrite", pwrite)
    monkeypatch.setattr(journal, "open", opening, raising=False)
    tape().play(FileRecorder(path))
    total = 10**9 - left[0]
    assert total > 20
    seen = set()
    for n in range(0, total, max(1, total // 25)):
        path.unlink(missing_ok=True)
        left[0] = n
        with pytest.raises(EngineError) as caught:
            tape().play(FileRecorder(path))
        left[0] = 10**9
        message = str(caught.value)
        assert "the recording cannot go on: No space left on device" in message
        # a commit whose journal was whole is finished by the next reader
        seen.add(check_kept(path, known, message if not journal.journal_of(path).exists() else ""))
        assert not journal.journal_of(path).exists()
    assert len(seen) > 2


def test_a_full_disk(tmp_path, known):
    """A limit on the size of files, in a process of its own."""
    path = tmp_path / "r.h5"
    code = (
        "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from spikewright.testing.recorded_run import network, run_into\n"
        "from spikewright.engines import recorder\n"
        "from spikewright.errors import EngineError\n"
        "recorder.CHUNK = 256\n"
        "def after(steps):\n"
        "    if steps == 8:\n"
        "        size = os.path.getsize(sys.argv[1]) + 300\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (size,) * 2)\n"
        "try:\n"
        f"    run_into(recorder.FileRecorder(sys.argv[1]), network(), {CHUNKS} + (100,), after=after)\n"
        "except EngineError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert "the recording cannot go on: File too large" in done.stdout
    assert done.stderr == ""
    assert check_kept(path, known, done.stdout) >= 8


def test_a_killed_run(tmp_path, known):
    path = tmp_path / "r.h5"
    code = (
        "import sys\n"
        "from spikewright.testing.recorded_run import network, run_into\n"
        "from spikewright.engines.recorder import FileRecorder\n"
        "import time\n"
        "def after(steps):\n"
        "    print(steps, flush=True)\n"
        f"run_into(FileRecorder(sys.argv[1]), network(), {CHUNKS} + (1,) * 100000, after=after)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 60:
            break
    time.sleep(0.013)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = read_recording(path)
    assert found.steps >= 60
    assert_same_recording(found, in_memory((found.steps,)))


def test_a_commit_that_was_cut_off_is_finished(tmp_path, known, monkeypatch):
    path = tmp_path / "r.h5"
    real = journal._apply

    def cut(fd, pages, size):
        half = dict(sorted(pages.items())[: len(pages) // 2])
        real(fd, half, size)
        raise OSError(errno.EIO, "Input/output error")

    recorder = until(path, 8)
    recorder.spikes("hid", *np.array([[8], [0], [2]]), None)
    monkeypatch.setattr(journal, "_apply", cut)
    with pytest.raises(EngineError, match="Input/output error"):
        recorder.flush(9)
    monkeypatch.setattr(journal, "_apply", real)
    assert journal.journal_of(path).exists()
    damaged = tmp_path / "damaged.h5"
    shutil.copy(path, damaged)
    data = journal.journal_of(path).read_bytes()
    journal.journal_of(damaged).write_bytes(data)
    assert read_recording(damaged).steps == 9
    assert read_recording(damaged).spikes["hid"].n == known[8].spikes["hid"].n + 1
    # a journal that is not whole was never applied: it is dropped
    recorder = until(tmp_path / "s.h5", 8)
    recorder.close()
    journal.journal_of(tmp_path / "s.h5").write_bytes(data[:-3])
    check_kept(tmp_path / "s.h5", known)


# -- reading ---------------------------------------------------------------------------------------------


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    tape().play(FileRecorder(tmp_path / "r.h5"))
    found = read_recording(tmp_path / "r.h5")
    assert found.spikes["in"].n > 0
    (tmp_path / "r.h5").unlink()
    assert found.spikes["in"].n > 0, "kept once it was read"
    with pytest.raises(FormatError, match=r"r\.h5"):
        found.spikes["hid"]


@pytest.mark.parametrize(("first", "end"), [(0, None), (9, 17), (-5, 99), (30, 8), (39, 40)])
def test_spikes_of_some_steps(tmp_path, first, end):
    tape().play(FileRecorder(tmp_path / "r.h5"))
    for name, spikes in in_memory().spikes.items():
        found = read_spikes(tmp_path / "r.h5", name, first=first, end=end)
        chosen = (spikes.step >= first) & (spikes.step < (40 if end is None else end))
        assert np.array_equal(found.step, spikes.step[chosen])
        assert np.array_equal(found.address, spikes.address[chosen])
        assert (found.value is None) == (spikes.value is None)
        if spikes.value is not None:
            assert np.array_equal(found.value, spikes.value[chosen])
    with pytest.raises(EngineError, match="spikes of 'x' were not kept; expected in, hid"):
        read_spikes(tmp_path / "r.h5", "x")


def test_of_another_network(tmp_path):
    tape((3,)).play(FileRecorder(tmp_path / "r.h5"))
    with pytest.raises(EngineError, match="a recording of another network; found 'network'"):
        read_recording(tmp_path / "r.h5", network(1))


def test_not_a_recording(tmp_path):
    with pytest.raises(FormatError, match="no such file"):
        read_recording(tmp_path / "none.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = 1
    with pytest.raises(FormatError, match="not a recording of Spikewright; found a"):
        read_recording(tmp_path / "x.h5")
    tape((3,)).play(FileRecorder(tmp_path / "r.h5"))
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        about = json.loads(file["about"][()])
        del file["about"], about["batch"]
        file["about"] = json.dumps(about)
    with pytest.raises(FormatError, match="/about: not a recording; found 'batch'"):
        read_recording(tmp_path / "r.h5")
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        del file["version"]
        file["version"] = 2
    with pytest.raises(FormatError, match="written by a newer Spikewright; found 2, expected 1"):
        read_recording(tmp_path / "r.h5")


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(FormatError, match="no such folder"):
        FileRecorder(tmp_path / "no" / "r.h5").begin(network(), facts(network()))


def test_a_disk_that_is_full_from_the_start(tmp_path):
    path = tmp_path / "r.h5"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FormatError, match=r"File too large.*nothing was changed"):
            FileRecorder(path).begin(network(), facts(network()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []
