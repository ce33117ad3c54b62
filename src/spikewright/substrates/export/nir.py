"""A compiled network as NIR: the numbers that the chip computes with, in the units of the network it was compiled from.

A chip's integer neuron is measured as a linear one (`linear.py`). With unit = (source threshold) / (integer threshold),

    v' = keep_v v + c u' + bias,   u' = keep_u u + g sum(w)

is exactly the forward Euler step of NIR's LIF (no current) or CubaLIF (the membrane sees the new current), with

    tau_mem = dt / (1 - keep_v),  tau_syn = dt / (1 - keep_u),  r = tau_mem / dt,  w_in = tau_syn / dt

so decays, weights and thresholds are those of the chip as they are. What NIR cannot say is rounding within a step
(truncated products), wrapping and clipping, refractory counters, a bias beside the current; each is in the report.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, explain
from spikewright.network.graph import Method, Network, Population, Projection
from spikewright.network.library.integrate_and_fire import LIF
from spikewright.network.library.nir_models import NirCubaLIF, NirIF
from spikewright.network.library.sources import Input
from spikewright.network.model import Reset
from spikewright.network.nir import Document, Finding, Report, Status, write_document
from spikewright.network.nir import to_nir as network_to_nir
from spikewright.network.topology import Dense, OneToOne, Sparse, Topology
from spikewright.substrates.base import Compiled
from spikewright.substrates.export.linear import Linear, NotLinear, probe
from spikewright.substrates.export.tables import check_digital

LONGEST = 2.0**30
"""Steps: the time constant that stands for "no leak" where NIR has no neuron without one."""


@dataclass(frozen=True, eq=False)
class Exported:
    """What `to_nir` gives.

    Parameters
    ----------
    document : None where something was refused
    report : what became of every population and projection; a refusal names what NIR cannot say
    network : real-valued, computes what the document says; None where a neuron was refused
    """

    document: Document | None
    report: Report
    network: Network | None


def to_nir(compiled: Compiled, *, retime: bool = True) -> Exported:
    """Return a compiled network as an NIR document with dequantized weights, time constants and thresholds.

    Parameters
    ----------
    compiled : for a digital chip with linear integer neurons
    retime : as in `spikewright.network.nir.to_nir`: True moves populations earlier by whole steps, False writes Delay
        nodes

    Returns
    -------
    Exported : read the document with current='sequential' (what our reader does by itself) to compute what it says

    Raises
    ------
    SubstrateError : no network of integers
    """
    check_digital(compiled, "to_nir", on_cores=False)
    lowered = compiled.network.written_out()
    findings: list[Finding] = []
    linear: dict[str, Linear] = {}
    unit: dict[str, NDArray[np.float64]] = {}
    for name, population in lowered.populations.items():
        if name in lowered.inputs:
            continue
        try:
            linear[name] = found = probe(population)
        except NotLinear as no:
            findings.append(Finding(name, population.model.name, Status.REFUSED, str(no)))
            continue
        unit[name] = _unit(compiled.source, name, found)
        for note in found.notes:
            findings.append(Finding(name, population.model.name, Status.CHANGED, note))
    if any(f.status is Status.REFUSED for f in findings):
        return Exported(None, Report(tuple(findings)), None)
    network = _real(compiled, lowered, linear, unit, findings)
    exported = network_to_nir(network, retime=retime)
    report = Report((*findings, *exported.report.findings), exported.report.settings)
    return Exported(exported.document, report, network)


def write_nir(compiled: Compiled, path: str | os.PathLike[str], *, retime: bool = True) -> Report:
    """Write a compiled network as an NIR file, whole or not at all; arguments and errors as for `to_nir`.

    Raises
    ------
    NetworkError : NIR cannot say something, named
    FormatError : the place cannot be written
    """
    exported = to_nir(compiled, retime=retime)
    if exported.document is None:
        refused = exported.report.of(Status.REFUSED)
        listed = "\n".join(f"  {f.name} ({f.kind}): {f.note}" for f in refused)
        raise NetworkError(
            explain(
                f"write_nir({compiled.network.name!r})",
                f"NIR cannot say {len(refused)} part{'s' if len(refused) > 1 else ''} of it",
                cure="use export_configuration, which keeps everything, or change:\n" + listed,
            )
        )
    write_document(exported.document, path)
    return exported.report


# -- the network ---------------------------------------------------------------------------------------


def _unit(source: Network, name: str, linear: Linear) -> NDArray[np.float64]:
    """Return what one integer is worth in the unit of the source's voltage: 0-d or (n,)."""
    height = np.asarray(1.0)
    if name in source.populations:
        height = _height(source.populations[name])
    return np.asarray(height / linear.level)


def _height(population: Population) -> NDArray[np.float64]:
    """Return a population's threshold above rest, in its own unit; 1 where it has none."""
    model = population.model
    params = {p: population.param(p) for p in model.params}
    if not model.threshold or "v_th" not in params:
        return np.asarray(1.0)
    level = np.ravel(np.asarray(params["v_th"], np.float64) - _rest(population))
    return level if np.all(level > 0) else np.asarray(1.0)


def _rest(population: Population) -> NDArray[np.float64]:
    known = "v_rest" in population.model.params
    return np.asarray(population.param("v_rest") if known else 0.0, np.float64)


