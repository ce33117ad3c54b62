"""Network and inputs -> a Brian2 script and its arrays.

The order inside a step is ours, said to Brian2 as a schedule of slots:

    start     what shows the state of the last step
    enter     transparent sources fire             carry       their synapses without delay act in the same step
    deliver   arrivals, biases, drives and inputs become ports; jumps        groups      integration
    hold      held variables of refractory neurons go back                   thresholds  the threshold is tested
    count     refractory steps are counted down    resets      resets        synapses    arrivals of the next step

Arrivals are gathered in a variable of their own, `arriving_<port>`, and become the port at the beginning of the step.
Refractory periods are counted in steps, in a variable `waiting`. Brian2 integrates the equations by its own means.

Longer than most files: it says every part of a network once.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import ModelError, NetworkError, Problems, explain
from spikewright.files import replacing
from spikewright.network.brian2.text import fresh, in_python, safe_names, say, unit_of
from spikewright.network.calculus import degree
from spikewright.network.drive import GaussianDrive, PoissonDrive, StepCurrent
from spikewright.network.expression import evaluate
from spikewright.network.graph import Method, Network, Population, Propagation
from spikewright.network.model import Noise
from spikewright.units import Dimension, dimension_of

SCHEDULE = (
    "start", "enter", "carry", "deliver", "groups", "hold", "thresholds", "count", "resets", "synapses", "end",
)  # fmt: skip
_METHODS = {
    Method.EXACT: "exact",
    Method.EULER: "euler",
    Method.EXPONENTIAL_EULER: "exponential_euler",
    Method.RK4: "rk4",
}
_NOISE = {Noise.WHITE: "randn()/sqrt(dt)", Noise.NORMAL: "randn()", Noise.UNIFORM: "rand()"}


def export_brian2(
    network: Network,
    path: str | os.PathLike[str],
    inputs: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
) -> Path:
    """Write a network as a Brian2 script, with its arrays beside it in a file of the same name that ends in `.npz`.

    The script needs Brian2 only. It runs the network, prints rates and, with `--out`, writes spikes and traces in our
    steps. Connections are written out synapse by synapse; random variables are drawn by Brian2, with its own seed.

    Parameters
    ----------
    network : what to write
    path : of the script; ends in `.py`
    inputs : population or "population.port" -> array `T *shape` or `T 1 *shape`, or Events, as for `run`
    steps : that the script runs, where nothing else is said on its command line; default: the length of the longest
        input, or 1000

    Returns
    -------
    Path : the script

    Raises
    ------
    NetworkError : something that Brian2 cannot say, all of it together: rules, integer arithmetic, values other than
        spikes, networks without a clock, exponential Euler where a variable is not linear in itself
    """
    script = Path(path)
    if script.suffix != ".py":
        raise NetworkError(
            explain(str(script), "not the name of a script", expected="a name that ends in .py")
        )
    _check(network)
    written = _Script(network.written_out())
    written.enter(inputs or {})
    written.build()
    if steps is None:
        steps = max(written.lengths, default=0) or 1000
    text = written.text(script, steps)
    with replacing(script.with_suffix(".npz")) as target:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **written.arrays)  # type: ignore[arg-type]
        target.write_bytes(buffer.getvalue())
    with replacing(script) as target:
        target.write_text(text, encoding="utf-8")
    return script


def _check(network: Network) -> None:
    """Raise NetworkError for everything in a network that Brian2 cannot say."""
    problems = Problems()
    if network.propagation is not Propagation.NEXT_STEP:
        problems.add(
            f"network {network.name!r}",
            "its outputs are not seen in the next step",
            found=f"propagation {network.propagation.value}",
            expected=Propagation.NEXT_STEP.value,
        )
    for name, population in network.populations.items():
        model, where = population.model, f"population {name!r}"
        if model.integer:
            problems.add(
                where,
                "integer arithmetic",
                found=model.name,
                cure="export the network before lowering it",
            )
            continue
        out = network.outgoing(name)
        if model.name == "Input":
            entering = [*network.incoming(name)]
            entering += [n for n, d in network.drives.items() if d.post == name]
            if entering:
                problems.add(
                    where,
                    "is reached from within the network, and Brian2 knows its spikes beforehand",
                    found=", ".join(entering),
                    cure="use a model with a threshold in its place",
                )
            continue
        if model.is_graded and out:
            problems.add(
                where,
                "sends values, and Brian2 sends spikes",
                found=f"output {model.output!r} of {model.name}",
                cure=f"leave out {', '.join(out)}",
            )
        if model.is_transparent and (not model.is_spiking or network.incoming(name)):
            problems.add(where, "passes on in the same step what reaches it", found=model.name)
        problems.lines += _method_problem(population, where)
    for name, projection in network.projections.items():
        if projection.rule is not None:
            problems.add(
                f"projection {name!r}",
                "has a rule",
                found=projection.rule.model.name,
                cure="export network.without_rules()",
            )
    problems.raise_as(NetworkError)


def _method_of(population: Population) -> Method:
    if population.method is not Method.AUTO:
        return population.method
    return Method.EXACT if population.model.is_affine else Method.EXPONENTIAL_EULER


def _method_problem(population: Population, where: str) -> list[str]:
    if _method_of(population) is not Method.EXPONENTIAL_EULER:
        return []
    curved = [v for v, tree in population.model.trees["dynamics"].items() if degree(tree, {v}) > 1]
    if not curved:
        return []
    return [
        explain(
            where,
            f"Brian2's exponential Euler needs equations that are linear in their own variable; "
            f"{', '.join(curved)} of {population.model.name} is not",
            cure="say method=Method.RK4 or Method.EULER",
        )
    ]


class _Script:
    """The text and the arrays of a script, as they are put together."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.arrays: dict[str, NDArray[Any]] = {}
        self.parts: list[str] = []
        self.spikes: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self.held: dict[tuple[str, str], NDArray[np.float64]] = {}
        self.lengths: list[int] = []

    # -- what enters -----------------------------------------------------------------------------------

    def enter(self, inputs: Mapping[str, Any]) -> None:
        problems = Problems()
        for place, given in inputs.items():
            name, port = self._place(place)
            if name is None:
                problems.add(
                    f"inputs[{place!r}]",
                    "no such population or port",
                    expected=", ".join(self.network.populations),
                )
                continue
            population = self.network.populations[name]
            try:
                values = _as_rows(given, population.n, self.network.dt)
            except (ValueError, TypeError) as error:
                problems.add(
                    f"inputs[{place!r}]", str(error), expected=f"T x {population.n}, one sample"
                )
                continue
            self.lengths.append(len(values))
            if population.model.name != "Input":
                # Brian2 goes on with the last value of a table: that is 0
                self.held[name, port] = np.vstack([values, np.zeros((1, population.n))])
            elif np.any((values != 0) & (values != 1)):
                problems.add(
                    f"inputs[{place!r}]",
                    "enters as spikes, one at most per neuron and step",
                    found=f"the value {values[(values != 0) & (values != 1)][0]:g}",
                    expected="0 or 1",
                )
            else:
                step, address = np.nonzero(values)
                self.spikes[name] = step.astype(np.int64), address.astype(np.int64)
        problems.raise_as(NetworkError)

    def _place(self, place: str) -> tuple[str | None, str]:
        populations = self.network.populations
        if place in populations:
            return place, populations[place].model.default_port
        name, _, port = place.rpartition(".")
        if name in populations and port in populations[name].model.inputs:
            return name, port
        return None, ""

    # -- what is there ---------------------------------------------------------------------------------

    def build(self) -> None:
        problems = Problems()
        for number, (name, population) in enumerate(self.network.populations.items()):
            try:
                if population.model.name == "Input":
                    self._source(number, name, population)
                else:
                    _Group(self, number, name, population).write()
            except ModelError as error:
                problems.lines.append(str(error))
        for number, name in enumerate(self.network.projections):
            self._projection(number, name, problems)
        problems.raise_as(NetworkError)

    def keep(self, key: str, values: Any) -> str:
        """Keep an array; return the text that reads it."""
        self.arrays[key] = np.asarray(values)
        return f"DATA[{key!r}]"

    def _source(self, number: int, name: str, population: Population) -> None:
        none = np.zeros(0, np.int64)
        step, address = self.spikes.get(name, (none, none))
        steps = self.keep(f"source{number}_step", step)
        addresses = self.keep(f"source{number}_address", address)
        self.parts.append(
            f"# population {name!r}: spikes from outside\n"
            f"populations[{name!r}] = b2.SpikeGeneratorGroup(\n"
            f'    {population.n}, {addresses}, {steps} * DT, when="enter"\n)\n'
        )

    def _projection(self, number: int, name: str, problems: Problems) -> None:
        network = self.network
        p = network.projections[name]
        pre, post = network.populations[p.pre], network.populations[p.post]
        synapses = p.topology.synapses(pre.shape)
        delay = network.delay_steps(name)
        if delay.ndim:
            if np.any(synapses.entry < 0):
                problems.add(
                    f"projection {name!r}", "a delay per weight needs a map with one weight each"
                )
                return
            delay = delay.ravel()[synapses.entry]
        if not synapses.n:
            self.parts.append(f"# projection {name!r} has no synapses\n")
            return
        port = network.port_of(name)
        group = _Group(self, list(network.populations).index(p.post), p.post, post)
        unit = unit_of(dimension_of(post.model.inputs[port]))
        narrow = np.int32 if max(synapses.n_pre, synapses.n_post) < 2**31 else np.int64
        key = f"projection{number}"
        one_delay = delay.ndim == 0 or np.all(delay == delay.flat[0])
        late = f", delay={int(delay.flat[0])} * DT" if one_delay and delay.flat[0] else ""
        lines = [
            f"# projection {name!r}: {synapses.n} synapses",
            f"synapses = b2.Synapses(populations[{p.pre!r}], populations[{p.post!r}], "
            f'"weight : {unit}", on_pre="{group.arriving[port]}_post += weight"{late})',
            f"synapses.connect(i={self.keep(key + '_pre', synapses.source.astype(narrow))}, "
            f"j={self.keep(key + '_post', synapses.target.astype(narrow))})",
        ]
        weight = synapses.weight.astype(np.float64)
        same = bool(np.all(weight == weight[0]))
        value = repr(float(weight[0])) if same else self.keep(key + "_weight", weight)
        lines.append(f"synapses.weight = {value} * {in_python(unit)}")
        if not one_delay:
            lines.append(f"synapses.delay = {self.keep(key + '_delay', delay)} * DT")
        if pre.model.is_transparent:
            lines.append('synapses.pre.when = "carry"  # in the step in which they are sent')
        lines.append("objects.append(synapses)\n")
        self.parts.append("\n".join(lines))

    # -- the whole -------------------------------------------------------------------------------------

    def text(self, script: Path, steps: int) -> str:
        network = self.network
        head = _HEAD.format(
            name=_quoted(network.name),
            script=_quoted(script.name),
            data=_quoted(script.with_suffix(".npz").name),
            steps=steps,
            dt=repr(float(network.dt)),
        )
        return head + "\n".join(self.parts) + _TAIL


