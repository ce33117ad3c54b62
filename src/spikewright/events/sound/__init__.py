"""Front ends for sound: cochlea, filter banks and chip models, all from samples to `Events`. Loads NumPy only."""

from spikewright.events.sound.cochlea import Cochlea, Response
from spikewright.events.sound.cochlea_design import HairCell
from spikewright.events.sound.firing import Firing, Lif, Poisson
from spikewright.events.sound.front import FrontEnd, SoundStream
from spikewright.events.sound.gammatone import Gammatone
from spikewright.events.sound.mel_levels import MelLevels
from spikewright.events.sound.resample import resample
from spikewright.events.sound.speech2spikes import Speech2Spikes
from spikewright.events.sound.xylo import Normalization, XyloAudio3

__all__ = [
    "Cochlea",
    "Firing",
    "FrontEnd",
    "Gammatone",
    "HairCell",
    "Lif",
    "MelLevels",
    "Normalization",
    "Poisson",
    "Response",
    "SoundStream",
    "Speech2Spikes",
    "XyloAudio3",
    "resample",
]
