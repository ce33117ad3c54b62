"""From a Network to NIR, with a report: exact where NIR can say it, changed (and how), or refused.

A network that came from NIR is written back under its old names, with its present values. Any other is written in the
plainest form: one node per population and per map, full arrays of float32, Input and Output, `v_reset` present.

What NIR says otherwise than we do, and what becomes of it:

    spikes that jump        LIF, LI: the same jump as an input held over the step, r = 1/(exp(dt/tau) - 1) for the
                            exact step, tau/dt - 1 for Euler; IF: r = 1/dt. CubaLI, CubaLIF: w_in = tau_syn/dt - 1 is
                            the same for the sequential Euler step; for others w_in = tau_syn/dt keeps the charge
    seen in the next step   NIR sees outputs in the same: populations run earlier by whole steps, or `Delay` nodes
                            keep the timing (`retime=False`)
    reset by subtraction, refractory period, start value: NIR cannot say them; changed, and named

Derivation of r for LIF: with v' = (v_rest - v + r x)/tau, x held, the exact step adds r x (1 - e), e = exp(-dt/tau); a
spike w that jumps before the step adds w e. Hence r = e/(1 - e). For Euler: r dt/tau = 1 - dt/tau.

Longer than most files: the table above is one mapping, with a method per kind of neuron and map.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, NetworkError, explain
from spikewright.network.compose import Compose
from spikewright.network.expression import evaluate
from spikewright.network.graph import Method, Network, Population, Projection
from spikewright.network.library.integrate_and_fire import IF, LI, LIF, CubaLI, CubaLIF
from spikewright.network.library.nir_models import NirCubaLI, NirCubaLIF, NirI, NirIF
from spikewright.network.library.sources import Input, Relay, ThresholdUnit
from spikewright.network.model import NeuronModel, Reset
from spikewright.network.nir.document import Document, Graph, Node, write_document
from spikewright.network.nir.importer import Current
from spikewright.network.nir.layout import lay_out
from spikewright.network.nir.origin import KEY, rebuilt
from spikewright.network.nir.report import Finding, Findings, Report, Status
from spikewright.network.topology import Dense, Flatten, OneToOne, Topology
from spikewright.network.windows import AvgPool, Conv, SumPool

MAX_MATRIX = 2**30
"""Bytes of a matrix that a sparse map may be written out as."""
MAX_IDENTITY = 2048
"""Neurons for which a bias without a map is written as an Affine with an identity matrix."""


@dataclass(frozen=True, eq=False)
class Exported:
    """What `to_nir` gives: the document (None where something was refused) and the report."""

    document: Document | None
    report: Report


def to_nir(network: Network, *, retime: bool = True) -> Exported:
    """Return a network as an NIR document.

    Parameters
    ----------
    network : the network
    retime : for networks whose outputs are seen in the next step. True: write a plain graph, in which populations run
        earlier by whole steps; False: keep the timing with Delay nodes, which few readers know

    Returns
    -------
    Exported : the report has a finding for every node
    """
    network = network.written_out()
    plain = not network.drives and all(p.rule is None for p in network.projections.values())
    again = rebuilt(network) if plain else None
    findings = Findings()
    if again is not None and again.document is not None:
        return _again(network, again.document, again.notes or {})
    if again is not None:
        findings.add(
            network.name, "origin", Status.CHANGED,
            f"written under new names, since {again.reason}",
        )  # fmt: skip
    return _Writer(network, findings, retime).build()


def write_nir(network: Network, path: str | os.PathLike[str], *, retime: bool = True) -> Report:
    """Write a network as an NIR file, whole or not at all; return what became of every node.

    Raises
    ------
    NetworkError : NIR cannot say something, named
    FormatError : the place cannot be written
    """
    exported = to_nir(network, retime=retime)
    if exported.document is None:
        refused = exported.report.of(Status.REFUSED)
        listed = "\n".join(f"  {f.name} ({f.kind}): {f.note}" for f in refused)
        raise NetworkError(
            explain(
                f"write_nir({network.name!r})",
                f"NIR cannot say {len(refused)} part{'s' if len(refused) > 1 else ''} of it",
                cure="use the own format (spikewright.network.store), or change:\n" + listed,
            )
        )
    write_document(exported.document, path)
    return exported.report


def _settings(graph: Graph, dt: float, current: str, reset: str) -> Graph:
    metadata: dict[str, Any] = dict(graph.metadata)
    metadata |= {"dt": np.asarray(dt), "current": current, "reset": reset}
    return Graph(graph.nodes, graph.edges, metadata)


def _again(network: Network, document: Document, notes: Mapping[str, str]) -> Exported:
    findings = Findings()
    settings = dict(network.metadata[KEY]["settings"])

    def walk(graph: Graph, path: tuple[str, ...]) -> None:
        for name, node in graph.nodes.items():
            if isinstance(node, Graph):
                walk(node, (*path, name))
                continue
            place = "/".join((*path, name))
            note = notes.get(place, "")
            findings.add(place, node.kind, Status.CHANGED if note else Status.EXACT, note)
            if "v_threshold" in node.params and settings.get("reset") == Reset.SUBTRACT.value:
                findings.add(place, node.kind, Status.CHANGED, _SUBTRACTS)

    walk(document.graph, ())
    current = settings.get("current", Current.SEQUENTIAL.value)
    reset = settings.get("reset", Reset.VALUE.value)
    graph = _settings(document.graph, network.dt, current, reset)
    told = {"dt": f"{network.dt:g} s", "current": current, "reset": reset}
    return Exported(Document(graph, document.version, network.name), findings.frozen(told))


_SUBTRACTS = "it subtracts the threshold; NIR can only say v_reset (our metadata note it)"


class _Refused(Exception):
    """NIR cannot say it."""


# model -> NIR type
KNOWN: tuple[tuple[NeuronModel, str], ...] = (
    (Input, "Input"),
    (Relay, "Scale"),
    (ThresholdUnit, "Threshold"),
    (IF, "IF"),
    (NirIF, "IF"),
    (NirI, "I"),
    (LIF, "LIF"),
    (LI, "LI"),
    (CubaLIF, "CubaLIF"),
    (NirCubaLIF, "CubaLIF"),
    (CubaLI, "CubaLI"),
    (NirCubaLI, "CubaLI"),
)


def _meaning(model: NeuronModel) -> dict[str, object]:
    data = model.as_dict()
    for part in ("name", "source", "refractory", "initial"):
        del data[part]
    params = data.pop("params")
    hold = model.refractory.period if model.refractory else ""
    units = {n: u for n, (_, u) in params.items() if n not in (hold, "v_reset")}  # type: ignore[attr-defined]
    return data | {"units": units}


def recognized(model: NeuronModel) -> tuple[NeuronModel, str, bool] | None:
    """Return (library model, NIR type, whether it resets by subtraction) of a model that NIR knows."""
    meaning = _meaning(model)
    for known, kind in KNOWN:
        if known.name == "Input" and model.name != "Input":
            continue
        if meaning == _meaning(known):
            return known, kind, False
        if known.reset and meaning == _meaning(known.resetting(Reset.SUBTRACT)):
            return known, kind, True
    return None


@dataclass(frozen=True)
class _Neurons:
    """A population as a node: its input, and the gain of each port relative to that input."""

    node: Node
    gains: Mapping[str, NDArray[Any]]


class _Writer:
    def __init__(self, network: Network, findings: Findings, retime: bool) -> None:
        self.network, self.findings, self.retime = network, findings, retime
        self.nodes: dict[str, Node] = {}
        self.edges: list[tuple[str, str]] = []
        self.chains: dict[str, list[str]] = {}
        self.delays: dict[str, str] = {}
        self.subtracting: set[bool] = set()

    def build(self) -> Exported:
        network = self.network
        current = self._current()
        neurons: dict[str, _Neurons] = {}
        for name, population in network.populations.items():
            try:
                neurons[name] = self._population(name, population, current)
                self.nodes[_safe(name)] = neurons[name].node
            except _Refused as no:
                self.findings.add(name, population.model.name, Status.REFUSED, str(no))
        for name, projection in network.projections.items():
            try:
                post = neurons.get(projection.post)
                self._projection(name, projection, post)
            except _Refused as no:
                kind = projection.topology.kind
                self.findings.add(name, kind, Status.REFUSED, str(no))
        for name in network.drives:
            self.findings.add(name, "drive", Status.REFUSED, "NIR has no sources of its own")
        for name in network.outputs:
            out = self._free("output" if len(network.outputs) == 1 else f"output_{name}")
            shape = network.populations[name].shape
            self.nodes[out] = Node("Output", {"shape": np.asarray(shape, np.int64)})
            self.edges.append((_safe(name), out))
        reset = Reset.SUBTRACT.value if self.subtracting == {True} else Reset.VALUE.value
        told = {"dt": f"{network.dt:g} s", "current": current.value, "reset": reset}
        if not any(f.status is Status.REFUSED for f in self.findings.found):
            try:
                self._time()
            except _Refused as no:
                self.findings.add(network.name, "timing", Status.REFUSED, str(no))
            except FormatError as error:
                self.findings.add(network.name, "shapes", Status.REFUSED, str(error))
        report = self.findings.frozen(told)
        if report.of(Status.REFUSED):
            return Exported(None, report)
        graph = _settings(Graph(self.nodes, tuple(self.edges)), network.dt, current.value, reset)
        return Exported(Document(graph, origin=network.name), report)

    def _free(self, name: str) -> str:
        taken = set(self.nodes) | {_safe(n) for n in self.network.populations}
        found, number = name, 2
        while found in taken:
            found, number = f"{name}#{number}", number + 1
        return found

    # -- populations -----------------------------------------------------------------------------------

    def _current(self) -> Current:
        """Return the reading under which most populations step as they do here."""
        votes = {c: 0 for c in (Current.EXACT, Current.SEQUENTIAL, Current.EULER)}
        for population in self.network.populations.values():
            for choice in _readings(population):
                votes[choice] += population.n
        return max(votes, key=lambda c: votes[c])

    def _population(self, name: str, population: Population, current: Current) -> _Neurons:
        found = recognized(population.model)
        if found is None:
            known = ", ".join(m.name for m, _ in KNOWN)
            raise _Refused(f"NIR has no node for this model; it has {known}")
        model, kind, subtracts = found
        shape, dt = population.shape, self.network.dt

        def full(value: Any, to: str) -> NDArray[Any]:
            return self._float32(name, kind, to, np.broadcast_to(np.asarray(value), shape))

        if kind == "Input":
            self.findings.add(name, kind, Status.EXACT)
            return _Neurons(Node(kind, {"shape": np.asarray(shape, np.int64)}), {})
        if kind == "Scale":
            self.findings.add(name, kind, Status.EXACT, "a relay, written as Scale by 1")
            return _Neurons(Node(kind, {"scale": np.ones(shape, np.float32)}), {})
        if kind == "Threshold":
            self.findings.add(name, kind, Status.EXACT)
            value = full(population.param("threshold"), "threshold")
            return _Neurons(Node(kind, {"threshold": value}), {})
        self.findings.add(name, kind, Status.EXACT)
        ports = {self.network.port_of(p) for p in self.network.incoming(name)}
        p = {n: population.param(n).astype(np.float64) for n in population.model.params}
        readings = _readings(population)
        if current not in readings:
            self.findings.add(
                name, kind, Status.CHANGED,
                f"stepped by {_method(population).value} here; the file is for "
                f"current={current.value!r}",
            )  # fmt: skip
        elif current is Current.EXACT:
            self.findings.add(
                name, kind, Status.EXACT,
                "stepped exactly: read it with current='exact'; readers that use forward Euler differ "
                "by order dt",
            )  # fmt: skip
        self._limits(name, kind, population, subtracts)
        params: dict[str, Any] = {}
        gains: dict[str, NDArray[Any]] = {}
        if model.name in ("IF", "NirIF", "NirI"):
            held = 1 / p["c"] if model.name == "IF" else p["r"]
            params["r"] = np.asarray(1 / dt) if "spikes" in ports else held
            gains = {"i": held / params["r"], "spikes": np.asarray(1.0)}
        elif model.name in ("LIF", "LI"):
            euler = _method(population) in (Method.EULER, Method.SEQUENTIAL_EULER)
            jump = p["tau_m"] / dt - 1 if euler else 1 / np.expm1(dt / p["tau_m"])
            if "spikes" in ports:
                if np.any(jump <= 0):
                    raise _Refused(
                        "tau_m is not longer than dt, so a jump cannot be said as an input"
                    )
                how = "tau/dt - 1" if euler else "1/(exp(dt/tau) - 1)"
                self.findings.add(name, kind, Status.EXACT, f"spikes that jump: r = {how}")
            params = {"tau": p["tau_m"], "r": jump if "spikes" in ports else p["r"]}
            params["v_leak"] = p["v_rest"]
            gains = {"i": p["r"] / params["r"], "spikes": np.asarray(1.0)}
        else:
            params = {"tau_mem": p["tau_m"], "tau_syn": p["tau_s"], "r": p["r"]}
            params["v_leak"] = p["v_rest"]
            params["w_in"] = (
                p["w_in"] if "w_in" in p else self._synapse(name, kind, population, ports)
            )
            gains = {"i_in": np.asarray(1.0), "spikes": np.asarray(1.0)}
        if population.model.threshold:
            self.subtracting.add(subtracts)
            params["v_threshold"] = p["v_th"]
            params["v_reset"] = p.get("v_reset", np.asarray(0.0))
        return _Neurons(Node(kind, {n: full(v, n) for n, v in params.items()}), gains)

    def _synapse(self, name: str, kind: str, population: Population, ports: set[str]) -> Any:
        """Return w_in for spikes that jump into the current."""
        if "i_ext" in ports:
            raise _Refused("a projection reaches i_ext; NIR's synapse filters every input")
        dt, tau = self.network.dt, population.param("tau_s").astype(np.float64)
        method = _method(population)
        if "spikes" not in ports:
            return np.asarray(1.0)
        if method is Method.SEQUENTIAL_EULER:
            gain = tau / dt - 1
            if np.any(gain <= 0):
                raise _Refused("tau_s is not longer than dt, so a jump cannot be said as an input")
            note = "spikes that jump: w_in = tau_syn/dt - 1"
            self.findings.add(name, kind, Status.EXACT, note)
            return gain
        gain = tau / dt
        if method is Method.EULER:
            what = "the membrane sees a spike one step later"
        else:
            what = "the same charge, spread over the step (an error of order dt)"
        self.findings.add(
            name, kind, Status.CHANGED, f"spikes that jump, as an input held over the step: {what}"
        )
        return gain

    def _limits(self, name: str, kind: str, population: Population, subtracts: bool) -> None:
        """Note what NIR cannot say about these neurons."""
        model = population.model
        if subtracts:
            self.findings.add(name, kind, Status.CHANGED, _SUBTRACTS)
        if model.refractory is not None:
            period = population.param(model.refractory.period)
            if np.any(np.rint(period / self.network.dt) > 0):
                note = f"the refractory period of {float(period.max()):g} s is left out"
                self.findings.add(name, kind, Status.CHANGED, note)
        first = _initial(population)
        wrong = [v for v, x in first.items() if np.any(x != 0)]
        if wrong:
            note = (
                f"{', '.join(wrong)} starts at 0 in NIR, not at {float(first[wrong[0]].flat[0]):g}"
            )
            self.findings.add(name, kind, Status.CHANGED, note)

    def _float32(self, name: str, kind: str, what: str, value: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore"):
            small = np.array(value, np.float32)
        if not np.all(np.isfinite(small)):
            raise _Refused(f"{what} does not fit float32; found {np.abs(value).max():g}")
        off = np.abs(small - value)
        if np.any(off > 0):
            scale = np.where(value == 0, 1.0, np.abs(value))
            worst = float(np.max(off / scale))
            note = f"{what} rounded to float32, by up to {worst:.1e} of its value"
            self.findings.add(name, kind, Status.CHANGED, note)
        return small

    # -- projections -----------------------------------------------------------------------------------

    def _projection(self, name: str, projection: Projection, post: _Neurons | None) -> None:
        topology = projection.topology
        maps = topology.maps if isinstance(topology, Compose) else (topology,)
        shape = self.network.populations[projection.pre].shape
        bias = projection.bias
        if projection.rule is not None:
            raise _Refused(
                f"NIR has no synapses with state; the rule {projection.rule.model.name} would be lost"
                " — export `network.without_rules()`"
            )
        if projection.exponent:
            raise _Refused("a projection with an exponent belongs to integer arithmetic")
        chain: list[tuple[str, Node]] = []
        for index, part in enumerate(maps):
            last = bias if index == len(maps) - 1 else None
            used = self._map(name, part, shape, last, chain)
            if used and last is not None:
                bias = None
            shape = part.out_shape(shape)
        target = self.network.populations[projection.post].shape
        if shape != target:
            raise _Refused(f"it gives shape {shape} and reaches {target}: NIR cannot reshape back")
        if bias is not None and np.any(bias):
            if len(target) != 1 or target[0] > MAX_IDENTITY:
                raise _Refused("a bias per neuron where no Affine can hold it")
            eye = np.eye(target[0], dtype=np.float32)
            values = self._float32(name, "Affine", "bias", np.asarray(bias))
            chain.append(("bias", Node("Affine", {"weight": eye, "bias": values})))
        gain = None if post is None else post.gains.get(self.network.port_of(name))
        if gain is not None and np.any(gain != 1):
            scale = self._float32(name, "Scale", "gain", np.broadcast_to(gain, target))
            chain.append(("gain", Node("Scale", {"scale": scale})))
        weighted = [i for i, (kind, _) in enumerate(chain) if kind == "weight"]
        names = []
        for index, (kind, node) in enumerate(chain):
            alone = weighted == [index]
            made = self._free(_safe(name) if alone else f"{_safe(name)}.{kind}")
            self.nodes[made] = node
            names.append(made)
        self.chains[name] = names
        self._late(name, projection)
        kind = " + ".join(node.kind for _, node in chain) or "edge"
        self.findings.add(name, kind, Status.EXACT)

    def _map(
        self,
        name: str,
        part: Topology,
        shape: tuple[int, ...],
        bias: NDArray[Any] | None,
        chain: list[tuple[str, Node]],
    ) -> bool:
        """Add a map's node; return whether it took the bias."""
        if isinstance(part, Flatten):
            if part.out_shape(shape) != shape:
                chain.append(("flatten", _flatten(shape, part.first, part.last)))
            return False
        if isinstance(part, OneToOne):
            if np.any(part.weights != 1):
                full = np.broadcast_to(part.weights, shape)
                scale = self._float32(name, "Scale", "weights", full)
                chain.append(("weight", Node("Scale", {"scale": scale})))
            return False
        if isinstance(part, Conv):
            node, took = self._conv(name, part, shape, bias)
            chain.append(("weight", node))
            return took
        if isinstance(part, SumPool | AvgPool):
            chain.append(("pool", _pool(part)))
            return False
        if isinstance(part, Dense):
            matrix = part.weights
        else:
            n_pre, n_post = int(np.prod(shape)), int(np.prod(part.out_shape(shape)))
            if n_pre * n_post * 4 > MAX_MATRIX:
                raise _Refused(
                    f"written as a matrix it would take {n_pre * n_post * 4 / 2**30:.1f} GiB"
                )
            matrix = part.synapses(shape).matrix()
            self.findings.add(name, "Linear", Status.EXACT, f"{part.kind} map written as a matrix")
        if len(shape) > 1:
            chain.append(("flatten", _flatten(shape, 0, -1)))
        weight = self._float32(name, "Linear", "weights", matrix)
        if bias is None:
            chain.append(("weight", Node("Linear", {"weight": weight})))
            return False
        values = self._float32(name, "Affine", "bias", np.asarray(bias).reshape(-1))
        chain.append(("weight", Node("Affine", {"weight": weight, "bias": values})))
        return True

    def _conv(
        self, name: str, part: Conv, shape: tuple[int, ...], bias: NDArray[Any] | None
    ) -> tuple[Node, bool]:
        kernel = part.weights.shape[2:]
        kind = f"Conv{len(kernel)}d"
        pads = tuple(before for before, _ in part.padding)
        padding: Any = np.asarray(pads, np.int64)
        if any(before != after for before, after in part.padding):
            same = Conv.same(kernel, part.dilation)
            if tuple(part.padding) != same or set(part.stride) != {1}:
                raise _Refused(f"padding {part.padding} differs between the sides of an axis")
            padding = "same"
        channels = np.zeros(part.weights.shape[0])
        took = False
        if bias is not None:
            each = np.asarray(bias).reshape(len(channels), -1)
            if np.any(each != each[:, :1]):
                raise _Refused("a bias that differs within a channel")
            channels, took = each[:, 0], True
        single = len(kernel) == 1

        def whole(values: Any) -> NDArray[Any]:
            return np.asarray(values[0] if single else values, np.int64)

        params: dict[str, Any] = {
            "input_shape": whole(shape[1:]),
            "weight": self._float32(name, kind, "weights", part.weights),
            "stride": whole(part.stride),
            "padding": padding if isinstance(padding, str) else whole(pads),
            "dilation": whole(part.dilation),
            "groups": np.asarray(part.groups, np.int64),
            "bias": self._float32(name, kind, "bias", channels),
        }
        return Node(kind, params), took

    def _late(self, name: str, projection: Projection) -> NDArray[np.int64]:
        """Return a projection's delay in steps, 0-d or one per source."""
        steps: NDArray[np.int64] = self.network.delay_steps(name)
        if steps.ndim == 0:
            return steps
        if np.all(steps == steps.flat[0]):
            return np.asarray(steps.flat[0])
        pre = self.network.populations[projection.pre].shape
        if isinstance(projection.topology, OneToOne) and steps.shape == pre:
            return steps
        if isinstance(projection.topology, Dense) and np.all(steps == steps[:1]):
            return np.asarray(steps[0].reshape(pre))
        raise _Refused("delays that differ between the synapses of a neuron")

    # -- timing ----------------------------------------------------------------------------------------

    def _time(self) -> None:
        """Join the nodes; keep or shift the timing.

        A projection that takes `lag` steps before its delay D, and `closing` steps that a reader adds where it closes a
        cycle, is written with a Delay of D + lag - closing + early(pre) - early(post) steps, which must not be
        negative. `early` is how many steps a population runs ahead of here: the shortest path from an input, counting
        lags (Leiserson and Saxe, "Retiming synchronous circuitry", Algorithmica 6, 1991).
        """
        network = self.network
        closing = self._closing()
        early = self._early(closing)
        for name, projection in network.projections.items():
            delay = self._late(name, projection) + (
                network.lag(name) - closing[name] + early[projection.pre] - early[projection.post]
            )
            if np.any(delay != 0):
                shape = network.populations[projection.pre].shape
                seconds = np.broadcast_to(delay * network.dt, shape).astype(np.float32)
                node = self._free(f"{_safe(name)}.delay")
                self.nodes[node] = Node("Delay", {"delay": seconds})
                self.findings.add(name, "Delay", Status.EXACT, "a delay, written as a Delay node")
                self.delays[name] = node
        if self._closing() != closing:
            raise _Refused(
                "its cycles cannot be told apart by a reader: give the network one input path"
            )
        for name in network.projections:
            self.edges += self._edges(name)
        for name in network.populations:
            if early[name]:
                self._note_early(name, early[name])

    def _note_early(self, name: str, steps: int) -> None:
        kind = self.nodes[_safe(name)].kind
        unit = "step" if abs(steps) == 1 else "steps"
        note = f"runs {abs(steps)} {unit} {'earlier' if steps > 0 else 'later'}: NIR passes outputs on within the step"
        biased = any(
            self.network.projections[p].bias is not None
            and np.any(self.network.projections[p].bias)
            for p in self.network.incoming(name)
        )
        if biased:
            note += f", and its bias acts {abs(steps)} {unit} {'less' if steps > 0 else 'more'} before the first input"
        if name in self.network.outputs:
            note += "; so does the output"
        self.findings.add(name, kind, Status.CHANGED, note)

    def _edges(self, name: str) -> list[tuple[str, str]]:
        projection = self.network.projections[name]
        delay = [self.delays[name]] if name in self.delays else []
        stops = [_safe(projection.pre), *delay, *self.chains[name], _safe(projection.post)]
        return list(itertools.pairwise(stops))

    def _closing(self) -> dict[str, int]:
        """Return how many steps a reader adds to each projection because it closes a cycle."""
        edges = list(self.edges)
        for name in self.network.projections:
            edges += self._edges(name)
        layout = lay_out(Document(Graph(self.nodes, tuple(edges)), origin=self.network.name))
        closed = {layout.edges[e] for e in layout.closing}
        return {name: len(closed & set(self._edges(name))) for name in self.network.projections}

    def _early(self, closing: Mapping[str, int]) -> dict[str, int]:
        network = self.network
        if not self.retime:
            for name in network.projections:
                least = int(np.min(self._late(name, network.projections[name])))
                if least + network.lag(name) < closing[name]:
                    raise _Refused(f"projection {name!r} closes a cycle without a delay of its own")
            return dict.fromkeys(network.populations, 0)
        weight = {}
        for name, projection in network.projections.items():
            spare = min(int(np.min(self._late(name, projection))), closing[name])
            weight[name] = network.lag(name) + spare - closing[name]
        early: dict[str, int] = {
            n: 0 for n in network.populations if not network.incoming(n) or n in network.inputs
        }
        for seed in (None, *network.populations):
            if seed is not None:
                if seed in early:
                    continue
                early[seed] = 0
            for _ in range(len(network.populations) + 1):
                changed = False
                for name, projection in network.projections.items():
                    if projection.pre not in early:
                        continue
                    reach = early[projection.pre] + weight[name]
                    if projection.post not in early or reach < early[projection.post]:
                        early[projection.post] = reach
                        changed = True
                if not changed:
                    break
            else:
                raise _Refused("a cycle is shorter than the step that a reader adds to it")
        return early


