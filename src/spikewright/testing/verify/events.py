"""Event files: every recording of a folder against the events it is known to hold, and the pixel model of v2e.

A folder holds recordings, for each an `.npz` of its events (`t` us, `x`, `y`, `p`, and triggers, frames or inertial
samples), and `manifest.json`, a list of their names, sizes and sums. Recordings are opened by content, from a path,
from a pipe that gives 4096 bytes at a time, and in windows of 10 ms; all must be equal bit for bit.

In `.es` files rows count from the bottom, and their `.npz` keeps that; they are compared in the file's coordinates.
`davis346.aedat` was written with both axes mirrored, which is undone on reading. An `.npz` whose sums are not those in
the manifest belongs to another recording of the same name; then that of a recording with the same sums is taken.

`v2e_*.npz`: frames, the seconds between them, parameters, and the events of the published emulator as a set; times are
equal to two steps of float32.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SpikewrightError, VerifyError, explain
from spikewright.events.camera import CameraEvents, Extras
from spikewright.events.formats import Loaded, open_recording, read
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import ASIDE, Arrays, read_npz

WINDOW = 10_000
"""us of a window."""
MOST_WINDOWS = 64
"""So many windows are read of a long recording, evenly placed."""
PIECE = 4096
OPTIONS: dict[str, dict[str, Any]] = {"davis346.aedat": {"flip_x": True}}
"""Recording -> options without which it cannot be read as it was written."""
COLUMNS = ("t", "x", "y", "p")
MODEL = {
    "pos_thres": "theta_on",
    "neg_thres": "theta_off",
    "cutoff_hz": "cutoff",
    "refractory_period_s": "refractory",
}
"""Parameter in a file of v2e -> of our pixel model."""
STEPS = 2
"""Steps of float32 by which times of v2e may differ."""


class _Pipe(io.RawIOBase):
    """Bytes that come a few at a time and cannot be gone back to."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = io.BytesIO(data)
        self.name = name

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(PIECE if size < 0 else min(size, PIECE))


def verify(folder: Path) -> list[Case]:
    """Compare every file of a folder.

    Raises
    ------
    VerifyError : the folder is missing, has no manifest or a damaged one
    """
    manifest = read_manifest(folder)
    cases: list[Case] = []
    used: set[str] = set()
    for entry in manifest:
        name = str(entry.get("file"))
        used |= {name, *own_npz(name)}
        try:
            source, arrays = truth(folder, entry, manifest)
            cases += compare(folder / name, entry, source, arrays)
        except (SpikewrightError, KeyError, ValueError, TypeError, OSError) as error:
            cases.append(Case(name, False, f"{type(error).__name__}: {error}"))
    for path in sorted(folder.iterdir()):
        if path.name in used | ASIDE or path.name == "v2e_reference.json":
            continue
        if path.name.startswith("v2e_") and path.suffix == ".npz":
            cases.append(_v2e(path))
        else:
            cases.append(Case(path.name, False, "not recognized"))
    return cases


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of `manifest.json`.

    Raises
    ------
    VerifyError : missing or damaged
    """
    if not folder.is_dir():
        raise VerifyError(explain(str(folder), "no such folder"))
    path = folder / "manifest.json"
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        listed = isinstance(entries, list) and all(isinstance(one, dict) for one in entries)
    except (OSError, ValueError) as error:
        raise VerifyError(explain(str(path), "cannot be read", found=error)) from None
    if not listed or not entries:
        raise VerifyError(explain(str(path), "holds no list of recordings"))
    return entries


def own_npz(name: str) -> tuple[str, str]:
    """Return the names that the events of a recording may have: with its ending, or without."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}_{suffix}.npz", f"{stem}.npz"


def sums(arrays: Arrays) -> dict[str, int]:
    """Return what the manifest says of events: how many, first and last time, ON, sums of x and y."""
    n = len(arrays["t"])
    return {
        "events": n,
        "t_first": int(arrays["t"][0]) if n else 0,
        "t_last": int(arrays["t"][-1]) if n else 0,
        "on": int(arrays["p"].sum(dtype=np.int64)),
        "sum_x": int(arrays["x"].sum(dtype=np.int64)),
        "sum_y": int(arrays["y"].sum(dtype=np.int64)),
    }


