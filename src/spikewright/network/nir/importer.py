"""From NIR to a Network: every node type, and a report of what each became.

Neurons become populations. Nodes without state become the topology of a projection, several in a row one `Compose`,
as long as one path leads through them, at most one has weights, and a bias stands last; elsewhere a `Relay` holds the
value in between. The network runs in `Propagation.SAME_STEP`: the output of step t contains the input of step t.

The format leaves four questions open; each is an argument here: the step (`dt`), which current drives the membrane
(`current`), whether the input of an IF is a current or an impulse (`if_input`), and how a spike resets (`reset`).

Longer than most files: one builder with a method per kind of node.
"""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, ModelError, NetworkError, explain
from spikewright.network.compose import Compose
from spikewright.network.graph import Method, Network, Population, Projection, Propagation
from spikewright.network.library.integrate_and_fire import LI, LIF
from spikewright.network.library.nir_models import NirCubaLI, NirCubaLIF, NirI, NirIF
from spikewright.network.library.sources import Input, Relay, ThresholdUnit
from spikewright.network.model import NeuronModel, Reset
from spikewright.network.nir.document import Document, read_document
from spikewright.network.nir.layout import (
    NEURONS,
    PASS,
    Layout,
    Place,
    lay_out,
    spread,
    topology_of,
)
from spikewright.network.nir.origin import Carrier, describe
from spikewright.network.nir.report import Findings, Report, Status
from spikewright.network.rules import GRID_TOLERANCE
from spikewright.network.topology import Flatten, OneToOne, Scale, Topology

DEFAULT_DT = 1e-4
"""Seconds; the step of the NIR paper's experiments and of most importers."""
FLOAT32_NOISE = 1e-4
"""Steps by which a delay stored in float32 may miss a whole number and still mean it."""
CURRENT_GAIN = 0.05
"""How far r * dt may be from 1 for the report to call an IF's input 'one unit per spike'."""
SAME = Flatten(0, 0)
"""The map that changes nothing and has no weight to learn."""


class Current(enum.Enum):
    """Which current drives the membrane of CubaLI and CubaLIF, and how equations are stepped."""

    SEQUENTIAL = "sequential"
    """Forward Euler; the current first, the membrane sees the new one (Norse, snnTorch, SpikingJelly)."""
    EULER = "euler"
    """Forward Euler; the membrane sees the current at the start of the step (the NIR paper's reference)."""
    EXACT = "exact"
    """The solution of the equations for an input held over the step."""


class IfInput(enum.Enum):
    """What enters an IF."""

    AUTO = "auto"
    """IMPULSE where r is 1 for every neuron, else CURRENT."""
    IMPULSE = "impulse"
    """r times the input is added to v once a step."""
    CURRENT = "current"
    """r times the input, times dt, is added: the equation as the format writes it."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A network that came from NIR.

    Parameters
    ----------
    network : the network; its metadata remember the document, so that `to_nir` writes it back under the same names
    report : what became of every node
    inputs, outputs : NIR node -> population that takes its place
    document : what was read
    """

    network: Network
    report: Report
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    document: Document


METHODS = {
    Current.SEQUENTIAL: Method.SEQUENTIAL_EULER,
    Current.EULER: Method.EULER,
    Current.EXACT: Method.EXACT,
}

# NIR type -> (model, NIR parameter -> model parameter, port)
MODELS: Mapping[str, tuple[NeuronModel, Mapping[str, str], str]] = {
    "I": (NirI, {"r": "r"}, "i"),
    "IF": (NirIF, {"r": "r", "v_threshold": "v_th", "v_reset": "v_reset"}, "i"),
    "LI": (LI, {"tau": "tau_m", "r": "r", "v_leak": "v_rest"}, "i"),
    "LIF": (
        LIF,
        {"tau": "tau_m", "r": "r", "v_leak": "v_rest", "v_threshold": "v_th", "v_reset": "v_reset"},
        "i",
    ),
    "CubaLI": (
        NirCubaLI,
        {"tau_mem": "tau_m", "tau_syn": "tau_s", "r": "r", "v_leak": "v_rest", "w_in": "w_in"},
        "i_in",
    ),
    "CubaLIF": (
        NirCubaLIF,
        {
            "tau_mem": "tau_m",
            "tau_syn": "tau_s",
            "r": "r",
            "v_leak": "v_rest",
            "w_in": "w_in",
            "v_threshold": "v_th",
            "v_reset": "v_reset",
        },
        "i_in",
    ),
}