def _safe(name: str) -> str:
    """Return a name that HDF5 takes: '.' alone is a path there."""
    return f"node{name}" if name.strip(".") == "" else name


def _method(population: Population) -> Method:
    if population.method is not Method.AUTO:
        return population.method
    return Method.EXACT if population.model.is_affine else Method.EXPONENTIAL_EULER


def _readings(population: Population) -> tuple[Current, ...]:
    """Return the readings of NIR's equations under which a population steps as it does here."""
    if not population.model.dynamics:
        return tuple(Current)
    method, single = _method(population), len(population.model.dynamics) == 1
    if population.model.name in ("IF", "NirIF", "NirI"):
        return tuple(Current)
    if method is Method.EXACT or (method is Method.EXPONENTIAL_EULER and single):
        return (Current.EXACT,)
    if method is Method.SEQUENTIAL_EULER:
        return (Current.SEQUENTIAL, Current.EULER) if single else (Current.SEQUENTIAL,)
    if method is Method.EULER:
        return (Current.SEQUENTIAL, Current.EULER) if single else (Current.EULER,)
    return ()


def _initial(population: Population) -> dict[str, NDArray[Any]]:
    model = population.model
    params = {n: population.param(n) for n in model.params}
    found: dict[str, NDArray[Any]] = {}
    for variable in model.state:
        if variable in population.initial:
            found[variable] = np.asarray(population.initial[variable])
        elif variable in model.trees["initial"]:
            found[variable] = np.asarray(evaluate(model.trees["initial"][variable], params))
    return found


def _flatten(shape: tuple[int, ...], first: int, last: int) -> Node:
    return Node(
        "Flatten",
        {
            "start_dim": np.asarray(first, np.int64),
            "end_dim": np.asarray(last, np.int64),
            "input_type": np.asarray(shape, np.int64),
        },
    )


def _pool(part: SumPool | AvgPool) -> Node:
    if len(part.kernel) != 2:
        raise _Refused("NIR pools in two dimensions only")
    if any(before != after for before, after in part.padding):
        raise _Refused(f"padding {part.padding} differs between the sides of an axis")
    params = {
        "kernel_size": np.asarray(part.kernel, np.int64),
        "stride": np.asarray(part.stride, np.int64),
        "padding": np.asarray([before for before, _ in part.padding], np.int64),
    }
    return Node("SumPool2d" if isinstance(part, SumPool) else "AvgPool2d", params)


__all__ = ["Exported", "Finding", "recognized", "to_nir", "write_nir"]
