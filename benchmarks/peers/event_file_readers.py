"""How each independent library reads an event file, extras included; run by `event_files.py`, a process per library.

    python event_file_readers.py LIBRARY < cases.json > verdicts.json

A case names a file, its format, and an .npz of what was written: t, x, y, p, and perhaps triggers, frames or inertial
samples. The verdict is "" where everything that the library gives is equal, else it says what differs. Nothing is
allowed but what a library does on purpose: a row counted from the bottom of an .es file is said by the case.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = dict[str, Any]
Read = Callable[[str, str], Arrays]
"""Function of a path and a format."""
KIND = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])


def columns(rows: Any) -> Arrays:
    """Return t, x, y, p of a structured array or of an object with such attributes."""
    fields = getattr(getattr(rows, "dtype", None), "fields", None)  # by name and by title
    if fields is None:
        return {name: np.asarray(getattr(rows, name)) for name in "txyp"}
    names = {"t": ("t", "timestamp"), "x": ("x",), "y": ("y",), "p": ("p", "polarity", "payload")}
    return {k: rows[next(one for one in some if one in fields)] for k, some in names.items()}


def joined(parts: list[Arrays]) -> Arrays:
    """Join the columns of packets."""
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )


def seconds(t: Any) -> np.ndarray:
    """Return microseconds of seconds."""
    return np.rint(np.asarray(t, np.float64) * 1e6)


def faery() -> Read:
    import faery

    def read(path: str, format: str) -> Arrays:
        if format in ("evt2", "evt3"):
            with faery.evt.Decoder(path, None, None) as decoder:
                packets = list(decoder)
            found = joined([columns(p["events"]) for p in packets if "events" in p])
            edges = joined(
                [
                    {"trig_t": e["t"], "trig_id": e["source"], "trig_value": e["rising"]}
                    for e in (p["triggers"] for p in packets if "triggers" in p)
                ]
            )
            return found | edges
        if format == "dat":
            with faery.dat.Decoder(path, None, None) as decoder:
                return joined([columns(packet) for packet in decoder])
        if format == "es":
            with faery.es.Decoder(path, 0) as decoder:
                return joined([columns(packet) for packet in decoder])
        with faery.aedat.Decoder(path) as decoder:
            return joined(
                [columns(packet) for track, packet in decoder if track.data_type == "events"]
            )

    return read


def expelliarmus() -> Read:
    from expelliarmus import Wizard

    return lambda path, format: columns(Wizard(format).read(path))


def eventcv() -> Read:
    import eventcv

    def read(path: str, format: str) -> Arrays:
        text = {"time_unit": "us" if format == "csv" else "s", "order": "txyp"}
        rows = eventcv.load(path, **(text if format in ("text", "csv") else {})).numpy()
        return {name: rows[:, k] for name, k in zip("txyp", (2, 0, 1, 3), strict=True)}

    return read


def evutils() -> Read:
    from evutils.io import EventReader

    def read(path: str, format: str) -> Arrays:
        edges = {"ext_trigger": True} if format in ("evt2", "evt21", "evt3", "evt4") else {}
        with EventReader(path, mode="all", max_events=1 << 40, **edges) as reader:
            found = reader.read_all()
        if not edges:
            return columns(found)
        events, triggers = found
        named = {"trig_t": triggers.t, "trig_id": triggers.id, "trig_value": triggers.p}
        return columns(events) | named

    return read


def evlib() -> Read:
    import evlib

    def read(path: str, format: str) -> Arrays:
        frame = evlib.load_events(path)
        frame = frame.collect() if hasattr(frame, "collect") else frame
        t = frame["t"].dt.total_microseconds().to_numpy()
        p = frame["polarity"].to_numpy()
        return {"t": t, "x": frame["x"].to_numpy(), "y": frame["y"].to_numpy(), "p": p > 0}

    return read


def evt3() -> Read:
    import evt3

    def read(path: str, format: str) -> Arrays:
        events, edges = evt3.decode_file_with_triggers(path)
        found = {"trig_t": edges.timestamp, "trig_id": edges.id, "trig_value": edges.value}
        return columns(events) | found

    return read


def evio() -> Read:
    import evio

    return lambda path, format: columns(evio.read(path))


def event_stream() -> Read:
    import event_stream

    def read(path: str, format: str) -> Arrays:
        with event_stream.Decoder(path) as decoder:
            return joined([{"t": e["t"], "x": e["x"], "y": e["y"], "p": e["on"]} for e in decoder])

    return read


def dv_processing() -> Read:
    import dv_processing as dv

    def every(take: Callable[[], Any]) -> list[Any]:
        found = []
        while (one := take()) is not None:
            found.append(one)
        return found

    def read(path: str, format: str) -> Arrays:
        file = dv.io.MonoCameraRecording(path)
        found = joined([columns(store.numpy()) for store in every(file.getNextEventBatch)])
        if file.isTriggerStreamAvailable():
            edges = [e for batch in every(file.getNextTriggerBatch) for e in batch]
            found["trig_t"] = [e.timestamp for e in edges]
            found["trig_id"] = [int(e.type.value) for e in edges]
        if file.isImuStreamAvailable():
            samples = [s for batch in every(file.getNextImuBatch) for s in batch]
            names = [
                s + axis for s in ("accelerometer", "gyroscope", "magnetometer") for axis in "XYZ"
            ]
            found["imu_t"] = [s.timestamp for s in samples]
            found["imu"] = [[getattr(s, n) for n in (*names, "temperature")] for s in samples]
        if file.isFrameStreamAvailable():
            frames = every(file.getNextFrame)
            found["frame_t"] = [f.timestamp for f in frames]
            found["frames"] = [f.image for f in frames]
        return found

    return read


def aedat() -> Read:
    import aedat

    def read(path: str, format: str) -> Arrays:
        packets = list(aedat.Decoder(path))
        found = joined([columns(p["events"]) for p in packets if "events" in p])
        found |= joined(
            [
                {"trig_t": p["triggers"]["t"], "trig_id": p["triggers"]["source"]}
                for p in packets
                if "triggers" in p
            ]
        )
        frames = [p["frame"] for p in packets if "frame" in p]
        if frames:
            found["frame_t"] = [f["t"] for f in frames]
            found["frames"] = [f["pixels"] for f in frames]
        samples = [p["imus"] for p in packets if "imus" in p]
        if samples:
            rows = np.concatenate(samples)
            names = [
                f"{s}_{a}" for s in ("accelerometer", "gyroscope", "magnetometer") for a in "xyz"
            ]
            found["imu_t"] = rows["t"]
            found["imu"] = np.stack([rows[n] for n in (*names, "temperature")], axis=1)
        return found

    return read


def tonic() -> Read:
    from tonic import io

    def read(path: str, format: str) -> Arrays:
        if format == "atis":
            return columns(io.read_mnist_file(path, KIND))
        if format == "aedat2":
            return columns(io.read_davis_346(path)[-1])
        found = io.read_aedat4(path)
        return columns(found[-1] if isinstance(found, tuple) else found)

    return read


def h5py() -> Read:
    import h5py
    import hdf5plugin  # noqa: F401  (brings the data sets' compression)

    def read(path: str, format: str) -> Arrays:
        with h5py.File(path) as file:
            if format == "dsec":
                found = {name: file["events"][name][:] for name in "txyp"}
                found["t"] = found["t"].astype(np.int64) + int(file["t_offset"][()])
                wanted = np.searchsorted(
                    found["t"] - int(file["t_offset"][()]), 1000 * np.arange(len(file["ms_to_idx"]))
                )
                if not np.array_equal(wanted, file["ms_to_idx"][:]):
                    raise ValueError("ms_to_idx is wrong")
                return found
            left = file["davis/left"]
            rows = left["events"][:]
            found = {
                "t": seconds(rows[:, 2]),
                "x": rows[:, 0],
                "y": rows[:, 1],
                "p": rows[:, 3] > 0,
            }
            if "image_raw" in left:
                found["frames"] = left["image_raw"][:]
                found["frame_t"] = seconds(left["image_raw_ts"][:])
            return found

    return read


def numpy() -> Read:
    def read(path: str, format: str) -> Arrays:
        if format == "npz":
            with np.load(path) as stored:
                return {name: stored[name] for name in "txyp"}
        head = {"skiprows": 1, "delimiter": ","} if format == "csv" else {}
        rows = np.loadtxt(path, ndmin=2, **head)
        t = rows[:, 0] if format == "csv" else seconds(rows[:, 0])
        return {"t": t, "x": rows[:, 1], "y": rows[:, 2], "p": rows[:, 3]}

    return read


LIBRARIES: dict[str, tuple[str, Callable[[], Read]]] = {
    "faery": ("faery", faery),
    "expelliarmus": ("expelliarmus", expelliarmus),
    "eventcv": ("eventcv", eventcv),
    "evutils": ("evutils", evutils),
    "evlib": ("evlib", evlib),
    "evt3": ("evt3", evt3),
    "evio": ("evio", evio),
    "event_stream": ("event_stream", event_stream),
    "dv_processing": ("dv-processing", dv_processing),
    "aedat": ("aedat", aedat),
    "tonic": ("tonic", tonic),
    "h5py": ("h5py", h5py),
    "numpy": ("numpy", numpy),
}
"""Name -> (distribution, what makes its reader)."""


def compare(found: Arrays, case: dict[str, Any]) -> str:
    """Say what differs from what was written; "" where nothing does."""
    with np.load(case["truth"]) as stored:
        true = {name: stored[name] for name in stored.files}
    if case["rows_from_bottom"]:
        true["y"] = case["height"] - 1 - true["y"].astype(np.int64)
    said = []
    missing = [name for name in "txyp" if name not in found]
    if missing and true["t"].size:
        return "no events"
    for name, value in found.items():
        if name not in true:
            if len(value):
                said.append(f"{name}: {len(value)} that were never written")
            continue
        a, b = np.asarray(value), true[name]
        if a.shape != b.shape:
            said.append(f"{name}: shape {a.shape} of {b.shape}")
        elif name == "imu":
            if not np.array_equal(a.astype(np.float32), b.astype(np.float32)):
                said.append(f"{name}: differs")
        elif not np.array_equal(a.astype(np.int64), b.astype(np.int64)):
            said.append(f"{name}: {int((a.astype(np.int64) != b.astype(np.int64)).sum())} differ")
        elif a.dtype.kind == "f" and not np.array_equal(a, b):
            said.append(f"{name}: fractions")
    return "; ".join(said)


def main(name: str) -> None:
    """Read the cases of standard input with one library; write the verdicts to standard output."""
    from importlib.metadata import version

    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no verdict
    distribution, make = LIBRARIES[name]
    try:
        read = make()
    except ImportError:
        json.dump({"version": None, "verdicts": {}}, answers)
        return
    verdicts = {}
    for case in json.load(sys.stdin):
        try:
            found = read(case["path"], case["format"])
            checked = {
                "said": compare(found, case),
                "read": sorted(set(found) & set(case["holds"])),
            }
        except (
            BaseException
        ) as error:  # libraries raise whatever they like, some of it no Exception
            checked = {"said": f"{type(error).__name__}: {error}"[:160], "read": []}
        verdicts[case["name"]] = checked
    json.dump({"version": version(distribution), "verdicts": verdicts}, answers)
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
