"""Readable Numba source, written from one step of a population; kept in a folder, loaded by name and content.

A kernel is one Python function: deliver, integrate, fire, reset and list what is sent, for every sample and neuron of
one step. Its text depends on the model, the method, which parameters differ between neurons, and which ports are
reached; not on numbers or sizes. It is built from the checked trees of the expression language only. Files lie in
`$SPIKEWRIGHT_CACHE` (default `~/.cache/spikewright/kernels`) as `<model>_<hash>.py` and can be opened and stepped
through. A file that differs from what would be written is written again. Numba keeps the machine code beside it.

Longer than most files: the writer follows one step from the first line of a kernel to its last.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.abc
import importlib.util
import keyword
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from spikewright.engines.discretize import Step, method_of
from spikewright.engines.program import PopulationProgram
from spikewright.errors import FormatError, ModelError
from spikewright.files import replacing
from spikewright.network.expression import FUNCTIONS, evaluate
from spikewright.network.model import Noise

_CALLS = {name: name for name in FUNCTIONS} | {"abs": "absolute", "round": "nearest"}
_KERNELS = sorted(
    {name for name in _CALLS.values() if name != "sign"}
    | {"draw", "floor_divide_integer", "floor_divide_real", "gather", "normal", "power"}
    | {"remainder_integer", "remainder_real", "shift_left", "shift_right"}
    | {"sign_integer", "sign_real"}
)
_LOCALS = (
    frozenset(
        (
            "True",
            "False",
            "None",
            "advance",
            "address",
            "b",
            "biases",
            "constants",
            "count",
            "fired",
        )
    )
    | frozenset(
        (
            "first_sample",
            "found",
            "hold",
            "k",
            "keys",
            "math",
            "n",
            "njit",
            "output",
            "own",
            "range",
        )
    )
    | frozenset(("row", "scale", "sent", "value", "waiting", *_KERNELS))
)


@dataclass(frozen=True)
class Port:
    """How a port is reached: from projections (`ring`), from `outside`, and by how many `biases`."""

    ring: bool
    outside: bool
    biases: int


@dataclass(frozen=True)
class Kernel:
    """The source of one kernel, and what its caller must pass.

    Parameters
    ----------
    name : the model's name, as part of a file name
    text : the source
    shared : names of `constants`, in order; a number stands for itself
    own : names of the rows of `own`, in order
    rings, outside : ports whose arrays are passed, in order
    variables : number of state variables, whose arrays are passed last
    integer : whether numbers are int64
    """

    name: str
    text: str
    shared: tuple[str | float, ...]
    own: tuple[str, ...]
    rings: tuple[str, ...]
    outside: tuple[str, ...]
    variables: int
    integer: bool


def write(p: PopulationProgram, ports: Mapping[str, Port]) -> Kernel:
    """Return the kernel of a population whose ports are reached as `ports` says."""
    return _Writer(p, ports).kernel()


class _Writer:
    def __init__(self, p: PopulationProgram, ports: Mapping[str, Port]) -> None:
        self.p, self.ports = p, ports
        self.integer = p.population.model.integer
        self.names: dict[str, str] = {}
        self.exponents: list[float] = []
        self.used = {"gather"}
        step = p.step
        self.shared = [n for n, v in step.constants.items() if v.ndim == 0]
        self.own = [n for n, v in step.constants.items() if v.ndim]

    # -- names and expressions -----------------------------------------------------------------------

    def name(self, name: str, kind: str = "") -> str:
        """Return the local variable that stands for a name of the model, or for what `kind` says of it."""
        key = f"{kind} {name}"
        if key not in self.names:
            local = f"{kind}_{name}" if kind else name
            taken = set(self.names.values())
            while local in _LOCALS or keyword.iskeyword(local) or local in taken:
                local += "_"
            self.names[key] = local
        return self.names[key]

    def text(self, tree: ast.expr) -> str:
        """Return the source of an expression."""
        return ast.unparse(ast.fix_missing_locations(self.rewrite(tree)))

    def rewrite(self, node: ast.expr) -> ast.expr:
        if not _has_names(node):
            return self.literal(node)
        match node:
            case ast.Name(id=name):
                return ast.Name(self.name(name), ast.Load())
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                self.exponents.append(float(evaluate(right, {})))
                place = ast.Name(self.name(str(len(self.exponents)), "exponent"), ast.Load())
                return self.call("power", self.rewrite(left), place)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.rewrite(left), self.rewrite(right)
                kind = "integer" if self.integer else "real"
                match op:
                    case ast.FloorDiv():
                        return self.call(f"floor_divide_{kind}", a, b)
                    case ast.Mod():
                        return self.call(f"remainder_{kind}", a, b)
                    case ast.LShift():
                        return self.call("shift_left", a, b)
                    case ast.RShift():
                        return self.call("shift_right", a, b)
                return ast.BinOp(a, op, b)
            case ast.UnaryOp(op=op, operand=operand):
                return ast.UnaryOp(op, self.rewrite(operand))
            case ast.BoolOp(op=join, values=parts):
                return ast.BoolOp(join, [self.rewrite(part) for part in parts])
            case ast.Compare(left=ast.Name(id="_ref"), ops=ops, comparators=[right]):
                return ast.Compare(ast.Name(self.name("_ref"), ast.Load()), ops, [right])
            case ast.Compare(left=left, ops=ops, comparators=[right]):
                return ast.Compare(self.rewrite(left), ops, [self.rewrite(right)])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return ast.IfExp(self.rewrite(test), self.rewrite(body), self.rewrite(orelse))
            case ast.Call(func=ast.Name(id=function), args=args):
                called = _CALLS[function]
                if called == "sign":
                    called = "sign_integer" if self.integer else "sign_real"
                return self.call(called, *(self.rewrite(a) for a in args))
        raise ModelError(f"cannot write out {ast.dump(node)}")

    def literal(self, node: ast.expr) -> ast.expr:
        """Return the value of an expression without names: folded here, so that no compiler folds it differently."""
        value = np.asarray(evaluate(node, {}))
        if value.dtype.kind == "b":
            return ast.Constant(bool(value))
        if self.integer:
            return ast.Constant(int(value))
        number = float(value)
        if np.isnan(number):
            return ast.Name("math.nan", ast.Load())
        if np.isinf(number):
            return ast.Name("math.inf" if number > 0 else "(-math.inf)", ast.Load())
        return ast.Constant(number)

    def call(self, name: str, *arguments: ast.expr) -> ast.expr:
        self.used.add(name)
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])

    # -- the function --------------------------------------------------------------------------------

    def kernel(self) -> Kernel:
        p, step, model = self.p, self.p.step, self.p.population.model
        method = method_of(p.population).value if model.dynamics else "its own update"
        inner = self.deliver() + self.draws(step) + self.body(step)
        rings = tuple(port for port, use in self.ports.items() if use.ring)
        outside = tuple(port for port, use in self.ports.items() if use.outside)
        arguments = (
            [self.name(port, "ring") for port in rings]
            + [self.name(port, "outside") for port in outside]
            + [self.name(v, "state") for v in model.state]
        )
        setup = [f"{self.name(n)} = constants[{i}]" for i, n in enumerate(self.shared)]
        setup += [
            f"{self.name(str(i + 1), 'exponent')} = constants[{len(self.shared) + i}]"
            for i in range(len(self.exponents))
        ]
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
            "from numba import njit",
            "",
            "from spikewright.engines.kernels import (",
            *(f"    {name}," for name in sorted(self.used)),
            ")",
            "",
            "",
            '@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)',
            "def advance(",
            "    k, first_sample, constants, own, biases, keys, scale, hold, output, waiting,",
            "    sent, count, address, value," + "".join(f" {a}," for a in arguments),
            "):",
            *(f"    {line}" for line in setup),
            "    for b in range(sent.shape[0]):",
            "        row = output[b % output.shape[0]]",
            "        for n in range(sent.shape[1]):",
            *(f"            {line}" for line in inner),
            "        count[b] = gather(row, sent[b], address[b], value[b])",
            "",
        ]
        shared: list[str | float] = [*self.shared, *self.exponents]
        return Kernel(
            re.sub(r"[^A-Za-z0-9]", "_", model.name)[:40],
            "\n".join(lines),
            tuple(shared),
            tuple(self.own),
            rings,
            outside,
            len(model.state),
            self.integer,
        )

    def deliver(self) -> list[str]:
        zero = "0" if self.integer else "0.0"
        lines = [f"{self.name(name)} = own[{i}, n]" for i, name in enumerate(self.own)]
        bias = 0
        for port, use in self.ports.items():
            total = f"{self.name(port, 'ring')}[b, n]" if use.ring else zero
            if use.outside:
                total += f" + {self.name(port, 'outside')}[b, n]"
            for _ in range(use.biases):
                total += f" + biases[{bias}, n]"
                bias += 1
            lines.append(f"{self.name(port)} = {total}")
            if use.ring:
                lines.append(f"{self.name(port, 'ring')}[b, n] = {zero}")
        return lines

    def draws(self, step: Step) -> list[str]:
        lines = []
        for i, (name, kind) in enumerate(step.noise.items()):
            local = self.name(name)
            pair = f"{self.name(name, 'first')}, {self.name(name, 'second')}"
            self.used.add("draw")
            lines.append(f"{pair} = draw(keys[{i}], n, k, first_sample + b)")
            if kind is Noise.UNIFORM:
                lines.append(f"{local} = {self.name(name, 'first')}")
            else:
                self.used.add("normal")
                lines.append(f"{local} = normal({pair}) * scale[{i}]")
        return lines

    def body(self, step: Step) -> list[str]:
        state = list(self.p.population.model.state)
        one, zero = ("1", "0") if self.integer else ("1.0", "0.0")
        lines = [f"{self.name(v)} = {self.name(v, 'state')}[b, n]" for v in state]
        if step.refractory is not None:
            lines.append(f"{self.name('_ref')} = waiting[b, n]")
        lines += [f"{self.name(v)} = {self.text(tree)}" for v, tree in step.assign]
        sending = one if step.output is None else self.text(step.output)
        if step.fire is None:
            lines.append(f"row[n] = {sending}")
        else:
            lines.append(f"fired = {self.text(step.fire)}")
            lines.append(f"row[n] = {sending} if fired else {zero}")
            lines += [f"{self.name(v, 'after')} = {self.text(tree)}" for v, tree in step.reset]
            lines += [
                f"{self.name(v)} = {self.name(v, 'after')} if fired else {self.name(v)}"
                for v, _ in step.reset
            ]
            if step.refractory is not None:
                left = self.name("_ref")
                index = "n" if step.refractory.ndim else "0"
                lines.append(
                    f"waiting[b, n] = hold[{index}] if fired else ({left} - 1 if {left} > 1 else 0)"
                )
        return lines + [f"{self.name(v, 'state')}[b, n] = {self.name(v)}" for v in state]


def _has_names(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return True
    parts = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    return any(isinstance(part, ast.expr) and _has_names(part) for part in parts)


# -- the folder ----------------------------------------------------------------------------------------


@cache
def kernels_version() -> str:
    """Return what the machine code of every generated kernel depends on besides its own text."""
    import numba

    text = Path(__file__).with_name("kernels.py").read_bytes()
    return f"{hashlib.sha256(text).hexdigest()[:16]}, numba {numba.__version__}"


def folder() -> Path:
    """Return the folder of generated kernels; one for this process only where it cannot be written."""
    named = os.environ.get("SPIKEWRIGHT_CACHE")
    path = Path(named) if named else Path.home() / ".cache" / "spikewright" / "kernels"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary()
    return path if os.access(path, os.W_OK) else _temporary()


@cache
def _temporary() -> Path:
    import atexit

    path = Path(tempfile.mkdtemp(prefix="spikewright-kernels-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def load(kernel: Kernel) -> Callable[..., None]:
    """Return the compiled function of a kernel, from the folder where it is there and intact."""
    extra = len(kernel.rings) + len(kernel.outside) + kernel.variables
    return _load(kernel.name, kernel.text, kernel.integer, extra, folder())


@lru_cache(maxsize=512)
def _load(name: str, text: str, integer: bool, extra: int, place: Path) -> Callable[..., None]:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    module_name = f"{name}_{digest}"
    path = place / f"{module_name}.py"
    try:
        intact = path.read_bytes() == text.encode()
    except OSError:
        intact = False
    if not intact:
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(text.encode())
        except FormatError:
            if place == _temporary():
                raise
            return _load(name, text, integer, extra, _temporary())
    advance = _execute(module_name, text, path)
    try:
        advance.compile(_signature(integer, extra))
    except Exception:  # whatever unpickling a damaged file raises; a second failure is not caught
        for machine_code in path.parent.glob(f"__pycache__/{module_name}.*"):
            machine_code.unlink(missing_ok=True)
        advance = _execute(module_name, text, path)
        advance.compile(_signature(integer, extra))
    return advance  # type: ignore[no-any-return]


def _signature(integer: bool, extra: int) -> Any:
    from numba import types

    number = types.int64 if integer else types.float64
    whole, table = types.int64[::1], number[:, ::1]
    wholes = types.int64[:, ::1]
    return types.void(
        *(types.int64, types.int64, number[::1], table, table),
        *(types.uint64[::1], types.float64[::1], whole, table, wholes),
        *(wholes, whole, wholes, table),
        *(table,) * extra,
    )


def _execute(module_name: str, text: str, path: Path) -> Any:
    # the text in memory is what runs, under the file's name: nothing from the folder is executed unchecked
    loader = _TextLoader(text, path)
    spec = importlib.util.spec_from_loader(f"spikewright_kernel_{module_name}", loader)
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where Numba looks when it loads machine code
    loader.exec_module(module)
    return module.advance


class _TextLoader(importlib.abc.InspectLoader):
    def __init__(self, text: str, path: Path) -> None:
        self.source, self.path = text, path

    def get_source(self, fullname: str) -> str:
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.source, str(self.path))
