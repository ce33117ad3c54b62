"""The engine without a clock: every spike at its own time.

engine.py      what it runs, and what it refuses          build.py     a network as arrays
affine.py      linear neurons as numbers                  spectrum.py  their flow at any time
crossing.py    when they reach their threshold            smooth.py    neurons without a closed form; source.py
loop.py        one instant after the other                queue.py     what is to happen next
"""

from spikewright.engines.event.engine import Event

__all__ = ["Event"]
