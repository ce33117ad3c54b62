"""What happens when a network does not fit a chip: the message says which limit binds, by how much, and what to do."""

import numpy as np

import spikewright as sw
from spikewright import ms

net = sw.Network(
    dt=1 * ms,
    populations={
        "in": sw.Population(sw.Input, 100),
        "adapting": sw.Population(sw.AdEx, 10),
        "late": sw.Population(sw.LIF, 10),
    },
    projections={
        "a": sw.Projection("in", "adapting", sw.Dense(np.full((10, 100), 1e-11))),
        "b": sw.Projection("in", "late", sw.Dense(np.ones((10, 100))), delay=80 * ms),
    },
)
try:
    sw.substrates.get("loihi").compile(net)
except sw.SubstrateError as error:
    print(error)