class _Group:
    """One population as a NeuronGroup."""

    def __init__(self, script: _Script, number: int, name: str, population: Population) -> None:
        model = population.model
        self.script, self.number, self.name = script, number, name
        self.population, self.model, self.where = population, model, f"population {name!r}"
        self.names = safe_names([*model.state, *model.params, *model.inputs, *model.noise])
        self.taken = set(self.names.values())
        self.arriving = {p: fresh(f"arriving_{p}", self.taken) for p in model.inputs}
        self.units: dict[str, Dimension] = dict(model.dimensions)
        self.space: list[str] = []
        self.equations: list[str] = []
        self.settings: list[str] = []
        self.drawn = 0

    def say(self, tree: Any, want: Dimension | None) -> str:
        return say(tree, self.names, self.units, want, self.where)

    def unit(self, name: str) -> str:
        return unit_of(self.units[name])

    def write(self) -> None:
        model = self.model
        for p in model.params:
            self._constant(self.names[p], self.population.param(p), self.unit(p))
        for port in model.inputs:
            self.equations += [
                f"{self.names[port]} : {self.unit(port)}",
                f"{self.arriving[port]} : {self.unit(port)}",
            ]
        self.equations += [f"{self.names[x]} : {self.unit(x)}" for x in model.noise]
        # Brian2's NumPy code may keep `a = b` as a second name of b, so that a block must not change what it copies
        gather = [f"{self.names[x]} = {_NOISE[kind]}" for x, kind in model.noise.items()]
        hold = self._refractory()
        waiting = self.waiting
        gather += [f"{kept} = {self.names[v]}" for v, kept in hold.items()]
        gather += self._ports()
        deliver = [f"{v} = {' + '.join([v, *ports])}" for v, ports in self._jumps().items()]
        deliver += [f"{x} = {_zero(self.unit(p))}" for p, x in self.arriving.items()]
        method, integrate = self._dynamics()
        transparent = model.is_transparent
        threshold = reset = None
        if model.is_spiking:
            threshold = self.say(model.trees["threshold"][""], None)
            if waiting is not None:
                threshold = f"({threshold}) and ({waiting} <= 0)"
            reset = self._reset()
        slot = "before_enter" if transparent else "deliver"
        runs = [(slot, gather), (slot, deliver), *(("groups", [line]) for line in integrate)]
        if hold:
            back = [
                f"{self.names[v]} = int({waiting} <= 0)*{self.names[v]} + int({waiting} > 0)*{kept}"
                for v, kept in hold.items()
            ]
            runs.append(("hold", back))
        if waiting is not None:
            runs.append(("count", [f"{waiting} -= int({waiting} > 0)"]))
        lines = [
            f"# population {self.name!r}: {_line(model.name)}"
            + (f" ({_line(model.source)})" if model.source else ""),
            "group = b2.NeuronGroup(",
            f"    {self.population.n},",
            _block(self.equations) + ",",
        ]
        if method:
            lines.append(f"    method={method!r},")
        if threshold is not None:
            lines.append(f"    threshold={threshold!r},")
            lines.append("    reset=" + (_block(reset).strip() if reset else "''") + ",")
        lines.append("    namespace={" + ", ".join(self.space) + "},")
        lines.append(")")
        if transparent and threshold is not None:
            lines.append(
                'group.thresholder["spike"].when = "enter"  # seen in the step in which it is sent'
            )
        initial = _initial(self.population)
        for v in model.state:
            lines.append(f"group.{self.names[v]} = {self._value(v, initial[v], self.unit(v))}")
        lines += self.settings
        for order, (slot, statements) in enumerate(runs):
            if statements:
                block = _block(statements).strip()
                lines.append(f"group.run_regularly({block}, when={slot!r}, order={order})")
        lines.append(f"populations[{self.name!r}] = group")
        lines.append(f"variables[{self.name!r}] = { ({v: self.names[v] for v in model.state})!r}\n")
        self.script.parts.append("\n".join(lines))

    def _value(self, label: str, value: NDArray[Any], unit: str) -> str:
        tail = "" if unit == "1" else f" * {in_python(unit)}"
        if value.ndim == 0 or (value.size and np.all(value == value.flat[0])):
            return repr(float(value.flat[0])) + tail
        return (
            self.script.keep(f"population{self.number}_{label}", value.reshape(-1).astype(float))
            + tail
        )

    def _constant(self, name: str, value: NDArray[Any], unit: str) -> None:
        """Say a value: one for all in the namespace, one per neuron as a constant of the group."""
        said = self._value(name, value, unit)
        if said.startswith("DATA"):
            self.equations.append(f"{name} : {unit} (constant)")
            self.settings.append(f"group.{name} = {said}")
        else:
            self.space.append(f"{name!r}: {said}")

    def _refractory(self) -> dict[str, str]:
        """Declare what a refractory period needs; return held variable -> where it is kept."""
        hold = self.model.refractory
        self.waiting: str | None = None
        if hold is None:
            return {}
        steps = np.rint(self.population.param(hold.period) / self.script.network.dt)
        if not np.any(steps > 0):
            return {}
        self.waiting = fresh("waiting", self.taken)
        self.equations.append(f"{self.waiting} : integer")
        self.period = fresh("refractory_steps", self.taken)
        self._constant(self.period, steps, "1")
        kept = {v: fresh(f"held_{v}", self.taken) for v in hold.hold}
        self.equations += [f"{name} : {self.unit(v)}" for v, name in kept.items()]
        return kept

    def _ports(self) -> list[str]:
        """Return the statements that give every port what arrives and enters in this step."""
        network, lines = self.script.network, []
        for port in self.model.inputs:
            unit, terms = self.unit(port), [self.arriving[port]]
            if (self.name, port) in self.script.held:
                table = self._table(self.script.held[self.name, port], 1, unit)
                terms.append(f"{table}(t, i)")
            for p in network.incoming(self.name):
                bias = network.projections[p].bias
                if bias is not None and network.port_of(p) == port:
                    own = fresh("bias", self.taken)
                    self._constant(own, np.asarray(bias, float), unit)
                    terms.append(own)
            for n, drive in network.drives.items():
                if drive.post == self.name and network.driven_port(n) == port:
                    terms.append(self._drive(drive, unit))
            lines.append(f"{self.names[port]} = {' + '.join(terms)}")
        return lines

    def _jumps(self) -> dict[str, list[str]]:
        """Return variable -> the ports that are added to it, in the order declared."""
        found: dict[str, list[str]] = {}
        for port, v in self.model.jumps.items():
            found.setdefault(self.names[v], []).append(self.names[port])
        return found

    def _drive(self, drive: Any, unit: str) -> str:
        def own(word: str, value: Any, own_unit: str) -> str:
            name = fresh(word, self.taken)
            self._constant(name, np.asarray(value, float), own_unit)
            return name

        match drive:
            case PoissonDrive(rate=rate, weight=weight):
                return f"{own('drive_weight', weight, unit)}*poisson({own('drive_rate', rate, 'hertz')}*dt)"
            case GaussianDrive(mean=mean, std=std):
                return f"({own('drive_mean', mean, unit)} + {own('drive_std', std, unit)}*randn())"
            case StepCurrent(times=times, values=values):
                start = np.rint(times / self.script.network.dt).astype(np.int64)
                every = math.gcd(*start.tolist()) or 1
                rows = np.searchsorted(start, np.arange(0, start[-1] + every, every), side="right")
                flat = np.broadcast_to(
                    values.reshape(len(start), -1), (len(start), self.population.n)
                )
                pieces = np.vstack([np.zeros((1, self.population.n)), flat])
                return f"{self._table(pieces[rows], every, unit)}(t, i)"
        raise ModelError(explain(self.where, f"a drive that Brian2 cannot say: {drive!r}"))

    def _table(self, values: NDArray[np.float64], every: int, unit: str) -> str:
        """Say values given in time, one row per `every` steps; return the table's name."""
        name = fresh("table", self.taken)
        data = self.script.keep(f"population{self.number}_{name}", values)
        tail = "" if unit == "1" else f" * {in_python(unit)}"
        self.space.append(f"{name!r}: b2.TimedArray({data}{tail}, dt={every} * DT)")
        return name

    def _dynamics(self) -> tuple[str, list[str]]:
        """Say the equations; return Brian2's method, and the statements that stand in place of equations."""
        model = self.model
        second = dimension_of("s")
        if model.update or _method_of(self.population) is Method.SEQUENTIAL_EULER:
            self.equations += [f"{self.names[v]} : {self.unit(v)}" for v in model.state]
            if model.update:
                trees = model.trees["update"].items()
                return "", [
                    f"{self.names[v]} = {self.say(tree, self.units[v])}" for v, tree in trees
                ]
            per = {
                v: tuple(a - b for a, b in zip(self.units[v], second, strict=True))
                for v in model.state
            }
            rates = model.trees["dynamics"].items()
            said = {self.names[v]: self.say(tree, per[v]) for v, tree in rates}
            return "", [f"{v} = {v} + dt*({rate})" for v, rate in said.items()]
        for v in model.state:
            tree = model.trees["dynamics"].get(v)
            if tree is None:
                self.equations.append(f"{self.names[v]} : {self.unit(v)}")
                continue
            rate = tuple(a - b for a, b in zip(self.units[v], second, strict=True))
            self.equations.append(f"d{self.names[v]}/dt = {self.say(tree, rate)} : {self.unit(v)}")
        return (_METHODS[_method_of(self.population)] if model.dynamics else ""), []

    def _reset(self) -> list[str]:
        """Return the statements of the reset: all from the values before it."""
        trees = self.model.trees["reset"]
        said = {v: self.say(tree, self.units[v]) for v, tree in trees.items()}
        lines = []
        if len(said) > 1:
            late = {v: fresh(f"after_{v}", self.taken) for v in said}
            lines += [f"{late[v]} = {text}" for v, text in said.items()]
            said = dict(late)
        lines += [f"{self.names[v]} = {text}" for v, text in said.items()]
        if self.waiting is not None:
            lines.append(f"{self.waiting} = int({self.period})")
        return lines


