"""Lazy neurons: quiet ones are advanced in closed form when something reaches them, the others step by step.

For a population whose equations are linear with constant coefficients, the state d steps later, without input, is

    x* + P^d (x - x*),      x* the fixed point, P the propagator of one step,

so that a neuron need not be touched until a spike arrives. It must be stepped only while it can reach its threshold:
while the bound

    x*_v + sum_j max((x_j - x*_j) max_d (P^d)_vj, (x_j - x*_j) min_d (P^d)_vj)

is not below it, or while it is refractory. Such a neuron is *hot* and is advanced by the model's own step, on the same
grid as always. Spikes are those of stepping every neuron, up to rounding: P^d is computed at once instead of d times.
A neuron whose fixed point is not below its threshold is *driven*: it is hot for ever, and `cpu_driven.py` steps all of
them as vector code.

A kernel file has `advance` (hot neurons of a step) and `settle` (everything up to date); each projection onto lazy
neurons has an `advance` that adds what arrives in a step.

Longer than most files: closed forms, the kernel that uses them and the kernel of arrivals share one layout of cells.

Source
------
Exact integration: Rotter and Diesmann, Biol. Cybern. 81, 1999. That spikes need only be looked for where they can be:
Morrison, Straube, Plesser, Diesmann, "Exact subthreshold integration with continuous spike times in discrete-time
neural network simulations", Neural Comput. 19, 2007, section 2.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.compiled import kernels_version
from spikewright.engines.deliver import BYTES, Form
from spikewright.engines.discretize import method_of, propagator
from spikewright.engines.generate import Kernel, Port, pieces
from spikewright.engines.layout import lines
from spikewright.engines.program import PopulationProgram
from spikewright.engines.source import Source
from spikewright.network.calculus import derivative
from spikewright.network.expression import evaluate
from spikewright.network.graph import Method

HORIZON = 8192
"""Steps that are jumped over at once."""
MARGIN = 1e-6
"""How far below the threshold, relative to it, a bound makes a neuron hot: more than rounding can hide."""

# what a lazy population's table has from OPEN on
CELLS = 0  # number [samples, n, width]: what belongs to a neuron, side by side: see `Cell`
LIST = 1  # int32 [samples, parts, ROOM]: hot neurons of a part
N_HOT = 2  # int64 [samples, parts, 8]: a cache line for each
POWERS = 3  # number [variables, variables, HORIZON]
SHARED = 4  # number [variables + 1]: fixed points and the level, where all neurons share them
UPPER, LOWER = 5, 6  # number [variables]: greatest and smallest entries of P^d in the row of v
DRIVEN = 7  # address of the table of driven neurons; their SIZE is 0 where there are none
NEURONS = 8  # int64 [SIZE of DRIVEN]: which they are, ascending
LAZY = 9  # entries
IS_HOT = -1
"""Stands in place of the step at whose beginning a quiet neuron's state is."""
FIRST_DRIVEN = -2
"""Stands there for the first driven neuron; -3 for the second, and so on."""


@dataclass(frozen=True)
class Cell:
    """Where things stand in the numbers of one neuron: one cache line for whatever reaches it.

    Parameters
    ----------
    states : variable -> column
    since : column of the step at whose beginning a quiet neuron's state is, as an integer; IS_HOT: it is stepped;
        FIRST_DRIVEN or less: it is driven, and its state stands elsewhere
    fixed : variable -> column of its fixed point, where it differs between neurons that are not driven
    level : column of the threshold, or None where all share it
    width : columns, a power of two
    """

    states: dict[str, int]
    since: int
    fixed: dict[str, int]
    level: int | None
    width: int


