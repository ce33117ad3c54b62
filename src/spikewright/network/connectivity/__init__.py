"""Networks from a recipe: connected by a rule, weights and delays from distributions, made without a list of edges."""

from spikewright.network.connectivity.chance import (
    Bernoulli,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    PowerLaw,
)
from spikewright.network.connectivity.distribution import (
    DISTRIBUTIONS,
    Choice,
    Distribution,
    Exponential,
    LogNormal,
    Normal,
    Uniform,
)
from spikewright.network.connectivity.files import Edges, read_edges
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.connectivity.regular import AllToAll, SmallWorld
from spikewright.network.connectivity.space import DistanceDependent, Profile

__all__ = [
    "DISTRIBUTIONS",
    "AllToAll",
    "Bernoulli",
    "Choice",
    "DistanceDependent",
    "Distribution",
    "Edges",
    "Exponential",
    "FixedInDegree",
    "FixedOutDegree",
    "FixedTotal",
    "LogNormal",
    "Normal",
    "PowerLaw",
    "Profile",
    "Recipe",
    "SmallWorld",
    "Uniform",
    "read_edges",
]
