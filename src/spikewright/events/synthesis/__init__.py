"""Events of cameras that were never there: from videos, and from drawn scenes whose motion is known."""

from spikewright.events.synthesis.emulator import Emulator, chunks, synthesize
from spikewright.events.synthesis.pixel import CLEAN, IDEAL, NOISY, PRESETS, PixelModel, Timing
from spikewright.events.synthesis.scenes import (
    SCENES,
    Checkerboard,
    MovingBar,
    RotatingDisc,
    Scene,
    StarField,
    scene_events,
)
from spikewright.events.synthesis.video import read_video, video_events

__all__ = [
    "CLEAN",
    "IDEAL",
    "NOISY",
    "PRESETS",
    "SCENES",
    "Checkerboard",
    "Emulator",
    "MovingBar",
    "PixelModel",
    "RotatingDisc",
    "Scene",
    "StarField",
    "Timing",
    "chunks",
    "read_video",
    "scene_events",
    "synthesize",
    "video_events",
]