def _real(
    compiled: Compiled,
    lowered: Network,
    linear: Mapping[str, Linear],
    unit: Mapping[str, NDArray[np.float64]],
    findings: list[Finding],
) -> Network:
    populations: dict[str, Population] = {}
    projections: dict[str, Projection] = {}
    for name, population in lowered.populations.items():
        if name not in linear:
            populations[name] = Population(Input, population.shape)
            continue
        source = compiled.source.populations.get(name)
        if source is not None and np.any(_rest(source)):
            note = (
                f"voltages count from rest ({float(_rest(source).flat[0]):g} in the source), where the chip "
                "starts and NIR too"
            )
            findings.append(Finding(name, source.model.name, Status.CHANGED, note))
        populations[name] = _population(lowered.dt, population, linear[name], unit[name])
        incoming = lowered.incoming(name)
        bias = np.ravel(linear[name].bias * unit[name])
        if np.any(bias):
            if not incoming:
                findings.append(
                    Finding(name, "bias", Status.CHANGED, "no projection can hold its bias")
                )
            if linear[name].has_current:
                bias = bias * (1.0 - linear[name].keep_u)
                note = "its bias passes through the current in NIR: the same when it has settled"
                findings.append(Finding(name, "bias", Status.CHANGED, note))
        for k, q in enumerate(incoming):
            made = _projection(lowered, q, linear[name], unit[name], findings)
            if k == 0 and np.any(bias):
                whole = np.broadcast_to(bias, population.n).reshape(population.shape)
                own = 0.0 if made.bias is None else made.bias
                made = replace(made, bias=whole + own)
            projections[q] = made
    return replace(
        lowered,
        populations=populations,
        projections={q: projections[q] for q in lowered.projections},
        name=f"{lowered.name}, dequantized",
        metadata={},
    )


def _population(
    dt: float,
    population: Population,
    linear: Linear,
    unit: NDArray[np.float64],
) -> Population:
    shape, n = population.shape, population.n

    def full(value: Any) -> NDArray[np.float64]:
        return np.broadcast_to(np.ravel(np.asarray(value, np.float64)), (n,)).reshape(shape)

    params: dict[str, Any] = {
        "v_th": full(linear.level * unit),
        "v_reset": full(linear.reset * unit),
        "v_rest": full(0.0),
    }
    start = {x: np.asarray(v) for x, v in population.initial.items() if np.any(v)}
    initial = {"v": full(np.ravel(start.get("v", 0)) * unit)}
    with np.errstate(divide="ignore"):
        tau_m = np.minimum(dt / (1.0 - linear.keep_v), LONGEST * dt)
        tau_s = np.minimum(dt / (1.0 - linear.keep_u), LONGEST * dt)
    if linear.has_current:
        params |= {"tau_m": full(tau_m), "tau_s": full(tau_s)}
        params |= {"r": full(tau_m / dt), "w_in": full(tau_s / dt)}
        model, method = NirCubaLIF, Method.SEQUENTIAL_EULER
        if "u" in start:
            initial["i"] = full(np.ravel(start["u"]) * unit)
    elif np.all(linear.keep_v == 1.0):
        params |= {"r": full(1.0 / dt)}
        model, method = NirIF, Method.EULER
    else:
        params |= {"tau_m": full(tau_m), "r": full(tau_m / dt)}
        model, method = LIF, Method.SEQUENTIAL_EULER
    if linear.subtracts:
        model = model.resetting(Reset.SUBTRACT)
    known = {k: v for k, v in params.items() if k in model.params}
    return Population(model, shape, known, initial, method)


def _projection(
    lowered: Network,
    name: str,
    linear: Linear,
    unit: NDArray[np.float64],
    findings: list[Finding],
) -> Projection:
    p = lowered.projections[name]
    factor = np.ravel(linear.gain[lowered.port_of(name)] * unit) * 2.0**p.exponent
    if p.exponent < 0:
        note = f"the sum of a step is shifted right by {-p.exponent} and rounded down on the chip"
        findings.append(Finding(name, p.topology.kind, Status.CHANGED, note))
    uniform = factor.size == 1 or bool(np.all(factor == factor[0]))
    topology: Topology = p.topology
    weight, delay = topology.weight, p.delay
    if weight is not None and uniform:
        topology = topology.with_weight(np.asarray(weight, np.float64) * factor[0])
    elif isinstance(topology, Dense):
        topology = Dense(topology.weights * factor[:, None])
    elif isinstance(topology, OneToOne) and topology.weights.ndim:
        topology = OneToOne(topology.weights * factor.reshape(topology.weights.shape))
    else:
        pre = lowered.populations[p.pre].shape
        made = topology.synapses(pre)
        values = made.weight * (factor[0] if uniform else factor[made.target])
        topology = Sparse(made.start, made.target, values, made.n_post)
        if np.ndim(delay):
            delay = np.ravel(delay)[made.entry]
    bias = None
    if p.bias is not None:
        bias = np.asarray(p.bias, np.float64) * factor.reshape(
            () if factor.size == 1 else p.bias.shape
        )
    port = "" if linear.has_current else "i"
    return Projection(p.pre, p.post, topology, port, delay, bias)
