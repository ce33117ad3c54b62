"""Pictures of recordings: films in mp4 and gif, single png, and a player for the terminal."""

from spikewright.events.render.colors import SCHEMES, Scheme
from spikewright.events.render.film import Rendered, render
from spikewright.events.render.pictures import Look, Picture, picture, pictures
from spikewright.events.render.player import Blocks, play

__all__ = [
    "SCHEMES",
    "Blocks",
    "Look",
    "Picture",
    "Rendered",
    "Scheme",
    "picture",
    "pictures",
    "play",
    "render",
]
