"""What we write: the bytes of independent writers, and the events that other libraries read.

The bytes of ECF are those of the reference codec: `tests/events/formats/test_ecf.py`.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from spikewright.events.formats import read, write

PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"

SAME_BYTES = {
    "evt2_vga.raw": {},
    "evt2_hd.raw": {},
    "evt2_wrap34.raw": {},
    "evt21_legacy_hd.raw": {"endianness": "legacy"},
    "evt3_hd.raw": {},
    "evt3_vga.raw": {},
    "evt3_wrap24.raw": {},
    "evt4_hd.raw": {},
    "cd_vga.dat": {},
    "cd_wrap32.dat": {},
    "dvs_hd.es": {},
    "dvs_sparse.es": {},
    "faery.es": {},
    "real_dvs.es": {},
    "davis346_31.aedat": {},
    "ovf_31.aedat": {},
    "nmnist.bin": {},
    "atis_overflow.bin": {},
    "events.txt": {},
}
"""File of another writer -> options of ours; read and written again, it is the same file."""
SAME_DATA = {
    "evt21_hd.raw": (b"% end\n", {}),
    "faery_evt2.raw": (b"geometry 640x480\n", {}),
    "faery.dat": (b"Height 480\n", {}),
    "expelliarmus.dat": (b"Version 2 \n\x00\x08", {}),
    "davis346.aedat": (b"Davis346blue\r\n", {"flip_x": True}),
}
"""File -> the end of its header, which every writer words differently, and options; all after it is the same."""


def rewritten(path: Path, folder: Path, options: dict[str, object]) -> bytes:
    told = {name: value for name, value in options.items() if name.startswith("flip")}
    loaded = read(path, **told)
    new = folder / path.name
    name = loaded.header.format
    write(new, loaded.events, format=name, header=loaded.header, extras=loaded.extras, **options)
    return new.read_bytes()


@pytest.mark.parametrize("name", SAME_BYTES)
def test_the_file_of_another_writer_comes_out_again(shared, tmp_path, name):
    path = shared / "vectors" / "events" / name
    assert rewritten(path, tmp_path, SAME_BYTES[name]) == path.read_bytes()


@pytest.mark.parametrize("name", SAME_DATA)
def test_the_data_of_another_writer_come_out_again(shared, tmp_path, name):
    path = shared / "vectors" / "events" / name
    end, options = SAME_DATA[name]
    theirs = path.read_bytes().partition(end)[2]
    assert len(theirs) > 100_000
    assert rewritten(path, tmp_path, options).endswith(theirs)


@pytest.fixture(scope="module")
def event_files():
    path = PEERS / "event_files.py"
    spec = importlib.util.spec_from_file_location("event_files", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["event_files"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["event_files"]


def test_every_format_that_can_be_written_has_a_judge(event_files):
    assert event_files.unread() == []


def test_other_libraries_read_what_we_write(shared, tmp_path, event_files):
    """Runs where SPIKEWRIGHT_PEERS names a folder with the environment `events` of benchmarks/peers/environments.py."""
    if not os.environ.get("SPIKEWRIGHT_PEERS"):
        pytest.skip("SPIKEWRIGHT_PEERS names no folder; benchmarks/peers/environments.py makes it")
    found = event_files.judge(event_files.interpreter(), shared / "vectors" / "events", tmp_path)
    apart = {
        f"{name}: {library}": said
        for name, row in found["cases"].items()
        for library, said in row["judges"].items()
        if said not in ("equal", "not installed")
    }
    assert apart == {}
    # a library that is missing judges nothing, but one at least has judged every file
    unjudged = [n for n, row in found["cases"].items() if "equal" not in row["judges"].values()]
    missing = (
        "evlib" if found["libraries"]["evlib"] is None else ""
    )  # the only one for little-endian EVT2.1
    assert [
        n for n in unjudged if not (missing and n.startswith("evt21 ") and "legacy" not in n)
    ] == []
    extras = {name: row.get("extras compared", {}) for name, row in found["cases"].items()}
    assert extras["evt2 triggers"]["faery"] == ["trig_t", "trig_id", "trig_value"]
    assert extras["evt3 triggers"]["evutils"] == ["trig_t", "trig_id", "trig_value"]
    every = ["trig_t", "trig_id", "frame_t", "frames", "imu_t", "imu"]
    assert extras["aedat4 all streams"]["dv_processing"] == every
