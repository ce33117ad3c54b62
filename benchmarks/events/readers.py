"""How each library reads a file into arrays.

A library may give columns or rows, one array or one per packet, whichever costs it least: nothing is converted before
the clock stops. Only the comparison with the truth, which is not timed, makes columns of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Readers = dict[str, Callable[..., Any]]
"""Format -> function of a path."""


@dataclass(frozen=True)
class Case:
    """What is timed, and what is said of its result."""

    step: Callable[[], Any]
    check: Callable[[Any], dict[str, Any]]


def case(
    who: str,
    *,
    format: str,
    path: str,
    truth: str = "",
    height: int = 0,
    options: Mapping[str, Any] = {},
    joined: bool = False,
) -> Case:
    """Return the reading of a file.

    Parameters
    ----------
    who : a name in IMPLEMENTATIONS
    format : what it is
    path : of the file
    truth : of an .npz with t, x, y and p; empty: nothing is compared
    height : where rows may be counted from either end, the sensor's height; else 0
    options : of our reader
    joined : whether one array per column is made of whatever the library gives
    """
    read = IMPLEMENTATIONS[who]()[format]

    def step() -> Any:
        result = read(path, **options)
        return [np.ascontiguousarray(column) for column in columns(result)] if joined else result

    def check(result: Any) -> dict[str, Any]:
        return {"wrong": wrong(columns(result), truth, height)} if truth else {}

    return Case(step, check)


def wrong(found: list[np.ndarray], truth: str, height: int) -> str:
    """Say what differs from the truth; empty where nothing does."""
    with np.load(truth) as stored:
        true = {name: stored[name] for name in "txyp"}
    if any(len(column) != len(true["t"]) for column in found):
        return f"{len(found[0])} events of {len(true['t'])}"
    said = []
    for name, column in zip("txyp", found, strict=True):
        same = np.array_equal(column.astype(np.int64), true[name].astype(np.int64))
        if not same and name == "y" and height:
            same = np.array_equal(height - 1 - column.astype(np.int64), true[name].astype(np.int64))
        if not same:
            apart = int((column.astype(np.int64) != true[name].astype(np.int64)).sum())
            said.append(f"{name} of {apart} events")
    return ", ".join(said)


def columns(result: Any) -> list[np.ndarray]:
    """Return t, x, y, p of whatever a library gave."""
    if isinstance(result, list):
        if len(result) == 4 and all(
            isinstance(one, np.ndarray) and one.dtype.fields is None for one in result
        ):
            return result
        parts = [columns(part) for part in result]
        if not parts:
            return [np.empty(0, np.int64)] * 4
        return [np.concatenate(found) for found in zip(*parts, strict=True)]
    if isinstance(result, dict):  # faery's packets of EVT
        return columns(result["events"]) if "events" in result else [np.empty(0, np.int64)] * 4
    if hasattr(result, "timestamp_scale_ms"):  # eventcv
        rows = result.numpy()
        return [rows[:, k] for k in (2, 0, 1, 3)]
    if isinstance(result, np.ndarray):
        names = [
            next(name for name in choice if name in result.dtype.fields)
            for choice in (("t", "timestamp"), ("x",), ("y",), ("p", "on", "polarity", "payload"))
        ]
        return [result[name] for name in names]
    return [getattr(result, name) for name in "txyp"]


def _spikewright() -> Readers:
    from spikewright.events.formats import FORMATS, read

    def events(path: str, **options: Any) -> Any:
        return read(path, **options).events

    return dict.fromkeys(FORMATS, events)


def _evutils() -> Readers:
    from evutils.io import EventReader

    def read(path: str) -> Any:
        with EventReader(path, mode="all", max_events=1 << 40) as reader:
            return reader.read_all()

    names = (
        "evt2",
        "evt21",
        "evt3",
        "evt4",
        "dat",
        "aedat4",
        "aedat3",
        "aedat2",
        "dsec",
        "ecf",
        "mvsec",
        "text",
    )
    return dict.fromkeys(names, read)


def _eventcv() -> Readers:
    import eventcv

    names = (
        "evt2",
        "evt21",
        "evt3",
        "evt4",
        "dat",
        "aedat4",
        "aedat3",
        "aedat2",
        "dsec",
        "ecf",
        "mvsec",
    )
    return dict.fromkeys(names, eventcv.load) | {
        "text": lambda path: eventcv.load(path, order="txyp", time_unit="s")
    }


def _expelliarmus() -> Readers:
    from expelliarmus import Wizard

    def reader(encoding: str) -> Callable[[str], Any]:
        return lambda path: Wizard(encoding).read(path)

    return {name: reader(name) for name in ("evt2", "evt3", "dat")}


def _faery() -> Readers:
    import faery

    def evt(path: str) -> Any:
        with faery.evt.Decoder(path, (1280, 720), "evt3") as decoder:
            return [packet for packet in decoder if "events" in packet]

    def dat(path: str) -> Any:
        with faery.dat.Decoder(path, (1280, 720), "dat2") as decoder:
            return list(decoder)

    def es(path: str) -> Any:
        with faery.es.Decoder(path, 0) as decoder:
            return list(decoder)

    def aedat(path: str) -> Any:
        with faery.aedat.Decoder(path) as decoder:
            return [packet for track, packet in decoder if track.data_type == "events"]

    return dict.fromkeys(("evt2", "evt21", "evt3", "evt4"), evt) | {
        "dat": dat,
        "es": es,
        "aedat4": aedat,
    }


def _event_stream() -> Readers:
    import event_stream

    def read(path: str) -> Any:
        with event_stream.Decoder(path) as decoder:
            return list(decoder)

    return {"es": read}


def _dv_processing() -> Readers:
    import dv_processing

    def read(path: str) -> Any:
        recording, packets = dv_processing.io.MonoCameraRecording(path), []
        while (store := recording.getNextEventBatch()) is not None:
            packets.append(store.numpy())
        return packets

    return {"aedat4": read}


def _tonic() -> Readers:
    from tonic import io

    kind = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])

    def aedat4(path: str) -> Any:
        found = io.read_aedat4(path)
        return found[-1] if isinstance(found, tuple) else found

    return {
        "atis": lambda path: io.read_mnist_file(path, kind),
        "aedat2": lambda path: io.read_davis_346(path)[-1],
        "aedat4": aedat4,
    }


IMPLEMENTATIONS: dict[str, Callable[[], Readers]] = {
    "spikewright": _spikewright,
    "evutils": _evutils,
    "eventcv": _eventcv,
    "expelliarmus": _expelliarmus,
    "faery": _faery,
    "event_stream": _event_stream,
    "dv_processing": _dv_processing,
    "tonic": _tonic,
}
READABLE = {
    "evt2": ("evutils", "eventcv", "expelliarmus", "faery"),
    "evt21": ("evutils", "eventcv", "faery"),
    "evt3": ("evutils", "eventcv", "expelliarmus", "faery"),
    "evt4": ("evutils", "eventcv", "faery"),
    "dat": ("evutils", "eventcv", "expelliarmus", "faery"),
    "aedat4": ("dv_processing", "evutils", "eventcv", "faery", "tonic"),
    "aedat3": ("evutils", "eventcv"),
    "aedat2": ("evutils", "eventcv", "tonic"),
    "es": ("event_stream", "faery"),
    "atis": ("tonic",),
    "ecf": ("evutils", "eventcv"),
    "dsec": ("evutils", "eventcv"),
    "mvsec": ("evutils", "eventcv"),
    "text": ("evutils", "eventcv"),
}
"""Format -> the peers that say they read it, or files with its ending."""


def suffix(format: str) -> str:
    """Return the ending of a file name by which peers tell a format."""
    return {
        "aedat4": ".aedat4", "aedat3": ".aedat", "aedat2": ".aedat", "dat": ".dat", "es": ".es", "atis": ".bin",
        "ecf": ".hdf5", "mvsec": ".hdf5", "dsec": ".h5", "text": ".txt",
    }.get(format, ".raw")  # fmt: skip
