"""Representations of camera events: images, surfaces of time, volumes, frames, and the steps of spiking networks.

NumPy arrays, contiguous and writable: `torch.from_numpy` takes each without a copy.
"""

from spikewright.events.views.frames import frames_by_count, frames_by_time, spike_tensor
from spikewright.events.views.images import count_image, signed_image
from spikewright.events.views.surfaces import Fade, last_times, time_surface, tore
from spikewright.events.views.volumes import stacked_histogram, voxel_grid
from spikewright.events.views.windows import windows_by_count, windows_by_time

__all__ = [
    "Fade",
    "count_image",
    "frames_by_count",
    "frames_by_time",
    "last_times",
    "signed_image",
    "spike_tensor",
    "stacked_histogram",
    "time_surface",
    "tore",
    "voxel_grid",
    "windows_by_count",
    "windows_by_time",
]
