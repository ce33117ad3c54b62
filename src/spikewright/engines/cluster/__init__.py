"""One network over many processes: every rank owns a range of each population and the synapses onto it.

engine.py      what is checked, built and returned      build.py     a rank's part of a network
run.py         one run of a rank                        collect.py   what all ranks recorded, as one Recording
exchange.py    spikes as packed numbers                 ranks.py     how ranks meet, and stop together
"""

from spikewright.engines.cluster.engine import Cluster

__all__ = ["Cluster"]