def from_nir(
    source: str | os.PathLike[str] | Document,
    *,
    dt: float | None = None,
    current: Current | None = None,
    if_input: IfInput = IfInput.AUTO,
    reset: Reset | None = None,
    name: str = "",
) -> Imported:
    """Return the network of an NIR file or document.

    Parameters
    ----------
    source : a file, or a document
    dt : s; default: what the file's metadata say, else 1e-4
    current : how equations are stepped; default: what the metadata of our own files say, else SEQUENTIAL
    if_input : what enters an IF
    reset : VALUE as the file says, or SUBTRACT the threshold; default: what the metadata say, else VALUE
    name : the network's name; default: the file's

    Raises
    ------
    FormatError : the file cannot be read, or its nodes do not fit together
    NetworkError : an option is not possible
    """
    document = source if isinstance(source, Document) else read_document(source)
    step, said = _step(document, dt)
    stored = document.graph.metadata
    if current is None:
        known = {c.value: c for c in Current}
        current = known.get(_word(stored.get("current")), Current.SEQUENTIAL)
    if reset is None:
        subtract = _word(stored.get("reset")) == Reset.SUBTRACT.value
        reset = Reset.SUBTRACT if subtract else Reset.VALUE
    if reset not in (Reset.VALUE, Reset.SUBTRACT):
        raise NetworkError(
            explain(
                "from_nir(reset=)", "not a reset of NIR", found=reset, expected="VALUE or SUBTRACT"
            )
        )
    layout = lay_out(document)
    builder = _Builder(document, layout, step, current, if_input, reset)
    return builder.build(name or _name_of(document), said)


def _name_of(document: Document) -> str:
    base = os.path.basename(document.origin)
    return base[:-4] if base.endswith(".nir") else base or "nir"


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _step(document: Document, dt: float | None) -> tuple[float, str]:
    said = "as asked"
    if dt is None:
        stored = document.graph.metadata.get("dt")
        dt, said = DEFAULT_DT, "the default; the file does not say"
        if stored is not None and np.size(stored) == 1 and np.asarray(stored).dtype.kind in "if":
            dt, said = float(np.ravel(stored)[0]), "from the file's metadata"
    if not (math.isfinite(dt) and dt > 0):
        raise NetworkError(explain("from_nir(dt=)", "must be positive", found=dt, cure="e.g. 1e-4"))
    return dt, said


@dataclass(frozen=True)
class _Carry:
    """The value at a node's output: what `pre` sends, through `maps`, plus `bias`."""

    pre: str
    maps: tuple[tuple[Topology, str], ...] = ()
    bias: NDArray[Any] | None = None
    biased: str = ""
    weighted: bool = False

    @property
    def has_bias(self) -> bool:
        """Whether a bias is added that is not zero everywhere."""
        return self.bias is not None and bool(np.any(self.bias))


