"""A 1 GB EVT3 file: time to the first picture, cuts, and memory.

    python benchmarks/events/big.py [--gigabytes 1]

Writes the file to a temporary folder from repeated scenes, with the seek index beside it, then opens it in a new
process, which draws the first 33 ms, cuts 10 ms out of the middle, twice, and out of the end, and reads all in chunks;
then the same without the index. EVT3 counts 16.8 s and starts again, so only who saw all before a place knows its time:
without an index the first cut reads what lies before it, once. Bytes read are those that the process
asked the system for (/proc/self/io); memory is the peak of the process, the interpreter and compiled code included.
Writes `results/events_big.json`. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

WIDTH, HEIGHT = 1280, 720
WINDOW, CUT = 33_333, 10_000
LIMITS = {"first_picture_s": 1.0, "peak_mb": 500.0}


def write(path: Path, size: float) -> tuple[int, int]:
    """Write scenes one after another until the file has some bytes; return events and the last time."""
    from scene import scene

    from spikewright.events.camera import CameraEvents
    from spikewright.events.formats import write as write_file

    made = scene(4_000_000, WIDTH, HEIGHT)
    length = int(made["t"][-1]) + 1
    probe = path.with_name("probe.raw")
    write_file(probe, CameraEvents(**made, width=WIDTH, height=HEIGHT), format="evt3")
    repeats = -(-int(size) // probe.stat().st_size)
    probe.unlink()

    def parts() -> Iterator[CameraEvents]:
        for k in range(repeats):
            moved = made | {"t": made["t"] + k * length}
            yield CameraEvents(**moved, width=WIDTH, height=HEIGHT)

    write_file(path, parts(), format="evt3", index=True)
    return repeats * 4_000_000, repeats * length


def look(path: str, end: int) -> dict[str, Any]:
    """Do what a viewer does; return times, bytes and memory."""
    begin = time.perf_counter(), time.process_time()
    from spikewright.events.formats import open_recording
    from spikewright.events.views import count_image

    found: dict[str, Any] = {}

    def measured(name: str, do: Callable[[], Any]) -> Any:
        bytes_before, start = _read_bytes(), (time.perf_counter(), time.process_time())
        result = do()
        found[name] = {
            "wall_s": time.perf_counter() - start[0],
            "cpu_s": time.process_time() - start[1],
            "read_mb": (_read_bytes() - bytes_before) / 1e6,
        }
        return result

    with open_recording(path) as reader:
        picture = measured("first_picture", lambda: count_image(reader.read(stop=WINDOW)))
        found["first_picture"] |= {
            "events": int(picture.sum()),
            "from_import_wall_s": time.perf_counter() - begin[0],
            "from_import_cpu_s": time.process_time() - begin[1],
        }
        for name, at in (
            ("middle", end // 2),
            ("middle_again", end // 2),
            ("end", end - CUT),
            ("end_again", end - CUT),
        ):
            cut = measured(f"cut_{name}", lambda at=at: reader.read(start=at, stop=at + CUT))
            found[f"cut_{name}"]["events"] = len(cut)
            found[f"cut_{name}"]["is_inside"] = bool(cut.t.min() >= at and cut.t.max() < at + CUT)
        found["peak_mb_cuts"] = _peak_mb()
        n = measured("all_in_chunks", lambda: sum(len(chunk) for chunk in reader.chunks()))
        found["events_in_chunks"] = n
    found["peak_mb"] = _peak_mb()
    return found


def _read_bytes() -> int:
    text = Path("/proc/self/io").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith("rchar")).split()[1])


def _peak_mb() -> float:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) * 1024 / 1e6


def main() -> None:
    """Write the file and look at it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument(
        "--look", nargs=2, metavar=("FILE", "END"), help="what the new process does"
    )
    options = parser.parse_args()
    if options.look:
        print(json.dumps(look(options.look[0], int(options.look[1]))))
        return
    from decode import store

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "big.raw"
        start = time.process_time()
        n, end = write(path, options.gigabytes * 1e9)
        writing = time.process_time() - start
        size = path.stat().st_size
        index = path.with_name(path.name + ".evidx")
        index_size = index.stat().st_size
        found = {"with_index": asked(path, end)}
        index.unlink()
        found["without_index"] = asked(path, end)
    print(
        f"{size / 1e9:.2f} GB, {n / 1e6:.0f} M events, {end / 1e6:.0f} s; written in {writing:.1f} CPU s"
    )
    for how, rows in found.items():
        print(how.replace("_", " "))
        for name, row in rows.items():
            numbers = isinstance(row, dict)
            print(f"  {name}: { {k: round(v, 4) for k, v in row.items()} if numbers else row }")
    is_whole = all(rows["events_in_chunks"] == n for rows in found.values())
    store("events_big", "a large EVT3 file", {
        "bytes": size, "index_bytes": index_size, "events": n, "writing_cpu_s": writing,
        "all_events_read": is_whole, "limits": LIMITS, **found,
    })  # fmt: skip
    if not is_whole:
        raise SystemExit("events are missing")


def asked(path: Path, end: int) -> dict[str, Any]:
    """Look at a file in a new process."""
    done = subprocess.run(
        [sys.executable, __file__, "--look", str(path), str(end)], check=True, capture_output=True, text=True
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