@dataclass(frozen=True)
class LazyTables:
    """What closed forms of a population need; see this file's head.

    Parameters
    ----------
    names : state variables, in the order of the other arrays
    which : number of the one that the threshold is for
    powers : (variables, variables, HORIZON), P^d by d
    fixed : (variables, n), x*
    level : (n,), threshold, less the margin
    upper, lower : (variables,), greatest and smallest entries of P^d in the row of v; 0 lies between them
    """

    names: tuple[str, ...]
    which: int
    powers: NDArray[np.float64]
    fixed: NDArray[np.float64]
    level: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]

    @cached_property
    def driven(self) -> NDArray[np.bool_]:
        """Which neurons reach their threshold without any input."""
        found: NDArray[np.bool_] = self.fixed[self.which] >= self.level
        return found

    @cached_property
    def shared(self) -> NDArray[np.float64]:
        """The fixed points, and the level, of the first neuron that is not driven: what many share."""
        first = int(np.argmin(self.driven))
        found: NDArray[np.float64] = np.append(self.fixed[:, first], self.level[first])
        return found

    @cached_property
    def cell(self) -> Cell:
        """Where things of a neuron stand."""
        used = len(self.names) + 1
        differs = [
            bool(np.any((row != one) & ~self.driven))
            for row, one in zip([*self.fixed, self.level], self.shared, strict=True)
        ]
        fixed = {}
        for v, own in zip(self.names, differs[:-1], strict=True):
            if own:
                fixed[v] = used
                used += 1
        level = None
        if differs[-1]:
            level, used = used, used + 1
        states = {v: i for i, v in enumerate(self.names)}
        return Cell(states, len(states), fixed, level, 1 << (used - 1).bit_length())


def why_not(p: PopulationProgram, dt: float) -> str:
    """Return why a population cannot be lazy; empty where it can."""
    model = p.population.model
    if not model.is_spiking or model.is_graded:
        return "it sends at every step"
    if not model.is_affine or method_of(p.population) is not Method.EXACT:
        return "its equations have no closed form"
    if model.noise:
        return "it has noise"
    if p.drives:
        return "something drives it at every step"
    if model.thresholded is None or not isinstance(model.trees["threshold"][""], ast.Compare):
        return "its threshold is not of the form 'variable > level'"
    if not isinstance(model.trees["threshold"][""].ops[0], ast.Gt | ast.GtE):
        return "its threshold is not of the form 'variable > level'"
    if set(model.state) - set(model.dynamics):
        return "a variable has no dynamics"
    constants = p.step.constants
    for row in model.state:
        for column in model.state:
            value = constants.get(f"P_{row}_{column}")
            if value is not None and value.ndim:
                return "time constants differ between neurons"
    try:
        made = tables(p, dt)
    except np.linalg.LinAlgError:
        return "without input its state does not come to rest"
    if not np.all(np.isfinite(made.fixed)):
        return "without input its state does not come to rest"
    return ""


def tables(p: PopulationProgram, dt: float) -> LazyTables:
    """Return the closed forms of a population that can be lazy."""
    from scipy.linalg import expm

    model, population = p.population.model, p.population
    names = list(model.state)
    params = {n: population.param(n) for n in model.params}
    params = {n: v.reshape(-1) if v.ndim else v for n, v in params.items()}
    matrix = propagator(model, params, dt)
    size = len(names)
    one = np.zeros((size, size))
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            one[i, j] = float(matrix.get((row, column), np.asarray(0.0)))
    shift = np.zeros((size, p.n))
    for i, row in enumerate(names):
        shift[i] = shift[i] + matrix.get((row, "1"), np.asarray(0.0))
        for port in model.inputs:
            # what a jump adds at the beginning of a step decays within it
            held = matrix.get((row, model.jumps.get(port, port)))
            for bias in p.biases.get(port, ()):
                if held is not None:
                    shift[i] = shift[i] + held * bias
    fixed = np.linalg.solve(np.eye(size) - one, shift)
    generator = _generator(p, params, dt)
    powers = np.empty((HORIZON, size, size))
    powers[0] = np.eye(size)
    have = 1
    while have < HORIZON:
        more = min(have, HORIZON - have)
        powers[have : have + more] = powers[:more] @ expm(generator * (have * dt))
        have += more
    powers = np.ascontiguousarray(powers.transpose(1, 2, 0))
    which = names.index(str(model.thresholded))
    tree: Any = model.trees["threshold"][""]
    level = np.array(np.broadcast_to(evaluate(tree.comparators[0], params), (p.n,)), np.float64)
    level -= MARGIN * np.abs(level)
    row = powers[which][:, 1:]
    return LazyTables(
        tuple(names),
        which,
        powers,
        np.asarray(fixed, np.float64),
        level,
        np.maximum(row.max(axis=1), 0.0).astype(np.float64),
        np.minimum(row.min(axis=1), 0.0).astype(np.float64),
    )


