"""Events: the one type, its transforms, encoders, decoders and files; and what cameras record. Loads NumPy only.

`filters`, `measures`, `render`, `sound`, `synthesis` and `views` are loaded when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from spikewright.events.bins import Overflow, bin_events, bin_sparse, from_bins
from spikewright.events.camera import CameraEvents, Extras, Frame, Imu, Triggers, concatenate
from spikewright.events.decode import (
    argmax_count,
    count,
    first_spike,
    membrane_max,
    membrane_mean,
    rate,
    reconstruct,
)
from spikewright.events.encode import (
    LatencyCurve,
    deterministic_rate,
    latency,
    level_crossing,
    poisson_rate,
    population,
)
from spikewright.events.formats import (
    Header,
    Loaded,
    detect,
    open_recording,
    open_writer,
    read,
    repair,
    write,
)
from spikewright.events.irregular import Irregularities, Irregularity, Kind
from spikewright.events.store import load, save
from spikewright.events.stream import Events
from spikewright.events.transform import (
    Origin,
    Rounding,
    merge,
    rescale_tick,
    select,
    shift,
    window,
)

_PARTS = ("edit", "filters", "formats", "measures", "render", "sound", "synthesis", "views")

__all__ = [
    "CameraEvents",
    "Events",
    "Extras",
    "Frame",
    "Header",
    "Imu",
    "Irregularities",
    "Irregularity",
    "Kind",
    "LatencyCurve",
    "Loaded",
    "Origin",
    "Overflow",
    "Rounding",
    "Triggers",
    "argmax_count",
    "bin_events",
    "bin_sparse",
    "concatenate",
    "count",
    "detect",
    "deterministic_rate",
    "first_spike",
    "from_bins",
    "latency",
    "level_crossing",
    "load",
    "membrane_max",
    "membrane_mean",
    "merge",
    "open_recording",
    "open_writer",
    "poisson_rate",
    "population",
    "rate",
    "read",
    "reconstruct",
    "repair",
    "rescale_tick",
    "save",
    "select",
    "shift",
    "window",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f"spikewright.events.{name}")
    raise AttributeError(f"module 'spikewright.events' has no name {name!r}")
