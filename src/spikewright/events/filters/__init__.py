"""Filters and transforms of camera events, each a function of events and a value that streams; see `base`.

>>> from spikewright.events.camera import CameraEvents
>>> from spikewright.events.filters import FILTERS, Pipeline, Crop, Refractory
>>> len(Pipeline([Crop(x=0, y=0, width=4, height=4), Refractory()], 8, 8).streams)
2
>>> FILTERS["stcf"]().least
2
"""

from spikewright.events.filters.base import Filter, Pipeline, Stream, learned
from spikewright.events.filters.choose import (
    Crop,
    Decimate,
    Drop,
    Keep,
    Mask,
    Polarity,
    crop,
    decimate,
    drop,
    mask,
    polarity,
)
from spikewright.events.filters.denoise import (
    AgeWeighted,
    BackgroundActivity,
    SpatioTemporal,
    age_weighted,
    background_activity,
    stcf,
)
from spikewright.events.filters.geometry import (
    Axis,
    Count,
    Flip,
    Resize,
    Rotate,
    Transpose,
    Undistort,
    flip,
    resize,
    rotate,
    transpose,
    undistort,
)
from spikewright.events.filters.hot import HotPixels, remove_hot_pixels
from spikewright.events.filters.merge import merge, merged
from spikewright.events.filters.pixel import (
    AntiFlicker,
    Contrast,
    Refractory,
    Trail,
    anti_flicker,
    contrast,
    refractory,
    trail,
)
from spikewright.events.filters.stabilize import Stabilize, stabilize
from spikewright.events.filters.timing import (
    Cut,
    Jitter,
    Reverse,
    Shift,
    Stretch,
    cut,
    jitter,
    reverse,
    shift,
    stretch,
)
from spikewright.events.measures.contrast import Motion

FILTERS: dict[str, type[Filter]] = {
    each.name: each
    for each in (
        BackgroundActivity,
        SpatioTemporal,
        AgeWeighted,
        Refractory,
        HotPixels,
        Contrast,
        Trail,
        AntiFlicker,
        Polarity,
        Crop,
        Mask,
        Flip,
        Rotate,
        Transpose,
        Resize,
        Undistort,
        Cut,
        Shift,
        Stretch,
        Reverse,
        Decimate,
        Drop,
        Jitter,
        Stabilize,
    )
}
"""What edit files and the command line call a filter -> its class."""

__all__ = [
    "FILTERS",
    "AgeWeighted",
    "AntiFlicker",
    "Axis",
    "BackgroundActivity",
    "Contrast",
    "Count",
    "Crop",
    "Cut",
    "Decimate",
    "Drop",
    "Filter",
    "Flip",
    "HotPixels",
    "Jitter",
    "Keep",
    "Mask",
    "Motion",
    "Pipeline",
    "Polarity",
    "Refractory",
    "Resize",
    "Reverse",
    "Rotate",
    "Shift",
    "SpatioTemporal",
    "Stabilize",
    "Stream",
    "Stretch",
    "Trail",
    "Transpose",
    "Undistort",
    "age_weighted",
    "anti_flicker",
    "background_activity",
    "contrast",
    "crop",
    "cut",
    "decimate",
    "drop",
    "flip",
    "jitter",
    "learned",
    "mask",
    "merge",
    "merged",
    "polarity",
    "refractory",
    "remove_hot_pixels",
    "resize",
    "reverse",
    "rotate",
    "shift",
    "stabilize",
    "stcf",
    "stretch",
    "trail",
    "transpose",
    "undistort",
]
