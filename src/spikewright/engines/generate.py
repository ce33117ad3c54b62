"""Readable Numba source, written from one step of a population; kept in a folder, loaded by name and content.

A kernel file holds two functions: `step`, which delivers, integrates, fires and resets a block of neurons in one loop
without branches that the compiler turns into vector code, and `advance`, the machine code that the network's loop
calls: it finds the block's arrays in a table, runs its steps and lists what was sent. The text depends on the model,
the method, the precision, which parameters differ between neurons, and which ports are reached; not on numbers or
sizes. It is built from the checked trees of the expression language only. Files lie in `$SPIKEWRIGHT_CACHE` (default
`~/.cache/spikewright/kernels`) as `<model>_<hash>.py` and can be opened and stepped through. A file that differs from
what would be written is written again. Numba keeps the machine code beside it.

Longer than most files: the writer follows one step from the first line of a kernel to its last.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from spikewright.engines import layout as at
from spikewright.engines.compiled import kernels_version
from spikewright.engines.discretize import Step, method_of
from spikewright.engines.program import PopulationProgram
from spikewright.engines.source import Source
from spikewright.network.expression import names_in, substitute
from spikewright.network.model import Noise

PRECISIONS = ("double", "single")
"""What real numbers are: float64, equal to the reference bit for bit; or float32, twice as many at a time."""


@dataclass(frozen=True)
class Port:
    """How a port is reached: from projections (`ring`), from `outside`, by how many `biases` and `drives`."""

    ring: bool
    outside: bool
    biases: int
    drives: int = 0


@dataclass(frozen=True)
class Kernel:
    """The source of one kernel, and what its caller must put into its table.

    Parameters
    ----------
    name : the model's name, as part of a file name
    text : the source
    shared : names of `constants`, in order; a number stands for itself
    own : names of the rows of `own`, in order
    rings, outside : ports whose arrays are passed, in order
    drives : number of drives, in the order of their ports
    variables : state variables, in order
    number : "float64", "float32" or "int64"
    graded : whether what is sent is kept beside who sent it
    """

    name: str
    text: str
    shared: tuple[str | float, ...]
    own: tuple[str, ...]
    rings: tuple[str, ...]
    outside: tuple[str, ...]
    drives: int
    variables: tuple[str, ...]
    number: str
    graded: bool

    @property
    def size(self) -> int:
        """Entries of the table."""
        return (
            at.OPEN + 2 * (len(self.rings) + len(self.outside)) + len(self.variables) + self.drives
        )


def write(
    p: PopulationProgram,
    ports: Mapping[str, Port],
    *,
    precision: str = "double",
    peaks: tuple[str, ...] = (),
) -> Kernel:
    """Return the kernel of a population whose ports are reached as `ports` says.

    Parameters
    ----------
    precision : one of `PRECISIONS`
    peaks : state variables whose values before the reset are kept
    """
    return _Writer(p, ports, precision == "single", peaks).kernel()


@dataclass(frozen=True)
class Pieces:
    """What another kernel needs to advance one neuron `i` of a population that only biases reach.

    Parameters
    ----------
    source : the writer of the expressions
    shared, own : as in `Kernel`
    views : lines that find the arrays of all neurons, but for state variables
    setup : lines that name constants
    inner : lines that advance neuron i and set `flag`, as `flags` of a block
    """

    source: Source
    shared: tuple[str | float, ...]
    own: tuple[str, ...]
    views: tuple[str, ...]
    setup: tuple[str, ...]
    inner: tuple[str, ...]


def pieces(
    p: PopulationProgram, ports: Mapping[str, Port], *, precision: str, stands: Mapping[str, str]
) -> Pieces:
    """Return the parts of a kernel that advances neurons one by one; `stands` says where a state variable does."""
    writer = _Writer(p, ports, precision == "single", ())
    writer.flag, writer.stands = "flag", dict(stands)
    inner = writer.deliver() + writer.body(p.step)
    number, item = writer.number, 4 if writer.single else 8
    names = [*writer.shared, *(f"{n}" for n in writer.source.passed())]
    setup = [
        f"{writer.name(n) if n in writer.shared else n} = constants[{i}]"
        for i, n in enumerate(names)
    ]
    views = [f"constants = view(t[at.CONSTANTS], {len(names)}, {number})"]
    views += [
        f"_own_{i} = view(t[at.OWN] + {item} * {i} * size, size, {number})"
        for i in range(len(writer.own))
    ]
    biases = sum(use.biases for use in ports.values())
    views += [
        f"_bias_{i} = view(t[at.BIASES] + {item} * {i} * size, size, {number})"
        for i in range(biases)
    ]
    hold = p.step.refractory
    if hold is not None:
        wide = 4 if writer.wait == "int32" else 8
        views.append(f"waiting = view(t[at.WAITING] + {wide} * sample * size, size, {writer.wait})")
        views.append(f"hold = view(t[at.HOLD], {'size' if hold.ndim else 1}, {writer.wait})")
    shared: list[str | float] = [*writer.shared, *writer.source.numbers]
    return Pieces(
        writer.source, tuple(shared), tuple(writer.own), tuple(views), tuple(setup), tuple(inner)
    )


class _Writer:
    def __init__(
        self, p: PopulationProgram, ports: Mapping[str, Port], single: bool, peaks: tuple[str, ...]
    ) -> None:
        self.p, self.ports, self.peaks = p, ports, peaks
        self.flag = "flags[i]"
        self.stands: dict[str, str] = {}
        self.integer = p.population.model.integer
        self.source = Source(integer=self.integer, single=single)
        self.name, self.text = self.source.name, self.source.text
        self.single, self.number = self.source.single, self.source.number
        self.wait = "int32" if self.single else "int64"
        step = p.step
        self.shared = [n for n, v in step.constants.items() if v.ndim == 0]
        self.own = [n for n, v in step.constants.items() if v.ndim]

    # -- the two functions ---------------------------------------------------------------------------

    def kernel(self) -> Kernel:
        p, step, model = self.p, self.p.step, self.p.population.model
        method = method_of(p.population).value if model.dynamics else "its own update"
        lists_values = model.is_graded
        inner = self.deliver() + self.draws(step) + self.body(step)
        rings = tuple(port for port, use in self.ports.items() if use.ring)
        outside = tuple(port for port, use in self.ports.items() if use.outside)
        drives = sum(use.drives for use in self.ports.values())
        arrays = (
            [self.name(port, "ring") for port in rings]
            + [self.name(port, "outside") for port in outside]
            + [self.name(v, "state") for v in model.state]
            + [f"_own_{i}" for i in range(len(self.own))]
            + [f"_bias_{i}" for i in range(sum(use.biases for use in self.ports.values()))]
            + [f"_drive_{i}" for i in range(drives)]
            + [f"_peak_{i}" for i in range(len(self.peaks))]
        )
        setup = [f"{self.name(n)} = constants[{i}]" for i, n in enumerate(self.shared)]
        setup += [
            f"{local} = constants[{len(self.shared) + i}]"
            for i, local in enumerate(self.source.passed())
        ]
        imports = ["begin", "find_values" if lists_values else "find", "trace"]
        lines = [
            f"# Generated by Spikewright from the model {model.name!a}, integrated by {method}.",
            *(
                f"# {part!a}: {texts!a}"
                for part, texts in model.as_dict().items()
                if texts and part not in ("name", "source")
            ),
            "# It is written again where it differs from what Spikewright would write; "
            "change the model instead.",
            f"# Kernels: {kernels_version()}",
            "",
            "import math",
            "",
            "from numba import carray, cfunc, njit",
            "from numpy import float32, float64, int32, int64, uint8, uint64",
            "",
            "from spikewright.engines import layout as at",
            f"from spikewright.engines.blocks import {', '.join(sorted(imports))}",
            *(["from spikewright.engines.drives import fill"] if drives else []),
            "from spikewright.engines.intrinsics import KERNEL, view",
        ]
        lines += self.source.imports()
        arguments = ", ".join(
            ["n", "k", "block", "sample", "constants", "keys", "scale", "hold", "waiting", "flags"]
            + (["row"] if lists_values else [])
            + arrays
        )
        lines += [
            "",
            f"one, zero = {self.number}(1), {self.number}(0)",
            "",
            "",
            '@njit(nogil=True, error_model="numpy", fastmath=False)',
            f"def step({arguments}):",
            *(f"    {line}" for line in setup),
            "    for i in range(n):",
            *(f"        {line}" for line in inner),
            "",
            "",
            '@cfunc(KERNEL, cache=True, nopython=True, error_model="numpy")',
            "def advance(table, sample, part, worker, k, steps):",
            *(
                f"    {line}"
                for line in self.driver(arguments, rings, outside, drives, lists_values)
            ),
            "",
        ]
        shared: list[str | float] = [*self.shared, *self.source.numbers]
        return Kernel(
            re.sub(r"[^A-Za-z0-9]", "_", model.name)[:40],
            "\n".join(lines),
            tuple(shared),
            tuple(self.own),
            rings,
            outside,
            drives,
            tuple(model.state),
            self.number,
            lists_values,
        )

    def driver(
        self,
        arguments: str,
        rings: tuple[str, ...],
        outside: tuple[str, ...],
        drives: int,
        lists_values: bool,
    ) -> list[str]:
        number, model = self.number, self.p.population.model
        item = 4 if self.single else 8
        n_constants = len(self.shared) + len(self.source.numbers)
        n_biases = sum(use.biases for use in self.ports.values())
        hold = self.p.step.refractory
        place = "OPEN"
        before, blockwise, stepwise = [], [], []
        open_ = 0

        def slot() -> str:
            nonlocal open_
            open_ += 1
            return f"t[at.{place} + {open_ - 1}]"

        for port in rings:
            address, length = slot(), slot()
            stepwise.append(
                f"{self.name(port, 'ring')} = view({address} + {item} * (((k + s) % {length}"
                f" * t[at.BATCH] + sample) * size + block), n, {number})"
            )
        for port in outside:
            # an outside array may end before the run: then its last row, of zeros, is read
            address, length = slot(), slot()
            stepwise.append(
                f"{self.name(port, 'outside')} = view({address} + {item} * ((min(k + s - "
                f"t[at.FIRST_STEP], {length} - 1) * t[at.BATCH] + sample) * size + block), n, {number})"
            )
        for variable in model.state:
            blockwise.append(
                f"{self.name(variable, 'state')} = view({slot()} + {item} * (sample * size + block), n, {number})"
            )
        for i in range(len(self.own)):
            blockwise.append(
                f"_own_{i} = view(t[at.OWN] + {item} * ({i} * size + block), n, {number})"
            )
        for i in range(n_biases):
            blockwise.append(
                f"_bias_{i} = view(t[at.BIASES] + {item} * ({i} * size + block), n, {number})"
            )
        for i in range(len(self.peaks)):
            blockwise.append(
                f"_peak_{i} = view(t[at.PEAKS] + {item} * (({i} * t[at.BATCH] + sample) * size + block), n, {number})"
            )
        for i in range(drives):
            stepwise.append(
                f"_drive_{i} = view(fill({slot()}, sample, worker, k + s, block, n, {number}), n, {number})"
            )
        wait = 4 if self.wait == "int32" else 8
        if hold is not None:
            blockwise.append(
                f"waiting = view(t[at.WAITING] + {wait} * (sample * size + block), n, {self.wait})"
            )
            each = "block" if hold.ndim else "0"
            blockwise.append(
                f"hold = view(t[at.HOLD] + {wait} * {each}, {'n' if hold.ndim else '1'}, {self.wait})"
            )
        else:
            before += [f"waiting = view(t[at.WAITING], 1, {self.wait})", "hold = waiting"]
        if lists_values:
            before.append(
                f"row = view(t[at.ROW] + {item} * worker * t[at.ROOM], t[at.ROOM], {number})"
            )
        listing = "row, n" if lists_values else "n"
        return [
            f"t = carray(table, at.OPEN + {open_})",
            f"constants = view(t[at.CONSTANTS], {n_constants}, {number})",
            f"keys = view(t[at.KEYS], {len(self.p.step.noise)}, uint64)",
            f"scale = view(t[at.SCALE], {len(self.p.step.noise)}, float64)",
            "flags = view(t[at.FLAGS] + worker * t[at.ROOM], t[at.ROOM], uint8)",
            *before,
            "size = t[at.SIZE]",
            "bounds = view(t[at.BOUNDS] + 8 * part, 2, int64)",
            "begin(t, sample, part, k, steps)",
            "for block in range(bounds[0], bounds[1], t[at.BLOCK]):",
            "    n = min(t[at.BLOCK], bounds[1] - block)",
            *(f"    {line}" for line in blockwise),
            "    for s in range(steps):",
            *(f"        {line}" for line in stepwise),
            "        step("
            + arguments.replace(
                "n, k, block, sample", "n, k + s, block, t[at.FIRST_SAMPLE] + sample", 1
            )
            + ")",
            f"        {'find_values' if lists_values else 'find'}(t, flags, {listing}, block, sample, part,"
            " worker, k + s)",
            "        if t[at.TRACED] > 0:",
            f"            trace(t, n, block, sample, k + s, {number})",
        ]

    def deliver(self) -> list[str]:
        lines = [f"{self.name(name)} = _own_{i}[i]" for i, name in enumerate(self.own)]
        bias = drive = 0
        for port, use in self.ports.items():
            total = f"{self.name(port, 'ring')}[i]" if use.ring else "zero"
            if use.outside:
                total += f" + {self.name(port, 'outside')}[i]"
            for _ in range(use.biases):
                total += f" + _bias_{bias}[i]"
                bias += 1
            for _ in range(use.drives):
                total += f" + _drive_{drive}[i]"
                drive += 1
            lines.append(f"{self.name(port)} = {total}")
            if use.ring:
                lines.append(f"{self.name(port, 'ring')}[i] = zero")
        return lines

    def nothing(self) -> frozenset[str]:
        """Return the ports that nothing reaches, where leaving them out changes no number (but the sign of a zero)."""
        if not self.single:
            return frozenset()
        return frozenset(
            port
            for port, use in self.ports.items()
            if not (use.ring or use.outside or use.biases or use.drives)
        )

    def draws(self, step: Step) -> list[str]:
        lines = []
        for i, (name, kind) in enumerate(step.noise.items()):
            local = self.name(name)
            pair = f"{self.name(name, 'first')}, {self.name(name, 'second')}"
            self.source.used.add("draw")
            lines.append(f"{pair} = draw(keys[{i}], block + i, k, sample)")
            if kind is Noise.UNIFORM:
                lines.append(f"{local} = {self.number}({self.name(name, 'first')})")
            elif kind is Noise.BITS:
                lines.append(f"{local} = int64({self.name(name, 'first')} * 4294967296.0)")
            else:
                self.source.used.add("normal")
                lines.append(f"{local} = {self.number}(normal({pair}) * scale[{i}])")
        return lines

    def body(self, step: Step) -> list[str]:
        model = self.p.population.model
        state = list(model.state)
        stands = {v: self.stands.get(v, f"{self.name(v, 'state')}[i]") for v in state}
        lines = [f"{self.name(v)} = {place}" for v, place in stands.items()]
        if step.refractory is not None:
            lines.append(f"{self.name('_ref')} = waiting[i]")
        nothing = self.nothing()
        for v, tree in step.assign:
            short = _without(tree, nothing)
            if not (isinstance(short, ast.Name) and short.id == v):
                lines.append(f"{self.name(v)} = {self.text(short)}")
        lines += [f"_peak_{i}[i] = {self.name(v)}" for i, v in enumerate(self.peaks)]
        sending = "one" if step.output is None else self.text(step.output)
        if step.fire is None:
            lines.append(f"sending = {sending}")
        else:
            lines.append(f"fired = {self.text(step.fire)}")
            lines.append(f"sending = {sending} if fired else zero")
            lines += [f"{self.name(v, 'after')} = {self.text(tree)}" for v, tree in step.reset]
            lines += [
                f"{self.name(v)} = {self.name(v, 'after')} if fired else {self.name(v)}"
                for v, _ in step.reset
            ]
            if step.refractory is not None:
                left = self.name("_ref")
                index = "i" if step.refractory.ndim else "0"
                less = f"{self.wait}({left} - {self.wait}(1))"
                lines.append(
                    f"waiting[i] = hold[{index}] if fired else ({less} if {left} > 1 else {self.wait}(0))"
                )
        if model.is_graded:
            lines.append("row[i] = sending")
        fires = "fired" if step.fire is not None and not model.is_graded else "sending != zero"
        # x - x is 0 where x is finite, else not a number, and so is any sum with it
        broken = " + ".join(f"({self.name(v)} - {self.name(v)})" for v in state)
        if broken and not self.integer:
            lines.append(f"broken = {broken} != zero")
            lines.append(f"{self.flag} = uint8({fires}) | (uint8(broken) << uint8(1))")
        else:
            lines.append(f"{self.flag} = uint8({fires})")
        return lines + [f"{place} = {self.name(v)}" for v, place in stands.items()]


def _without(tree: ast.expr, nothing: frozenset[str]) -> ast.expr:
    """Return an expression with the named quantities 0, and sums and products with 0 left out."""
    if not names_in(tree) & nothing:
        return tree
    match tree:
        case ast.Name(id=name) if name in nothing:
            return ast.Constant(0.0)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _without(left, nothing), _without(right, nothing)
            zero_a, zero_b = _is_zero(a), _is_zero(b)
            if isinstance(op, ast.Mult) and (zero_a or zero_b):
                return ast.Constant(0.0)
            if isinstance(op, ast.Add) and (zero_a or zero_b):
                return b if zero_a else a
            if isinstance(op, ast.Sub) and zero_b:
                return a
            return ast.BinOp(a, op, b)
    return substitute(tree, dict.fromkeys(nothing, ast.Constant(0.0)))


def _is_zero(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and tree.value == 0.0
