"""What PyNN has and this module has not: each name with the nearest that is supported."""

from __future__ import annotations

from spikewright.errors import ModelError, explain


class UnsupportedError(ModelError, AttributeError):
    """A cell, connector, synapse or function of PyNN that is not supported here."""


NEAREST = {
    "AdExp": "EIF_cond_exp_isfa_ista",
    "CSAConnector": "FromListConnector or ArrayConnector",
    "ExpPSR": "IF_cond_exp",
    "AlphaPSR": "IF_cond_alpha",
    "CondExpPostSynapticResponse": "IF_cond_exp",
    "CondAlphaPostSynapticResponse": "IF_cond_alpha",
    "CurrExpPostSynapticResponse": "IF_curr_exp",
    "CurrAlphaPostSynapticResponse": "IF_curr_alpha",
    "CurrDeltaPostSynapticResponse": "IF_curr_delta",
    "ElectricalSynapse": "StaticSynapse",
    "FixedNumberConnector": "FixedNumberPreConnector or FixedNumberPostConnector",
    "GIF_cond_exp": "EIF_cond_exp_isfa_ista",
    "GSLRNG": "NumpyRNG",
    "IF_facets_hardware1": "IF_cond_exp",
    "LIF": "IF_curr_exp",
    "MapConnector": "ArrayConnector",
    "MultiCompartmentNeuron": "HH_cond_exp",
    "MultiQuantalSynapse": "TsodyksMarkramSynapse",
    "Network": "Assembly",
    "PointNeuron": "IF_cond_exp or IF_curr_exp",
    "SimpleStochasticSynapse": "StaticSynapse",
    "SmallWorldConnector": "IndexBasedProbabilityConnector or FromListConnector",
    "SpikeSourceGamma": "SpikeSourcePoisson or SpikeSourceArray",
    "SpikeSourceInhGamma": "SpikeSourceArray",
    "SpikeSourcePoissonRefractory": "SpikeSourcePoisson",
    "StochasticTsodyksMarkramSynapse": "TsodyksMarkramSynapse",
    "Vogels2011Rule": "SpikePairRule",
    "native_cell_type": "a standard cell type",
    "native_electrode_type": "a standard current source",
    "native_synapse_type": "a standard synapse type",
}
"""Name in PyNN -> what comes nearest."""


def refuse(name: str) -> UnsupportedError:
    """Return the error of a name that is not supported."""
    return UnsupportedError(
        explain("spikewright.pynn", f"{name!r} is not supported", cure=f"nearest: {NEAREST[name]}")
    )
