"""Events: the one type, its transforms, encoders, decoders and files. Loads NumPy only."""

from spikewright.events.bins import Overflow, bin_events, bin_sparse, from_bins
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

__all__ = [
    "Events",
    "LatencyCurve",
    "Origin",
    "Overflow",
    "Rounding",
    "argmax_count",
    "bin_events",
    "bin_sparse",
    "count",
    "deterministic_rate",
    "first_spike",
    "from_bins",
    "latency",
    "level_crossing",
    "load",
    "membrane_max",
    "membrane_mean",
    "merge",
    "poisson_rate",
    "population",
    "rate",
    "reconstruct",
    "rescale_tick",
    "save",
    "select",
    "shift",
    "window",
]