def _initial(population: Population) -> dict[str, NDArray[Any]]:
    """Return the starting value of every variable: 0-d, or of the population's shape."""
    model = population.model
    params = {name: population.param(name) for name in model.params}
    found = {}
    for v in model.state:
        value: Any = 0.0
        if v in population.initial:
            value = population.initial[v]
        elif v in model.trees["initial"]:
            value = evaluate(model.trees["initial"][v], params)
        found[v] = np.asarray(value, float)
    return found


def _as_rows(given: Any, n: int, dt: float) -> NDArray[np.float64]:
    """Return one sample's input as an array `T n`."""
    if isinstance(given, Sequence) and len(given) == 1 and hasattr(given[0], "tick"):
        given = given[0]
    if hasattr(given, "tick") and hasattr(given, "address"):
        if given.address.size and given.address.max() >= n:
            raise ValueError(f"has an address {given.address.max()}")
        # whole ticks of a step where they fit, so that an event at k dt is in step k
        step = np.floor(given.t * (given.tick / dt) + 1e-9).astype(np.int64)
        rows = np.zeros((int(step.max(initial=-1)) + 1, n))
        np.add.at(rows, (step, given.address), 1.0 if given.value is None else given.value)
        return rows
    array = np.asarray(given, float)
    if array.ndim == 0 or array.size % n or array.size // n != len(array):
        raise ValueError(f"does not fit: an array of shape {array.shape}")
    return array.reshape(len(array), n)


