"""Filters and views of events in memory, as each library has them.

Every library holds the events in its own structure before the clock starts, and gives its own kind of result: nothing
is converted while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from readers import Case

VOXELS = 9


def case(
    who: str, *, task: str, events: str, width: int, height: int, within: int, out: str
) -> Case:
    """Return one piece of work.

    Parameters
    ----------
    who, task : names in WORK
    events : of an .npz with t, x, y and p
    width, height : of the sensor
    within : us, of a filter or surface
    out : where the result of the first step is written to, for comparison
    """
    with np.load(events) as stored:
        columns = [stored[name] for name in "txyp"]
    step, arrays = WORK[task][who](columns, width, height, within)

    def check(result: Any) -> dict[str, Any]:
        found = arrays(result)
        np.save(out, found)
        return {"shape": list(found.shape)}

    return Case(step, check)


Made = tuple[Callable[[], Any], Callable[[Any], np.ndarray]]
Columns = list[np.ndarray]


def _rows(t: Any, x: Any, y: Any, p: Any) -> np.ndarray:
    return np.stack([np.asarray(c).astype(np.int64) for c in (t, x, y, p)])


# -- spikewright, and a loop by hand ------------------------------------------------------------------


def _own(columns: Columns, width: int, height: int) -> Any:
    from spikewright.events.camera import CameraEvents

    return CameraEvents(*columns, width=width, height=height)


def _own_filter(name: str) -> Callable[..., Made]:
    def make(columns: Columns, width: int, height: int, within: int) -> Made:
        from spikewright.events import filters

        events, function = _own(columns, width, height), getattr(filters, name)
        return lambda: function(events, within=within * 1e-6), lambda r: _rows(r.t, r.x, r.y, r.p)

    return make


def _own_view(name: str) -> Callable[..., Made]:
    def make(columns: Columns, width: int, height: int, within: int) -> Made:
        from spikewright.events import views

        events, function = _own(columns, width, height), getattr(views, name)
        more = {
            "voxel_grid": (VOXELS,),
            "stacked_histogram": (VOXELS,),
            "time_surface": (within * 1e-6,),
        }.get(name, ())
        return lambda: function(events, *more), np.asarray

    return make


def _loop(columns: Columns, width: int, height: int, within: int) -> Made:
    """Look at the eight neighbors of each event: the definition, written out."""
    from numba import njit

    @njit(error_model="numpy")
    def kept(t: Any, x: Any, y: Any, last: Any, out: Any) -> None:
        for i in range(t.size):
            row, column = np.int64(y[i]) + 1, np.int64(x[i]) + 1
            for r in range(row - 1, row + 2):
                for c in range(column - 1, column + 2):
                    if (r != row or c != column) and last[r, c] >= t[i] - within:
                        out[i] = True
            last[row, column] = t[i]

    t, x, y, p = columns

    def step() -> Any:
        last = np.full((height + 2, width + 2), -(2**62), np.int64)
        out = np.zeros(t.size, np.bool_)
        kept(t, x, y, last, out)
        return t[out], x[out], y[out], p[out]

    return step, lambda r: _rows(*r)


# -- peers --------------------------------------------------------------------------------------------


def _eventcv(columns: Columns, width: int, height: int) -> Any:
    import eventcv

    t, x, y, p = columns
    table = np.stack([x, y, t, p], axis=1).astype(np.int64)
    return eventcv.from_numpy(table, sensor_size=(width, height), time_unit="us", order="xytp")


def _eventcv_background(columns: Columns, width: int, height: int, within: int) -> Made:
    stream = _eventcv(columns, width, height)

    def rows(result: Any) -> np.ndarray:
        found = result.numpy()
        return _rows(found[:, 2], found[:, 0], found[:, 1], found[:, 3])

    return lambda: stream.background_activity_filter(within), rows


def _eventcv_view(name: str, **options: Any) -> Callable[..., Made]:
    def make(columns: Columns, width: int, height: int, within: int) -> Made:
        stream = _eventcv(columns, width, height)
        more = dict(options)
        if name == "tsurf":
            more["tau_us"] = within
        return lambda: getattr(stream, name)(**more).numpy(), np.asarray

    return make


def _dv_store(columns: Columns) -> Any:
    import dv_processing as dv

    store = dv.EventStore()
    for t, x, y, p in zip(*(c.tolist() for c in columns), strict=True):
        store.push_back(t, x, y, bool(p))
    return store


def _dv_background(columns: Columns, width: int, height: int, within: int) -> Made:
    import datetime

    import dv_processing as dv

    store = _dv_store(columns)

    def step() -> Any:
        made = dv.noise.BackgroundActivityNoiseFilter(
            (width, height), datetime.timedelta(microseconds=within)
        )
        made.accept(store)
        return made.generateEvents()

    def rows(result: Any) -> np.ndarray:
        found = result.numpy()
        return _rows(found["timestamp"], found["x"], found["y"], found["polarity"])

    return step, rows


def _dv_surface(columns: Columns, width: int, height: int, within: int) -> Made:
    import dv_processing as dv

    store = _dv_store(columns)

    def step() -> Any:
        surface = dv.TimeSurface((width, height))
        surface.accept(store)
        return surface.generateFrame().image

    return step, np.asarray


def _dv_count(columns: Columns, width: int, height: int, within: int) -> Made:
    import dv_processing as dv

    store = _dv_store(columns)
    nothing = dv.Accumulator.Decay.NONE

    def step() -> Any:
        made = dv.Accumulator((width, height), nothing, 0.0, False, 1.0, 255.0, 0.0, 0.0, True)
        made.accept(store)
        return made.generateFrame().image

    return step, np.asarray


def _structured(columns: Columns) -> np.ndarray:
    found = np.empty(columns[0].size, np.dtype([("x", int), ("y", int), ("t", int), ("p", int)]))
    for name, column in zip("txyp", columns, strict=True):
        found[name] = column
    return found


def _tonic_background(columns: Columns, width: int, height: int, within: int) -> Made:
    from tonic import functional

    events = _structured(columns)
    return (
        lambda: functional.denoise_numpy(events, filter_time=within),
        lambda r: _rows(r["t"], r["x"], r["y"], r["p"]),
    )


def _tonic_view(name: str) -> Callable[..., Made]:
    def make(columns: Columns, width: int, height: int, within: int) -> Made:
        from tonic import functional

        events, size = _structured(columns), (width, height, 2)
        steps: dict[str, Callable[[], Any]] = {
            "count": lambda: functional.to_frame_numpy(events, size, n_time_bins=1),
            "voxel": lambda: functional.to_voxel_grid_numpy(events, size, VOXELS),
            "surface": lambda: functional.to_timesurface_numpy(
                events, size, dt=int(events["t"][-1] - events["t"][0]), tau=within
            ),
        }
        return steps[name], np.asarray

    return make


def _evutils_view(name: str, **options: Any) -> Callable[..., Made]:
    def make(columns: Columns, width: int, height: int, within: int) -> Made:
        from evutils import EventArray, dense

        t, x, y, p = columns
        events, function = EventArray(t=t, x=x, y=y, p=p), getattr(dense, name)
        more: dict[str, Any] = {"width": width, "height": height} | options
        if name == "timesurface":
            more["tau"] = within
        if name == "voxel_histogram":
            more |= {"n_bins": VOXELS, "dt": int(t[-1] - t[0]) + 1}
        return lambda: function(events, **more), np.asarray

    return make


WORK: dict[str, dict[str, Callable[..., Made]]] = {
    "background activity": {
        "spikewright": _own_filter("background_activity"),
        "loop": _loop,
        "eventcv": _eventcv_background,
        "dv_processing": _dv_background,
        "tonic": _tonic_background,
    },
    "STCF": {"spikewright": _own_filter("stcf")},
    "count image": {
        "spikewright": _own_view("count_image"),
        "evutils": _evutils_view("histogram", dtype=np.int32),
        "eventcv": _eventcv_view("count"),
        "dv_processing": _dv_count,
        "tonic": _tonic_view("count"),
    },
    "signed image": {
        "spikewright": _own_view("signed_image"),
        "evutils": _evutils_view("frame_diff", dtype=np.int32),
    },
    "voxel grid": {
        "spikewright": _own_view("voxel_grid"),
        "eventcv": _eventcv_view("voxel", bins=VOXELS),
        "tonic": _tonic_view("voxel"),
    },
    "stacked histogram": {
        "spikewright": _own_view("stacked_histogram"),
        "evutils": _evutils_view("voxel_histogram"),
    },
    "time surface": {
        "spikewright": _own_view("time_surface"),
        "evutils": _evutils_view("timesurface"),
        "eventcv": _eventcv_view("tsurf"),
        "dv_processing": _dv_surface,
        "tonic": _tonic_view("surface"),
    },
}
"""Task -> implementation -> what makes it of columns, sensor and time."""