def _generator(p: PopulationProgram, params: dict[str, Any], dt: float) -> NDArray[np.float64]:
    model = p.population.model
    names = list(model.state)
    zero = params | dict.fromkeys([*names, *model.inputs], 0.0) | {"dt": dt}
    found = np.zeros((len(names), len(names)))
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            value = np.asarray(evaluate(derivative(model.trees["dynamics"][row], column), zero))
            found[i, j] = float(value.reshape(-1)[0])
    return found


def fill_cells(made: LazyTables, values: dict[str, NDArray[Any]], number: Any) -> NDArray[Any]:
    """Return the cells of a population whose state is `values`, (B, n) each."""
    cell = made.cell
    batch, n = next(iter(values.values())).shape
    cells = lines((batch, n, cell.width), number)
    for v, column in cell.states.items():
        cells[:, :, column] = values[v]
    for v, column in cell.fixed.items():
        cells[:, :, column] = made.fixed[made.names.index(v)]
    if cell.level is not None:
        cells[:, :, cell.level] = made.level
    return cells


def _number(column: int) -> str:
    """Return where a number of the cell at `o` stands; without a sign, so that nothing looks for one."""
    return f"cells[o + uint64({column})]"


class _Closed:
    """Lines of source for closed forms, over the cells of neurons."""

    def __init__(self, p: PopulationProgram, made: LazyTables, source: Source) -> None:
        self.p, self.made, self.source = p, made, source
        self.cell, self.names = made.cell, made.names
        self.number, self.item = source.number, BYTES[source.number]
        self.whole = "int32" if source.single else "int64"

    def state(self, variable: str) -> str:
        return _number(self.cell.states[variable])

    @property
    def since(self) -> str:
        return f"stamps[o + uint64({self.cell.since})]"

    @property
    def place(self) -> str:
        """Set `o` to where the cell of neuron i begins."""
        return f"o = uint64(i) * uint64({self.cell.width})"

    def setup(self) -> list[str]:
        number, item, size = self.number, self.item, len(self.names)
        every = f"size * {self.cell.width}"
        lines = [
            "size = t[at.SIZE]",
            f"cells = view(t[at.OPEN + lazy.CELLS] + {item} * sample * {every}, {every}, {number})",
            f"stamps = view(t[at.OPEN + lazy.CELLS] + {item} * sample * {every}, {every}, {self.whole})",
            "unit = sample * t[at.PARTS] + part",
            "hot_list = view(t[at.OPEN + lazy.LIST] + 4 * unit * t[at.ROOM], t[at.ROOM], int32)",
            "n_hot = view(t[at.OPEN + lazy.N_HOT] + at.LINE * unit, 1, int64)",
            f"_shared = view(t[at.OPEN + lazy.SHARED], {size + 1}, {number})",
            f"level = _shared[{size}]",
        ]
        for i, row in enumerate(self.names):
            lines.append(f"_x_{row} = _shared[{i}]")
            lines.append(
                f"_up_{row} = view(t[at.OPEN + lazy.UPPER] + {item} * {i}, 1, {number})[0]"
            )
            lines.append(
                f"_low_{row} = view(t[at.OPEN + lazy.LOWER] + {item} * {i}, 1, {number})[0]"
            )
            for j, column in enumerate(self.names):
                if np.any(self.made.powers[i, j] != 0.0):
                    lines.append(
                        f"_T_{row}_{column} = view(t[at.OPEN + lazy.POWERS]"
                        f" + {item} * {(i * size + j)} * lazy.HORIZON, lazy.HORIZON, {number})"
                    )
        return lines

    def load(self) -> list[str]:
        """Return the lines that take the state of neuron i, and where it goes, from its cell."""
        lines = [f"_s_{v} = {self.state(v)}" for v in self.names]
        lines += [f"_x_{v} = {_number(column)}" for v, column in self.cell.fixed.items()]
        if self.cell.level is not None:
            lines.append(f"level = {_number(self.cell.level)}")
        return lines

    def store(self) -> list[str]:
        return [f"{self.state(v)} = _s_{v}" for v in self.names]

    def forward(self) -> list[str]:
        """Return the lines that advance the state that was taken by `late` steps."""
        # a jump by no step changes rounding at most: where many arrive at once, no processor predicts who is first
        return [
            "if late < lazy.HORIZON:",
            "    _d = uint64(late)",
            *(f"    {line}" for line in self.jump()),
            "else:",
            "    while late > 0:",
            "        _d = uint64(min(late, lazy.HORIZON - 1))",
            "        late -= int64(_d)",
            *(f"        {line}" for line in self.jump()),
        ]

    def jump(self) -> list[str]:
        """Return the lines that advance the state that was taken by `_d` steps, fewer than HORIZON."""
        lines = [f"_e_{v} = _s_{v} - _x_{v}" for v in self.names]
        for i, row in enumerate(self.names):
            terms = [
                f"_T_{row}_{column}[_d] * _e_{column}"
                for j, column in enumerate(self.names)
                if np.any(self.made.powers[i, j] != 0.0)
            ]
            lines.append(f"_s_{row} = _x_{row} + {' + '.join(terms)}")
        return lines

    def bound(self) -> list[str]:
        """Return the lines that set `_bound` from the state that was taken."""
        lines = [f"_bound = _x_{self.names[self.made.which]}"]
        for i, name in enumerate(self.names):
            up, low = self.made.upper[i], self.made.lower[i]
            if up == 0.0 and low == 0.0:
                continue
            lines.append(f"_e_{name} = _s_{name} - _x_{name}")
            if low == 0.0:
                lines.append(f"_bound += max(_e_{name}, zero) * _up_{name}")
            elif up == 0.0:
                lines.append(f"_bound += min(_e_{name}, zero) * _low_{name}")
            else:
                lines.append(f"_bound += max(_e_{name} * _up_{name}, _e_{name} * _low_{name})")
        return lines


