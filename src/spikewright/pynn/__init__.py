"""PyNN scripts on Spikewright: `import spikewright.pynn as sim` in place of a simulator of PyNN.

The names and their meaning are those of PyNN's public documentation; the package PyNN is not needed. Units are PyNN's:
ms, mV, nA, nF, uS. See docs/concepts/pynn.md.

    simulation.py   setup, run, reset      populations.py   Population, View, Assembly     cells.py     neuron models
    projections.py  Projection             connectors.py    who is connected               synapses.py  how
    currents.py     current sources        building.py      all of it as a Network         recorder.py, data.py

Examples
--------
>>> import spikewright.pynn as sim
>>> _ = sim.setup(timestep=0.1)
>>> cells = sim.Population(2, sim.IF_curr_exp(i_offset=[0.0, 1.0]))
>>> cells.record("spikes")
>>> sim.run(100.0)
100.0
>>> list(cells.get_spike_counts().values())
[0, 3]
"""

from __future__ import annotations

import sys
from typing import Any

from spikewright.pynn import random, space
from spikewright.pynn.cells import (
    CELLS,
    EIF_cond_alpha_isfa_ista,
    EIF_cond_exp_isfa_ista,
    HH_cond_exp,
    IF_cond_alpha,
    IF_cond_exp,
    IF_cond_exp_gsfa_grr,
    IF_curr_alpha,
    IF_curr_delta,
    IF_curr_exp,
    Izhikevich,
    SpikeSourceArray,
    SpikeSourcePoisson,
)
from spikewright.pynn.connectors import (
    AllToAllConnector,
    ArrayConnector,
    CloneConnector,
    DisplacementDependentProbabilityConnector,
    DistanceDependentProbabilityConnector,
    FixedNumberPostConnector,
    FixedNumberPreConnector,
    FixedProbabilityConnector,
    FixedTotalNumberConnector,
    FromFileConnector,
    FromListConnector,
    IndexBasedProbabilityConnector,
    OneToOneConnector,
)
from spikewright.pynn.currents import (
    ACSource,
    DCSource,
    NoisyCurrentSource,
    StepCurrentSource,
)
from spikewright.pynn.parameters import Sequence
from spikewright.pynn.populations import (
    ID,
    Assembly,
    Population,
    PopulationView,
    create,
    initialize,
    record,
    record_gsyn,
    record_v,
)
from spikewright.pynn.projections import Projection, connect
from spikewright.pynn.random import NumpyRNG, RandomDistribution
from spikewright.pynn.simulation import (
    end,
    get_current_time,
    get_max_delay,
    get_min_delay,
    get_time_step,
    num_processes,
    rank,
    reset,
    run,
    run_for,
    run_until,
    setup,
)
from spikewright.pynn.space import Space
from spikewright.pynn.synapses import (
    AdditivePotentiationMultiplicativeDepression,
    AdditiveWeightDependence,
    GutigWeightDependence,
    MultiplicativeWeightDependence,
    SpikePairRule,
    StaticSynapse,
    STDPMechanism,
    TsodyksMarkramSynapse,
)
from spikewright.pynn.unsupported import NEAREST, UnsupportedError, refuse

NativeRNG = NumpyRNG
"""The simulator's own numbers, which scripts may ask for: the same as `NumpyRNG`."""


def list_standard_models() -> list[str]:
    """Return the names of the cell types.

    Examples
    --------
    >>> "IF_curr_exp" in list_standard_models()
    True
    """
    return list(CELLS)


def register() -> None:
    """Make `pyNN.spikewright` name this module, for scripts that choose a simulator by its name. Needs PyNN.

    Raises
    ------
    ImportError : PyNN is not installed
    """
    import pyNN

    sys.modules["pyNN.spikewright"] = sys.modules[__name__]
    pyNN.spikewright = sys.modules[__name__]


def __getattr__(name: str) -> Any:
    if name in NEAREST:
        raise refuse(name)
    raise AttributeError(f"module 'spikewright.pynn' has no name {name!r}")


__all__ = [
    "ID",
    "ACSource",
    "AdditivePotentiationMultiplicativeDepression",
    "AdditiveWeightDependence",
    "AllToAllConnector",
    "ArrayConnector",
    "Assembly",
    "CloneConnector",
    "DCSource",
    "DisplacementDependentProbabilityConnector",
    "DistanceDependentProbabilityConnector",
    "EIF_cond_alpha_isfa_ista",
    "EIF_cond_exp_isfa_ista",
    "FixedNumberPostConnector",
    "FixedNumberPreConnector",
    "FixedProbabilityConnector",
    "FixedTotalNumberConnector",
    "FromFileConnector",
    "FromListConnector",
    "GutigWeightDependence",
    "HH_cond_exp",
    "IF_cond_alpha",
    "IF_cond_exp",
    "IF_cond_exp_gsfa_grr",
    "IF_curr_alpha",
    "IF_curr_delta",
    "IF_curr_exp",
    "IndexBasedProbabilityConnector",
    "Izhikevich",
    "MultiplicativeWeightDependence",
    "NativeRNG",
    "NoisyCurrentSource",
    "NumpyRNG",
    "OneToOneConnector",
    "Population",
    "PopulationView",
    "Projection",
    "RandomDistribution",
    "STDPMechanism",
    "Sequence",
    "Space",
    "SpikePairRule",
    "SpikeSourceArray",
    "SpikeSourcePoisson",
    "StaticSynapse",
    "StepCurrentSource",
    "TsodyksMarkramSynapse",
    "UnsupportedError",
    "connect",
    "create",
    "end",
    "get_current_time",
    "get_max_delay",
    "get_min_delay",
    "get_time_step",
    "initialize",
    "list_standard_models",
    "num_processes",
    "random",
    "rank",
    "record",
    "record_gsyn",
    "record_v",
    "register",
    "reset",
    "run",
    "run_for",
    "run_until",
    "setup",
    "space",
]
