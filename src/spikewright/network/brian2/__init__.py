"""A network as a Brian2 script, so that anyone can check our results with another simulator.

text.py      expressions, units and names of our language in Brian2's
exporter.py  Network and inputs -> script, with the arrays beside it
"""

from spikewright.network.brian2.exporter import export_brian2

__all__ = ["export_brian2"]