def write_lazy(
    p: PopulationProgram, made: LazyTables, ports: dict[str, Port], *, precision: str
) -> Kernel:
    """Return the kernel of a lazy population: `advance` and `settle`."""
    model = p.population.model
    stands = {v: _number(column) for v, column in made.cell.states.items()}
    parts = pieces(p, ports, precision=precision, stands=stands)
    source = parts.source
    closed = _Closed(p, made, source)
    refractory = p.step.refractory is not None
    shared_hold = p.step.refractory is not None and p.step.refractory.ndim == 0
    wait, wide = ("int32", 4) if source.single else ("int64", 8)
    lines = [
        f"# Generated by Spikewright from the model {model.name!a}: lazy neurons.",
        *(
            f"# {part!a}: {texts!a}"
            for part, texts in model.as_dict().items()
            if texts and part not in ("name", "source")
        ),
        f"# Kernels: {kernels_version()}",
        "",
        "import math",
        "",
        "from numba import carray, cfunc",
        "from numpy import float32, float64, int32, int64, uint8, uint64",
        "",
        "from spikewright.engines import layout as at",
        "from spikewright.engines import lazy_source as lazy",
        "from spikewright.engines.blocks import begin, report",
        "from spikewright.engines.intrinsics import KERNEL, view",
        *source.imports(),
        "",
        f"one, zero = {source.number}(1), {source.number}(0)",
        "",
        "",
        '@cfunc(KERNEL, cache=True, nopython=True, error_model="numpy")',
        "def advance(table, sample, part, worker, k, steps):",
        "    t = carray(table, at.OPEN + lazy.LAZY)",
        *(f"    {line}" for line in closed.setup()),
        *(f"    {line}" for line in (*parts.views, *parts.setup)),
        "    begin(t, sample, part, k, 1)",
        "    depth, room = t[at.DEPTH], t[at.ROOM]",
        "    row_of = unit * depth + (k & (depth - 1))",
        "    counts = view(t[at.COUNTS] + 8 * row_of, 1, int64)",
        "    listed = view(t[at.SPIKES] + 4 * row_of * room, room, int32)",
        "    found = 0",
        "    d = view(t[at.OPEN + lazy.DRIVEN], at.OPEN, int64)",
        "    if d[at.SIZE] > 0:",
        "        row_of = unit * d[at.DEPTH] + (k & (d[at.DEPTH] - 1))",
        "        found = view(d[at.COUNTS] + 8 * row_of, 1, int64)[0]",
        "        sources = view(d[at.SPIKES] + 4 * row_of * d[at.ROOM], found, int32)",
        "        neurons = view(t[at.OPEN + lazy.NEURONS], d[at.SIZE], int64)",
        "        for h in range(found):",
        "            listed[h] = neurons[sources[h]]",
        "    h = 0",
        "    left = n_hot[0]",
        *(["    held = hold[0]"] if shared_hold else []),
        "    while h < left:",
        "        i = int64(hot_list[h])",
        f"        {closed.place}",
        *(
            f"        {line.replace('hold[0]', 'held') if shared_hold else line}"
            for line in parts.inner
        ),
        "        if flag & uint8(1):",
        "            # spikes are listed in ascending order; few fire in one step",
        "            place = found",
        "            while place > 0 and listed[place - 1] > i:",
        "                listed[place] = listed[place - 1]",
        "                place -= 1",
        "            listed[place] = i",
        "            found += 1",
        "        if flag & uint8(2):",
        "            report(t, sample, worker, k, i)",
        *(f"        {line}" for line in closed.load()),
        *(f"        {line}" for line in closed.bound()),
        "        if _bound < level" + (" and waiting[i] == 0:" if refractory else ":"),
        f"            {closed.since} = k + 1",
        "            left -= 1",
        "            hot_list[h] = hot_list[left]",
        "        else:",
        "            h += 1",
        "    n_hot[0] = left",
        "    counts[0] = found",
        "",
        "",
        '@cfunc(KERNEL, cache=True, nopython=True, error_model="numpy")',
        "def settle(table, sample, part, worker, k, steps):",
        "    # before step k; with `steps`, who is hot is decided anew",
        "    t = carray(table, at.OPEN + lazy.LAZY)",
        *(f"    {line}" for line in closed.setup()),
        *(
            [f"    waiting = view(t[at.WAITING] + {wide} * sample * size, size, {wait})"]
            if refractory
            else []
        ),
        "    bounds = view(t[at.BOUNDS] + 8 * part, 2, int64)",
        "    if steps > 0:",
        "        n_hot[0] = 0",
        "    for i in range(bounds[0], bounds[1]):",
        f"        {closed.place}",
        f"        if {closed.since} <= lazy.FIRST_DRIVEN:",
        "            continue",
        *(f"        {line}" for line in closed.load()),
        "        if steps > 0:",
        *(f"            {line}" for line in closed.bound()),
        f"            {closed.since} = k",
        "            if _bound >= level" + (" or waiting[i] > 0:" if refractory else ":"),
        f"                {closed.since} = lazy.IS_HOT",
        "                hot_list[n_hot[0]] = i",
        "                n_hot[0] += 1",
        f"        elif {closed.since} != lazy.IS_HOT:",
        f"            late = k - int64({closed.since})",
        *(f"            {line}" for line in (*closed.forward(), *closed.store())),
        f"            {closed.since} = k",
        "",
    ]
    return Kernel(
        "".join(c if c.isalnum() else "_" for c in f"lazy_{model.name}")[:40],
        "\n".join(lines),
        parts.shared,
        parts.own,
        (),
        (),
        0,
        tuple(model.state),
        source.number,
        False,
    )