def truth(
    folder: Path, entry: Mapping[str, Any], manifest: list[dict[str, Any]]
) -> tuple[str, Arrays]:
    """Return the events of a recording and the file they stand in.

    Raises
    ------
    VerifyError : no `.npz` has the sums of the manifest
    """
    wanted = {name: entry[name] for name in ("events", "t_first", "t_last", "on", "sum_x", "sum_y")}
    alike = [
        str(one["file"])
        for one in manifest
        if one is not entry and all(one.get(name) == value for name, value in wanted.items())
    ]
    for name in (str(entry["file"]), *alike):
        for npz in own_npz(name):
            if (folder / npz).is_file():
                arrays = read_npz(folder / npz)
                if sums(arrays) == wanted:
                    return npz, arrays
    raise VerifyError(explain(str(entry["file"]), "no .npz has its sums", found=wanted))


def compare(path: Path, entry: Mapping[str, Any], source: str, arrays: Arrays) -> list[Case]:
    """Return the cases of one recording: its events, and each kind of extras that is stored."""
    name = path.name
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        return [Case(name, False, "the file is not the one in the manifest: other SHA-256")]
    options: dict[str, Any] = dict(OPTIONS.get(name, {}))
    if path.suffix == ".es":
        options["raw_coordinates"] = True
    loaded = read(path, **options)
    wrong = _events("path", loaded.events, arrays)
    if not wrong:
        # a format without a mark of its own is told by the size of the file, which a pipe does not say
        piped = read(_Pipe(data, name), format=loaded.header.format, **options).events
        wrong = _events("pipe", piped, arrays)
    if not wrong:
        wrong = _windows(path, options, arrays)
    if not wrong and loaded.irregularities.harmful:
        wrong = f"irregular: {loaded.irregularities}"
    note = "" if source in own_npz(name) else f", events of {source}"
    told = f"{loaded.events.n} events of {loaded.header.format} equal bit for bit{note}"
    return [Case(name, not wrong, wrong or told), *_extras(name, loaded, arrays)]


def _events(how: str, events: CameraEvents, arrays: Arrays) -> str:
    for column in COLUMNS:
        found: NDArray[Any] = getattr(events, column).astype(np.int64)
        wrong = difference(f"{how}: {column}", found, arrays[column].astype(np.int64))
        if wrong:
            return wrong
    return ""