class _Builder:
    def __init__(
        self,
        document: Document,
        layout: Layout,
        dt: float,
        current: Current,
        if_input: IfInput,
        reset: Reset,
    ) -> None:
        self.document, self.layout, self.dt = document, layout, dt
        self.current, self.if_input, self.reset = current, if_input, reset
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.carry: dict[str, _Carry] = {}
        self.target: dict[str, str] = {}  # node -> population that its incoming edges reach
        self.port: dict[str, str] = {}
        self.delay: dict[str, NDArray[Any]] = {}
        self.carriers: dict[str, dict[str, Carrier]] = {}
        self.outputs: dict[str, str] = {}
        self.findings = Findings()

    # -- the whole graph -----------------------------------------------------------------------------

    def build(self, name: str, said: str) -> Imported:
        layout = self.layout
        for place in layout.places.values():
            self.carriers[place.name] = {}
            try:
                self._visit(place)
            except (FormatError, NetworkError, ModelError) as error:
                where = f"{self.document.origin}: node {'/'.join(place.path)!r} ({place.node.kind})"
                raise FormatError(explain(where, str(error))) from None
        for number, (a, b) in enumerate(layout.edges):
            if b in self.target:
                late = self.dt if number in layout.closing else 0.0
                delay = late + self.delay.get(b, np.asarray(0.0))
                self._project(self.carry[a], self.target[b], self.port[b], delay)
                if number in layout.closing:
                    self.findings.add(
                        b, layout.places[b].node.kind, Status.EXACT,
                        f"the edge from {a!r} closes a cycle: it carries the value of the step before",
                    )  # fmt: skip
        settings = {
            "dt": f"{self.dt:g} s, {said}",
            "current": self.current.value,
            "if_input": self.if_input.value,
            "reset": self.reset.value,
        }
        inputs = {p.path[0]: p.name for p in layout.places.values() if p.kind == "Input"}
        metadata = {
            "nir": describe(
                self.document.graph,
                self.document.version,
                {p.path: self.carriers[p.name] for p in layout.places.values()},
                self.populations,
                self.projections,
                self.dt,
                settings,
            )
        }
        try:
            network = Network(
                dt=self.dt,
                populations=self.populations,
                projections=self.projections,
                outputs=tuple(dict.fromkeys(self.outputs.values())),
                propagation=Propagation.SAME_STEP,
                name=name,
                metadata=metadata,
            )
        except NetworkError as error:
            raise FormatError(explain(self.document.origin, str(error))) from None
        return Imported(
            network, self.findings.frozen(settings), inputs, self.outputs, self.document
        )

    # -- one node --------------------------------------------------------------------------------------

    def _visit(self, place: Place) -> None:
        name, kind = place.name, place.kind
        into, out_of = self.layout.into[name], self.layout.out_of[name]
        shape = self.layout.shapes[name][1]
        self.findings.add(name, place.node.kind, Status.EXACT)
        if kind == "Input":
            self._add(name, Population(Input, shape))
            self.carry[name] = _Carry(name)
        elif kind == "Output":
            self._visit_output(place, shape)
        elif kind in NEURONS:
            self._visit_neuron(place, shape)
        elif kind == "Threshold":
            value = spread(place.node.array("threshold"), shape)
            self._add(name, Population(ThresholdUnit, shape, {"threshold": value}))
            self._reach(name, name, "x")
            self.carriers[name]["threshold"] = Carrier("param", name, "threshold")
            self.carry[name] = _Carry(name)
        elif kind == "Delay":
            self._visit_delay(place, shape)
        elif kind == PASS and (
            len(into) != 1 or len(out_of) != 1 or into[0] in self.layout.closing
        ):
            self._add(name, Population(Relay, shape))
            self._reach(name, name, "x")
            self.carry[name] = _Carry(name)
        else:
            self._visit_map(place)

    def _visit_output(self, place: Place, shape: tuple[int, ...]) -> None:
        into = self.layout.into[place.name]
        if len(into) == 1 and into[0] not in self.layout.closing:
            before = self._settled(self.layout.edges[into[0]][0])
            self.outputs[place.path[0]] = before.pre
            return
        self._add(place.name, Population(Relay, shape))
        self._reach(place.name, place.name, "x")
        self.outputs[place.path[0]] = place.name

    def _visit_neuron(self, place: Place, shape: tuple[int, ...]) -> None:
        name, node = place.name, place.node
        model, names, port = MODELS[node.kind]
        params = {
            ours: spread(node.array(n), shape) for n, ours in names.items() if n in node.params
        }
        for n in ("tau", "tau_mem", "tau_syn"):
            if n in node.params and np.any(node.array(n) <= 0):
                raise FormatError(f"{n} must be positive; found {float(node.array(n).min()):g}")
        if any(np.size(node.params[n]) == 1 for n in names if n in node.params) and shape != (1,):
            self.findings.add(name, node.kind, Status.EXACT, "one value for all neurons, broadcast")
        if "v_threshold" in node.params and "v_reset" not in node.params:
            params["v_reset"] = np.asarray(0.0)
            self.findings.add(name, node.kind, Status.EXACT, "no v_reset: 0")
        if self.reset is Reset.SUBTRACT and model.threshold:
            model = model.resetting(Reset.SUBTRACT)
            self.findings.add(
                name, node.kind, Status.CHANGED,
                "a spike subtracts v_threshold; NIR itself says v_reset",
            )  # fmt: skip
        target = name
        if node.kind == "IF":
            target, port = self._if_input(place, shape, params)
        initial = {"v": 0.0} if "v" in model.initial else {}
        self._add(name, Population(model, shape, params, initial, METHODS[self.current]))
        for n, ours in names.items():
            if n in node.params and n not in self.carriers[name]:
                self.carriers[name][n] = Carrier("param", name, ours)
        self._reach(name, target, port)
        if target != name:
            gain = Scale(np.broadcast_to(node.array("r"), shape))
            made = self._put(f"{target}->{name}", Projection(target, name, gain, "spikes"))
            self.carriers[name]["r"] = Carrier("weight", made, "0")
        self.carry[name] = _Carry(name)

    def _if_input(
        self, place: Place, shape: tuple[int, ...], params: dict[str, Any]
    ) -> tuple[str, str]:
        """Return the population and port that an IF's input reaches."""
        r = place.node.array("r").astype(np.float64)
        choice = self.if_input
        reason = "as asked"
        if choice is IfInput.AUTO:
            choice = IfInput.IMPULSE if np.all(r == 1) else IfInput.CURRENT
            if choice is IfInput.IMPULSE:
                reason = "because r is 1"
            elif np.all(np.abs(r * self.dt - 1) < CURRENT_GAIN):
                reason = "because r is about 1/dt: one unit of input adds about one to v"
            else:
                reason = "because r is not 1"
        what = "added to v once a step" if choice is IfInput.IMPULSE else "a current held over dt"
        self.findings.add(
            place.name, "IF", Status.EXACT, f"input is an {choice.value} ({what}), {reason}"
            if choice is IfInput.IMPULSE
            else f"input is a {choice.value} ({what}), {reason}",
        )  # fmt: skip
        if choice is IfInput.CURRENT:
            return place.name, "i"
        if np.all(r == 1):
            return place.name, "spikes"
        relay = self._free(f"{place.name}.in")
        self._add(relay, Population(Relay, shape))
        return relay, "x"

    def _visit_delay(self, place: Place, shape: tuple[int, ...]) -> None:
        name = place.name
        value = spread(place.node.array("delay"), shape).astype(np.float64)
        if np.any(value < 0):
            raise FormatError(f"delay must not be negative; found {float(value.min()):g} s")
        steps = np.rint(value / self.dt)
        off = float(np.max(np.abs(value / self.dt - steps)))
        if off > max(FLOAT32_NOISE, GRID_TOLERANCE) * max(1.0, float(steps.max())):
            self.findings.add(
                name, "Delay", Status.CHANGED,
                f"rounded to whole steps of {self.dt:g} s, by up to {off * self.dt:g} s",
            )  # fmt: skip
        if steps.ndim and np.all(steps == steps.flat[0]):
            steps = np.asarray(steps.flat[0])
        self.delay[name] = steps * self.dt
        self._add(name, Population(Relay, shape))
        self._reach(name, name, "x")
        for edge in self.layout.into[name]:
            if edge not in self.layout.closing:
                self._settled(self.layout.edges[edge][0])
        self.carriers[name]["delay"] = Carrier("delay", name, "")
        self.carry[name] = _Carry(name)

    def _visit_map(self, place: Place) -> None:
        name, node = place.name, place.node
        into, out_of = self.layout.into[name], self.layout.out_of[name]
        shape_in, shape_out = self.layout.shapes[name]
        if len(into) != 1 or into[0] in self.layout.closing:
            relay = self._free(f"{name}.in")
            self._add(relay, Population(Relay, shape_in))
            self._reach(name, relay, "x")
            carry = _Carry(relay)
            if not into:
                self.findings.add(name, node.kind, Status.EXACT, "nothing reaches it: input 0")
        else:
            carry = self.carry[self.layout.edges[into[0]][0]]
        if place.kind == PASS:
            self.carry[name] = carry
        else:
            topology = topology_of(node, shape_in)
            if isinstance(topology, Scale):
                topology = Scale(np.broadcast_to(topology.weights, shape_in))
            weighted = topology.weight is not None
            if carry.has_bias or (carry.weighted and weighted):
                carry = self._settled(self.layout.edges[into[0]][0])
            bias = None
            if "bias" in node.params:
                raw = node.array("bias")
                lead = raw.reshape(-1, *(1,) * (len(shape_out) - 1)) if raw.size > 1 else raw
                bias = np.broadcast_to(lead, shape_out)
            self.carry[name] = _Carry(
                carry.pre,
                (*carry.maps, (topology, name)),
                bias,
                name if bias is not None else "",
                carry.weighted or weighted,
            )
        late = any(edge in self.layout.closing for edge in out_of)
        if len(out_of) != 1 or (late and self.carry[name].has_bias):
            self._settled(name)

    # -- parts of the network --------------------------------------------------------------------------

    def _free(self, name: str) -> str:
        taken = set(self.populations) | set(self.layout.places)
        number, found = 2, name
        while found in taken:
            found, number = f"{name}#{number}", number + 1
        return found

    def _add(self, name: str, population: Population) -> None:
        self.populations[name] = population

    def _reach(self, node: str, population: str, port: str) -> None:
        self.target[node], self.port[node] = population, port

    def _settled(self, node: str) -> _Carry:
        """Return the value at a node's output as what a population sends; add a relay where needed."""
        carry = self.carry[node]
        if carry.maps or carry.bias is not None:
            name = self._free(node) if node in self.populations else node
            self._add(name, Population(Relay, self.layout.shapes[node][1]))
            self._project(carry, name, "x", np.asarray(0.0))
            self.carry[node] = _Carry(name)
        return self.carry[node]

    def _project(self, carry: _Carry, post: str, port: str, delay: NDArray[Any] | float) -> None:
        maps = tuple(m for m, _ in carry.maps)
        delay = np.asarray(delay)
        if not maps:
            shape = self.populations[carry.pre].shape
            topology: Topology = OneToOne(np.ones(shape)) if delay.ndim else SAME
        else:
            topology = maps[0] if len(maps) == 1 else Compose(maps)
        weighted = [node for m, node in carry.maps if m.weight is not None]
        own = weighted or [node for _, node in carry.maps]
        name = own[0] if len(own) == 1 else f"{carry.pre}->{post}"
        made = self._put(name, Projection(carry.pre, post, topology, port, delay, carry.bias))
        for index, (m, node) in enumerate(carry.maps):
            if m.weight is not None:
                field = "scale" if isinstance(m, Scale) else "weight"
                self.carriers[node][field] = Carrier("weight", made, str(index))
        if carry.biased:
            kind = self.layout.places[carry.biased].node.kind
            channels = "channel_bias" if kind.startswith("Conv") else "bias"
            self.carriers[carry.biased]["bias"] = Carrier(channels, made, "")

    def _put(self, name: str, projection: Projection) -> str:
        number, found = 2, name
        while found in self.projections:
            found, number = f"{name}#{number}", number + 1
        self.projections[found] = projection
        return found