def _zero(unit: str) -> str:
    return "0" if unit == "1" else f"0*{unit}"


def _line(text: str) -> str:
    """Return a text on one line, so that nothing of a file can leave a comment and become code."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _quoted(text: str) -> str:
    """Return a text that may stand in a docstring."""
    return _line(text).replace('"', "'").replace("\\", "/")


def _block(lines: Sequence[str]) -> str:
    """Return lines as a Python text in three quotes, indented as an argument."""
    inner = "\n".join(f"        {line}" for line in lines)
    return f'    """\n{inner}\n    """'


_HEAD = '''"""{name}: a network as a Brian2 script.

    python {script} [--steps N] [--seed N] [--target cython] [--record POPULATION:VARIABLE ...] [--out FILE.npz]

Written by Spikewright; needs Brian2 and nothing else. Its arrays stand in {data}. The file that `--out` names holds
for every population `POPULATION:step` and `POPULATION:address` of its spikes, and `POPULATION:VARIABLE` for each trace,
steps x neurons, row k behind step k. A spike found in step k is stamped with the time (k + 1) dt.
"""

import argparse
from pathlib import Path

import brian2 as b2
import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default={steps})
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--target", choices=("numpy", "cython"), default="numpy")
parser.add_argument("--record", nargs="*", default=[], metavar="POPULATION:VARIABLE")
parser.add_argument("--out", type=Path)
options = parser.parse_args()

DATA = np.load(Path(__file__).with_suffix(".npz"))
DT = {dt} * b2.second
b2.prefs.codegen.target = options.target
b2.defaultclock.dt = DT
b2.seed(options.seed)
populations, variables, objects = {{}}, {{}}, []

'''

_TAIL = """
monitors = {name: b2.SpikeMonitor(g) for name, g in populations.items() if "spike" in g.events}
traces = {}
for wanted in options.record:
    name, _, variable = wanted.rpartition(":")
    source = variables[name][variable]
    traces[wanted] = source, b2.StateMonitor(populations[name], source, record=True, when="end")
network = b2.Network(*populations.values(), *objects, *monitors.values(), *(m for _, m in traces.values()))
network.schedule = [SLOTS]
network.run(options.steps * DT)

found = {}
for name, monitor in monitors.items():
    found[f"{name}:step"] = np.round(np.asarray(monitor.t_) / float(DT)).astype(np.int64)
    found[f"{name}:address"] = np.asarray(monitor.i, np.int64)
    rate = len(monitor.i) / monitor.source.N / (options.steps * float(DT))
    print(f"{name}: {len(monitor.i)} spikes, {rate:.4g} Hz")
for wanted, (source, monitor) in traces.items():
    found[wanted] = np.asarray(getattr(monitor, source + "_")).T
if options.out:
    np.savez_compressed(options.out, **found)
""".replace("SLOTS", ", ".join(f'"{slot}"' for slot in SCHEDULE))
