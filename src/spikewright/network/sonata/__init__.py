"""SONATA, the exchange format of large models: nodes, edges, their types, node sets, inputs, spikes; in and out.

    config.py    what a configuration names, its paths resolved        models.py    which model of ours a template is
    tables.py    types of nodes and edges (csv)                        importer.py  circuit -> Network and inputs
    nodes.py, edges.py, sets.py, spikes.py    what files hold          exporter.py  Network and inputs -> folder

Source
------
Dai et al., "The SONATA data format for efficient description of large-scale network models", PLoS Comput. Biol. 16,
2020, and the developer guide of AllenInstitute/sonata.
"""

from spikewright.network.sonata.config import Configuration, read_configuration
from spikewright.network.sonata.edges import EdgePopulation, read_edge_populations
from spikewright.network.sonata.exporter import write_sonata
from spikewright.network.sonata.importer import Imported, read_sonata
from spikewright.network.sonata.models import TEMPLATES, Template
from spikewright.network.sonata.nodes import NodePopulation, read_node_populations
from spikewright.network.sonata.spikes import SpikeTrain, read_spikes, write_spikes

__all__ = [
    "TEMPLATES",
    "Configuration",
    "EdgePopulation",
    "Imported",
    "NodePopulation",
    "SpikeTrain",
    "Template",
    "read_configuration",
    "read_edge_populations",
    "read_node_populations",
    "read_sonata",
    "read_spikes",
    "write_sonata",
    "write_spikes",
]