def _windows(path: Path, options: Mapping[str, Any], arrays: Arrays) -> str:
    t = arrays["t"]
    edges = np.arange(int(t.min()), int(t.max()) + WINDOW + 1, WINDOW)
    every = max(len(edges) // MOST_WINDOWS, 1)
    with open_recording(path, **options) as reader:
        for start in edges[:-1:every].tolist():
            events = reader.read(start=start, stop=start + WINDOW)
            inside = (t >= start) & (t < start + WINDOW)
            cut = {column: arrays[column][inside] for column in COLUMNS}
            wrong = _events(f"{start} to {start + WINDOW} us", events, cut)
            if wrong:
                return wrong
    return ""


def _extras(name: str, loaded: Loaded, arrays: Arrays) -> list[Case]:
    extras: Extras = loaded.extras
    cases = []
    known = set(COLUMNS)
    if "trig_t" in arrays:
        known |= {"trig_t", "trig_id", "trig_value", "trig_type"}
        edges = extras.triggers
        # the sources of AEDAT are stored as types; EVT words have an input and a value
        columns = {
            "trig_t": "t",
            "trig_id": "channel",
            "trig_value": "value",
            "trig_type": "channel",
        }
        wrong = "none found" if edges is None else ""
        for key, column in columns.items():
            if key in arrays and edges is not None:
                found = np.asarray(getattr(edges, column)).astype(np.int64)
                wrong = wrong or difference(key, found, arrays[key].astype(np.int64))
        told = wrong or f"{len(arrays['trig_t'])} equal bit for bit"
        cases.append(Case(f"{name}: triggers", not wrong, told))
    if "frames" in arrays:
        known |= {"frames", "frame_t"}
        wrong = ""
        if len(extras.frames) != len(arrays["frames"]):
            wrong = f"found {len(extras.frames)}, expected {len(arrays['frames'])}"
        for k, frame in enumerate(extras.frames if not wrong else []):
            found, expected = frame.pixels.astype(np.int64), arrays["frames"][k].astype(np.int64)
            wrong = wrong or difference(f"frame {k}", found, expected)
            if frame.t != arrays["frame_t"][k]:
                wrong = wrong or f"frame {k}: t {frame.t}, expected {arrays['frame_t'][k]}"
        told = wrong or f"{len(extras.frames)} equal bit for bit"
        cases.append(Case(f"{name}: frames", not wrong, told))
    if "imu" in arrays:
        known |= {"imu", "imu_t"}
        wrong = "none found" if extras.imu is None else ""
        if extras.imu is not None:
            imu = extras.imu
            rows = np.concatenate([imu.acc, imu.gyro, imu.mag, imu.temperature[:, None]], axis=1)
            wrong = difference("imu_t", imu.t, arrays["imu_t"])
            wrong = wrong or difference("imu", rows, arrays["imu"])
        told = wrong or f"{len(arrays['imu_t'])} samples equal bit for bit"
        cases.append(Case(f"{name}: imu", not wrong, told))
    if unknown := sorted(set(arrays) - known):
        cases.append(Case(name, False, f"not recognized: {', '.join(unknown)}"))
    return cases


def _v2e(path: Path) -> Case:
    try:
        arrays = read_npz(path)
        with warnings.catch_warnings():  # the stored low pass is coarser than is good
            warnings.simplefilter("ignore", UserWarning)
            wrong = _pixels(arrays)
    except (SpikewrightError, KeyError, ValueError, TypeError) as error:
        return Case(path.name, False, f"{type(error).__name__}: {error}")
    told = f"{len(arrays['t'])} events equal as a set, times to {STEPS} steps of float32"
    return Case(path.name, not wrong, wrong or told)


def _pixels(arrays: Arrays) -> str:
    from spikewright.events.synthesis import Emulator, PixelModel, Timing

    known = {"frames", "dt", *COLUMNS, *MODEL}
    if unknown := sorted(set(arrays) - known):
        return f"not recognized: {', '.join(unknown)}"
    numbers: dict[str, Any] = {
        ours: float(arrays[theirs]) for theirs, ours in MODEL.items() if theirs in arrays
    }
    still: dict[str, Any] = {
        "sigma": 0.0,
        "cutoff": 0.0,
        "leak": 0.0,
        "shot": 0.0,
        "refractory": 0.0,
    }
    camera = Emulator(PixelModel(**{**still, **numbers}, timing=Timing.EVEN), seed=0)
    dt = float(arrays["dt"])
    rows = [camera.rows(frame, k * dt) for k, frame in enumerate(arrays["frames"])]
    when, where, on = (np.concatenate(column) for column in zip(*rows, strict=True))
    width = arrays["frames"].shape[2]
    place = arrays["y"].astype(np.int64) * width + arrays["x"]
    if len(when) != len(place):
        return f"{len(when)} events, expected {len(place)}"
    # events of one pixel stay in their order whatever the last digit of a time is
    ours = np.lexsort((when, where))
    theirs = np.lexsort((arrays["t"], place))
    wrong = difference("pixel", where[ours], place[theirs])
    wrong = wrong or difference(
        "p", on[ours].astype(np.int64), arrays["p"][theirs].astype(np.int64)
    )
    expected = arrays["t"][theirs]
    scale = np.spacing(np.maximum(np.abs(expected), np.finfo(np.float32).tiny))
    return wrong or difference(
        "t", when[ours], expected.astype(np.float64), tolerance=STEPS, scale=scale, of="steps"
    )