def write_arrival(
    p: PopulationProgram, made: LazyTables, form: Form, variable: str, *, single: bool
) -> tuple[str, str]:
    """Return name and text of the kernel that adds what arrives in a step to a variable of lazy neurons.

    `form.kind` "ring" adds what is pending in a ring instead of synapses.
    """
    source = Source(integer=False, single=single)
    closed = _Closed(p, made, source)
    number, item = source.number, BYTES[source.number]
    held = (
        p.population.model.refractory is not None and variable in p.population.model.refractory.hold
    )
    wait, wide = ("int32", 4) if single else ("int64", 8)
    waits = held and p.step.refractory is not None
    add, add_driven = f"{closed.state(variable)} += amount", "driven[j] += amount"
    arrive = [
        closed.place,
        f"_since = int64({closed.since})",
        "if _since >= 0:",
        *(f"    {line}" for line in closed.load()),
        "    late = k - _since",
        *(f"    {line}" for line in closed.forward()),
        f"    _s_{variable} += amount",
        *(f"    {line}" for line in (*closed.bound(), *closed.store())),
        f"    {closed.since} = k",
        "    if _bound >= level:",
        f"        {closed.since} = lazy.IS_HOT",
        "        hot_list[n_hot[0]] = i",
        "        n_hot[0] += 1",
        "elif _since == lazy.IS_HOT:",
        *(["    if waiting[i] <= 0:", f"        {add}"] if waits else [f"    {add}"]),
        "else:",
        "    j = lazy.FIRST_DRIVEN - _since",
        *(
            ["    if driven_waiting[j] <= 0:", f"        {add_driven}"]
            if waits
            else [f"    {add_driven}"]
        ),
    ]
    head = [
        f"# Generated by Spikewright: arrivals at lazy neurons of {p.population.model.name!a}, {form}.",
        f"# Kernels: {kernels_version()}",
        "",
        "from numba import carray, cfunc",
        "from numpy import float32, float64, int32, int64, searchsorted, uint8, uint16, uint64",
        "",
        "from spikewright.engines import layout as at",
        "from spikewright.engines import lazy_source as lazy",
        "from spikewright.engines.intrinsics import KERNEL, address_of, fetch, half, prefetch, view",
        "",
        f"zero = {number}(0)",
        "",
        "",
        '@cfunc(KERNEL, cache=True, nopython=True, error_model="numpy")',
        "def advance(table, sample, part, worker, k, steps):",
        "    q = carray(table, at.OPEN)",
        "    t = view(q[at.A_POPULATION], at.OPEN + lazy.LAZY, int64)",
        *(f"    {line}" for line in closed.setup()),
        f"    d = view(t[at.OPEN + lazy.DRIVEN], at.OPEN + {len(closed.names)}, int64)",
        f"    driven = view(d[at.OPEN + {closed.names.index(variable)}]"
        f" + {item} * sample * d[at.SIZE], d[at.SIZE], {number})",
        *(
            [
                f"    waiting = view(t[at.WAITING] + {wide} * sample * size, size, {wait})",
                f"    driven_waiting = view(d[at.WAITING] + {wide} * sample * d[at.SIZE],"
                f" d[at.SIZE], {wait})",
            ]
            if waits
            else []
        ),
        "    bounds = view(t[at.BOUNDS] + 8 * part, 2, int64)",
        "    low = bounds[0]",
    ]
    if form.kind == "ring":
        body = [
            "    if k >= q[at.A_UNTIL]:",
            "        return",
            f"    slot = view(q[at.RING] + {item} * (k % q[at.LENGTH] * q[at.POST_BATCH] + sample) * size,"
            f" size, {number})",
            "    for i in range(low, bounds[1]):",
            "        amount = slot[i]",
            "        if amount != 0:",
            "            slot[i] = 0",
            *(f"            {line}" for line in arrive),
        ]
        return f"lazy_ring_{number}", "\n".join([*head, *body]) + "\n"
    kind = {"code": "uint8", "float16": "uint16"}.get(form.weight, form.weight)
    amount = {
        "one": "weight",
        "code": "values_of[weight[e]]",
        "float16": f"{number}(half(weight[e]))",
    }.get(form.weight, f"{number}(weight[e])")
    if form.graded:
        amount += " * y"
    body = [
        "    rows = view(q[at.ROWS] + 64 * part, 8, int64)",
        "    start = view(rows[0], q[at.WIDTH] + 1, int64)",
        f"    target = view(rows[1], start[q[at.WIDTH]], {form.target})",
        (
            f"    weight = view(q[at.WEIGHT], 1, {number})[0]"
            if form.weight == "one"
            else f"    weight = view(rows[2], start[q[at.WIDTH]], {kind})"
        ),
    ]
    if form.weight == "code":
        body.append(f"    values_of = view(q[at.TABLE], 256, {number})")
    if form.lag != "one":
        body.append(f"    lag = view(rows[3], start[q[at.WIDTH]], {form.lag})")
    body += [
        "    depth, room, parts = q[at.PRE_DEPTH], q[at.PRE_ROOM], q[at.PRE_PARTS]",
        "    shortest = q[at.A_SHORTEST]",
        "    for emitted in range(max(q[at.A_ORIGIN], k - q[at.A_LONGEST]), k - shortest + 1):",
        "        for source_part in range(parts):",
        "            place = (sample * parts + source_part) * depth + (emitted & (depth - 1))",
        "            n = view(q[at.PRE_COUNTS] + 8 * place, 1, int64)[0]",
        "            spikes = view(q[at.PRE_SPIKES] + 4 * place * room, n, int32)",
    ]
    if form.graded:
        body.append(
            f"            values = view(q[at.PRE_VALUES] + {BYTES[form.value]} * place * room, n, {form.value})"
        )
    body += [
        "            for h in range(n):",
        "                source = int64(spikes[h])",
        *([f"                y = {number}(values[h])"] if form.graded else []),
        "                first, last = start[source], start[source + 1]",
    ]
    if form.lag != "one":
        body += [
            "                late = k - emitted",
            "                end = first + searchsorted(lag[first:last], late + 1)",
            "                first += searchsorted(lag[first:last], late)",
            "                last = end",
        ]
    body += [
        "                begins, ends = last, last",
        "                if h + 1 < n:",
        "                    following = int64(spikes[h + 1])",
        "                    begins, ends = start[following], start[following + 1]",
        f"                    fetch(rows[1] + {BYTES[form.target]} * start[following],"
        f" {BYTES[form.target]} * (start[following + 1] - start[following]))",
        "                for e in range(first, last):",
        "                    i = low + int64(target[uint64(e)])",
        "                    ahead = e + AHEAD",
        "                    if ahead >= last:",
        "                        # the next spike's row begins where this one's ends",
        "                        ahead = begins + ahead - last",
        "                    if ahead < ends:",
        "                        j = low + int64(target[uint64(ahead)])",
        f"                        prefetch(address_of(cells, {closed.cell.width} * j))",
        f"                    amount = {amount}",
        *(f"                    {line}" for line in arrive),
    ]
    at_def = head.index('@cfunc(KERNEL, cache=True, nopython=True, error_model="numpy")')
    head[at_def:at_def] = ["AHEAD = 12", "", ""]
    name = f"lazy_{form.target}_{form.weight}_{form.lag}_{number}"
    return name, "\n".join([*head, *body]) + "\n"
