"""Wiring diagrams: who is connected to whom, by how many synapses, of which type and sign; then a Network of them.

diagram.py   the type `Connectome`: select, remove, summary, to_network      tables.py   edge and cell tables
worm.py, larva.py, visual.py   diagrams of published files                   adult.py    the adult fly's model
synthetic.py   a diagram of the adult fly's size
"""

from spikewright.network.connectome.adult import (
    ShiuLIF,
    ShiuPublished,
    shiu2024,
    shiu_experiment,
    shiu_network,
)
from spikewright.network.connectome.diagram import Connectome
from spikewright.network.connectome.larva import larval_drosophila
from spikewright.network.connectome.synthetic import synthetic_fly
from spikewright.network.connectome.tables import read_connectome
from spikewright.network.connectome.visual import VisualSystem, fly_visual_system
from spikewright.network.connectome.worm import c_elegans

__all__ = [
    "Connectome",
    "ShiuLIF",
    "ShiuPublished",
    "VisualSystem",
    "c_elegans",
    "fly_visual_system",
    "larval_drosophila",
    "read_connectome",
    "shiu2024",
    "shiu_experiment",
    "shiu_network",
    "synthetic_fly",
]
