"""Writes event files of every format and has independent libraries read them; all must be equal, event for event.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/peers/event_files.py [--vectors ../shared/vectors/events]

Each case names the libraries that are known to read such a file right (`vectors/events/README.md`, its table of
disagreements, and `facts/event-formats.md` section 14); a library that is known to be wrong there is no judge. Where a
library undoes a mirrored axis, or none, its case is written so that this is right. Rows of `.es` count from the bottom.
No library reads Prophesee's ECF; its writer is held to the bytes of the reference codec by
`tests/events/formats/test_ecf.py`. Writes `results/event_files.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.events.camera import CameraEvents, Extras, Frame, Imu, Triggers
from spikewright.events.formats import FORMATS, format_named, read, write
from spikewright.rng import stream

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

PROPHESEE = ("faery", "eventcv", "evutils", "evlib")
DV = ("dv_processing", "aedat", "faery", "eventcv", "evutils")
JUDGES = {
    "evt2": ("expelliarmus", *PROPHESEE),
    "evt3": ("evt3", *PROPHESEE),
    "evt4": ("evutils",),
    "dat": ("faery", "expelliarmus", "eventcv", "evutils"),
    "es": ("event_stream", "faery"),
    "aedat3": ("evutils",),  # the function of tonic 1.7.0 stops at the header, of any file
    "dsec": ("evutils", "h5py"),
    "mvsec": ("h5py",),
    "text": ("eventcv", "numpy"),
    "csv": ("eventcv", "numpy"),
    "npz": ("numpy",),
}
"""Format -> the libraries that read it right."""
SUFFIX = {
    "aedat2": ".aedat",
    "aedat3": ".aedat",
    "atis": ".bin",
    "dsec": ".h5",
    "mvsec": ".hdf5",
    "text": ".txt",
}
SIZELESS = ("atis", "text", "csv")
"""Formats that do not say how large the sensor is."""
MIXED = ("trig_t", "trig_id", "trig_value", "frame_t", "frames", "imu_t", "imu")


@dataclass(frozen=True)
class Case:
    """One file that is written.

    Parameters
    ----------
    name, format : of the case; in the table of formats
    events, extras : what is written
    judges : libraries that must read the same
    options : of the writer
    undone : options of our reader, where it has to be told what the writer was told
    """

    name: str
    format: str
    events: CameraEvents
    judges: tuple[str, ...]
    extras: Extras = field(default_factory=Extras)
    options: Mapping[str, Any] = field(default_factory=dict)
    undone: Mapping[str, Any] = field(default_factory=dict)


def scattered(seed: int, width: int, height: int, *, n: int, first: int, gap: int) -> CameraEvents:
    """Return random events: single ones, rows at one time, pixels that repeat at one time, and five gaps.

    Parameters
    ----------
    seed, width, height : of the draw, and of the sensor
    n : steps in time
    first : us, of the first
    gap : us, of the gaps
    """
    draw = stream(seed, "event files")
    steps = draw.integers(0, 60, n) * (draw.random(n) < 0.7)
    steps[0] = 0
    steps[draw.choice(np.arange(1, n), 5, replace=False)] = gap
    parts = []
    for t in (first + np.cumsum(steps)).tolist():
        y, p = int(draw.integers(height)), int(draw.integers(2))
        if draw.random() < 0.3:
            x0 = int(draw.integers(width))
            x = np.flatnonzero(draw.random(min(70, width - x0)) < draw.random()) + x0
        else:
            x = np.repeat(draw.integers(width), draw.integers(1, 3))
        parts.append(np.stack([np.full(x.size, t), x, np.full(x.size, y), np.full(x.size, p)]))
    rows = np.concatenate([*parts, [[t], [width - 1], [height - 1], [1]]], axis=1)
    return CameraEvents(*rows, width, height)


def edges(events: CameraEvents, channels: int) -> Triggers:
    """Return a rising or falling edge at every 40th time, between events and beside them."""
    t = np.unique(events.t)[::40]
    k = np.arange(t.size)
    return Triggers(t + k % 3, k % channels, k % 2)


def mixed(events: CameraEvents) -> Extras:
    """Return triggers, gray and color pictures, and inertial samples."""
    draw = stream(0, "extras")
    first, last = int(events.t[0]), int(events.t[-1])
    t = np.linspace(first, last, 250).astype(np.int64)
    samples = [draw.normal(size=(t.size, 3)).astype(np.float32) for _ in range(3)]
    imu = Imu(t, *samples, draw.normal(30, 1, t.size).astype(np.float32))
    frames = []
    for at in t[::60].tolist():
        pixels = draw.integers(0, 256, (events.height, events.width)).astype(np.uint8)
        frames.append(Frame(at, at, at + 900, 0, 0, pixels))
    return Extras(edges(events, 1), frames, imu)


def cases(vectors: Path) -> Iterator[Case]:
    """Return all cases."""

    def known(name: str, width: int, height: int) -> CameraEvents:
        with np.load(vectors / f"{name}.npz") as stored:
            return CameraEvents(*(stored[column] for column in "txyp"), width, height)

    def judged(format: str, *wrong: str) -> tuple[str, ...]:
        return tuple(name for name in JUDGES[format] if name not in wrong)

    vga, hd = known("evt2_vga", 640, 480), known("evt3_hd", 1280, 720)
    davis = known("davis346_31", 346, 260)
    few = scattered(1, 1280, 720, n=3000, first=0, gap=3_000)
    gaps = scattered(2, 1280, 720, n=3000, first=5_000, gap=40_000_000)
    one = CameraEvents([77], [1279], [719], [1], 1280, 720)
    for name, events in (
        ("vector vga", vga),
        ("vector hd", hd),
        ("random", few),
        ("gaps", gaps),
        ("one", one),
    ):
        for format in ("evt2", "evt3", "evt4", "dat", "es"):
            yield Case(f"{format} {name}", format, events, judged(format))
        yield Case(f"evt21 {name}", "evt21", events, ("evlib",))
        yield Case(
            f"evt21 legacy {name}", "evt21", events, ("evutils",), options={"endianness": "legacy"}
        )
        for format in ("dsec", "text", "csv", "npz"):
            yield Case(f"{format} {name}", format, events, judged(format))
    for format, judges in (
        ("evt2", ("faery", "eventcv", "evutils")),
        ("evt3", judged("evt3")),
        ("evt4", judged("evt4")),
    ):
        yield Case(f"{format} triggers", format, few, judges, Extras(edges(few, 2)))
    rare = scattered(6, 1280, 720, n=500, first=5_000, gap=20_000_000_000)
    yield Case("evt2 gaps past 2^34", "evt2", rare, ("faery", "eventcv", "evutils"))
    yield Case(
        "evt21 legacy gaps past 2^34", "evt21", rare, ("evutils",), options={"endianness": "legacy"}
    )
    yield Case("evt4 gaps past 2^34", "evt4", rare, judged("evt4"))
    yield Case(
        "evt2 past 2^34",
        "evt2",
        known("evt2_wrap34", 640, 480),
        judged("evt2", "expelliarmus", "evlib"),
    )
    yield Case("evt3 past 2^24", "evt3", known("evt3_wrap24", 1280, 720), judged("evt3", "faery"))
    yield Case("dat past 2^32", "dat", known("cd_wrap32", 640, 480), judged("dat", "eventcv"))
    yield Case("es sparse", "es", known("dvs_sparse", 304, 240), judged("es"))

    small = scattered(3, 346, 260, n=3000, first=10_000, gap=2_000_000)
    for name, events in (("vector", davis), ("random", small)):
        for compression in ("none", "lz4", "zstd"):
            judges = (*DV, "tonic") if compression == "zstd" else (*DV, "tonic", "evlib")
            yield Case(
                f"aedat4 {compression} {name}",
                "aedat4",
                events,
                judges,
                options={"compression": compression},
            )
        yield Case(f"aedat3 {name}", "aedat3", events, judged("aedat3"))
        for judge, x, y in (
            ("tonic", True, True),
            ("eventcv", False, True),
            ("evutils", False, False),
        ):
            flips = {"flip_x": x, "flip_y": y}
            yield Case(
                f"aedat2 {name}, mirrored for {judge}",
                "aedat2",
                events,
                (judge,),
                options=flips,
                undone=flips,
            )
        yield Case(f"mvsec {name}", "mvsec", events, judged("mvsec"))
    # evutils 0.3.18 ends at a packet of triggers, also at one of dv-processing's that is moved between two of events
    every = mixed(small)
    yield Case("aedat4 all streams", "aedat4", small, tuple(j for j in DV if j != "evutils"), every)
    yield Case(
        "aedat4 pictures and samples",
        "aedat4",
        small,
        DV,
        Extras(frames=every.frames, imu=every.imu),
    )
    pictures = Extras(frames=every.frames)
    yield Case("mvsec pictures", "mvsec", small, judged("mvsec"), pictures, undone={"frames": True})
    yield Case("aedat3 past 2^31", "aedat3", known("ovf_31", 346, 260), judged("aedat3"))

    yield Case("atis vector", "atis", known("nmnist", 34, 34), ("tonic", "evio"))
    yield Case("atis past 2^23", "atis", known("atis_overflow", 304, 240), ("tonic",))
    tiny = scattered(4, 34, 34, n=3000, first=0, gap=2_000)
    yield Case("atis random", "atis", tiny, ("tonic", "evio"))
    yield Case("atis gaps", "atis", scattered(5, 34, 34, n=800, first=9, gap=2_500_000), ("tonic",))


def make(case: Case, folder: Path) -> dict[str, Any]:
    """Write a case and what it holds; return what a reader has to know. Raises unless our reader gives it back."""
    stem = "".join(c if c.isalnum() else "_" for c in case.name)
    path = folder / (stem + SUFFIX.get(case.format, format_named(case.format).suffixes[0]))
    write(path, case.events, format=case.format, extras=case.extras, **case.options)
    size = {"width": case.events.width, "height": case.events.height}
    again = read(path, **case.undone, **(size if case.format in SIZELESS else {}))
    ours = [again.header.format == case.format, again.events.same_as(case.events)]
    held: dict[str, Any] = {name: getattr(case.events, name) for name in "txyp"}
    if (triggers := case.extras.triggers) is not None:
        held |= {"trig_t": triggers.t, "trig_id": triggers.channel, "trig_value": triggers.value}
        found = again.extras.triggers or Triggers.empty()
        ours.append(
            np.array_equal(found.t, triggers.t) and np.array_equal(found.value, triggers.value)
        )
        if case.format == "aedat4":  # kinds of edges, not numbers of inputs
            held["trig_id"] = np.where(triggers.value, 1, 2)
            del held["trig_value"]
        else:
            ours.append(np.array_equal(found.channel, triggers.channel))
    if case.extras.frames:
        frames = case.extras.frames
        held |= {"frame_t": [f.t for f in frames], "frames": [f.pixels for f in frames]}
        pixels = [f.pixels for f in again.extras.frames]
        ours.append(np.array_equal(pixels, held["frames"]))
    if (imu := case.extras.imu) is not None:
        held |= {
            "imu_t": imu.t,
            "imu": np.column_stack([imu.acc, imu.gyro, imu.mag, imu.temperature]),
        }
        back = again.extras.imu
        ours.append(
            back is not None and np.array_equal(back.acc, imu.acc) and np.array_equal(back.t, imu.t)
        )
    if not all(ours):
        raise SystemExit(f"event_files: {case.name}: our own reader gives something else: {ours}")
    np.savez(folder / f"{stem}.truth.npz", **held)
    return {
        "name": case.name,
        "path": str(path),
        "format": case.format,
        "truth": str(folder / f"{stem}.truth.npz"),
        "height": case.events.height,
        "rows_from_bottom": case.format == "es",
        "holds": list(held),
    }


def ask(python: Path, library: str, written: list[dict[str, Any]]) -> dict[str, Any]:
    """Have a library read files, in a process of the environment that holds it; return its version and verdicts."""
    done = subprocess.run(
        [str(python), str(HERE / "event_file_readers.py"), library],
        input=json.dumps(written),
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "1",
            "RAYON_NUM_THREADS": "1",
        },
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = f"process ended with {done.returncode}: {done.stderr[-200:]}"
        return {
            "version": None,
            "verdicts": {one["name"]: {"said": said, "read": []} for one in written},
        }
    return answer


def judge(python: Path, vectors: Path, folder: Path) -> dict[str, Any]:
    """Write all cases into a folder and have them read.

    Returns
    -------
    dict : `libraries`, name -> version, or None where it is not installed; `cases`, name -> format, events, judges ->
        verdict: "equal", what differs, or "not installed"
    """
    listed = list(cases(vectors))
    written = {case.name: make(case, folder) for case in listed}
    libraries: dict[str, Any] = {}
    verdicts: dict[str, dict[str, Any]] = {}
    for library in sorted({name for case in listed for name in case.judges}):
        own = [written[case.name] for case in listed if library in case.judges]
        answer = ask(python, library, own)
        libraries[library] = answer["version"]
        verdicts[library] = answer["verdicts"]
    table = {}
    for case in listed:
        row: dict[str, str] = {}
        extras: dict[str, list[str]] = {}
        for library in case.judges:
            verdict = verdicts[library].get(case.name)
            row[library] = "not installed" if verdict is None else verdict["said"] or "equal"
            seen = [name for name in MIXED if verdict and name in verdict["read"]]
            if seen:
                extras[library] = seen
        table[case.name] = {"format": case.format, "events": case.events.n, "judges": row}
        if extras:
            table[case.name]["extras compared"] = extras
    return {"libraries": libraries, "cases": table}


def unread() -> list[str]:
    """Return the formats that can be written and that no case has."""
    vectors = {"ecf"}  # the bytes of the reference codec instead
    judged = {*JUDGES, "evt21", "aedat2", "aedat4", "atis"} | vectors
    return [
        name for name in FORMATS if format_named(name).writer is not None and name not in judged
    ]


def interpreter() -> Path:
    """Return the Python of the peers' environment."""
    root = os.environ.get("SPIKEWRIGHT_PEERS")
    python = Path(root or "").resolve() / "events" / "bin" / "python"
    if not root or not python.exists():
        raise SystemExit(
            "event_files: SPIKEWRIGHT_PEERS names no folder with `events`; see environments.py"
        )
    return python


def main() -> None:
    """Write, ask, print what is not equal, and store the table."""
    from harness import RESULTS, machine

    parser = argparse.ArgumentParser(description="event files of ours, read by other libraries")
    shared = os.environ.get("SPIKEWRIGHT_SHARED") or HERE.parents[1].parent / "shared"
    parser.add_argument("--vectors", type=Path, default=Path(shared) / "vectors" / "events")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = judge(interpreter(), options.vectors, Path(folder))
    n = {"equal": 0, "not installed": 0, "other": 0}
    for name, row in found["cases"].items():
        for library, said in row["judges"].items():
            n[said if said in n else "other"] += 1
            if said != "equal":
                print(f"{name}: {library}: {said}")
    print(n, "formats without a judge:", unread())
    note = "files written by spikewright, read by libraries known to read such files right; compared exactly"
    result = {"name": "event_files", "note": note, "machine": machine(), "verdicts": n, **found}
    (RESULTS / "event_files.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
