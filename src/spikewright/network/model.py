"""A neuron model, said once: state and parameters with units, equations, threshold, reset.

Everything else is derived from this text: the reference step, the compiled step, the differentiable step, the exact
integrator where the equations are linear, the unit check, the operation count, and what a mapper asks.

Order inside a step, for every engine: *deliver* arrivals (`jumps`) · *integrate* with inputs held · *fire* where
`threshold` holds · emit `output` · *reset*.

Longer than most files: a model is one class with its checks, and half of it is what its fields mean.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from spikewright.errors import ModelError, Problems, UnitError, explain
from spikewright.network.calculus import degree, operations
from spikewright.network.dimensions import ANY, BOOLEAN, dimension
from spikewright.network.expression import FUNCTIONS, names_in, parse
from spikewright.units import NONE, Dimension, dimension_of, multiply, pretty

RESERVED = frozenset(FUNCTIONS) | {"dt", "spike"}


class Noise(enum.Enum):
    """What a declared random variable is, drawn once per neuron and step."""

    WHITE = "white"
    """Gaussian white noise, unit s^-0.5: a standard normal draw divided by sqrt(dt), held over the step."""
    NORMAL = "normal"
    """A standard normal draw, no unit."""
    UNIFORM = "uniform"
    """A draw from [0, 1), no unit."""
    BITS = "bits"
    """32 random bits as a whole number from 0 to 2^32 - 1: what integer models draw."""


class Reset(enum.Enum):
    """What happens to the thresholded variable after a spike."""

    VALUE = "value"
    SUBTRACT = "subtract"
    OTHER = "other"
    NONE = "none"


@dataclass(frozen=True)
class Refractory:
    """After a spike, `hold` keeps its values and no spike is fired for `period` (a parameter in seconds).

    The period is rounded to whole steps.
    """

    period: str
    hold: tuple[str, ...]


def _frozen(mapping: Mapping) -> Mapping:  # type: ignore[type-arg]
    return MappingProxyType(dict(mapping))


@dataclass(frozen=True, eq=False)
class NeuronModel:
    """A neuron model as equations with units, checked when it is made.

    Parameters
    ----------
    name : the model's name; a variant is its own named model
    state : variable -> unit
    params : parameter -> (default, unit)
    inputs : port -> unit; what arrives at a port in one step is summed
    jumps : port -> variable; arrivals are added to the variable at once. Ports not listed are held during the step
    dynamics : variable -> right-hand side of d(variable)/dt; variables not listed stay as they are
    update : instead of `dynamics`: variable -> next value, in the order written (each sees the ones before it)
    threshold : a truth expression; empty for a neuron that never fires
    reset : variable -> its value after a spike, all from the values before it
    refractory : what is held after a spike, and how long
    output : what is sent: where it fires (with a threshold) or at every step (without); empty: 1
    initial : variable -> starting value, an expression of parameters; default 0
    noise : name -> kind of random variable
    integer : 64-bit integer arithmetic, no units (clocked digital chips)
    source : where the equations stand

    Raises
    ------
    ModelError : every problem of the text, together

    Examples
    --------
    >>> lif = NeuronModel(
    ...     name="Tiny", state={"v": "V"}, params={"tau": (20e-3, "s"), "v_th": (1.0, "V")},
    ...     inputs={"spikes": "V"}, jumps={"spikes": "v"}, dynamics={"v": "-v / tau"},
    ...     threshold="v > v_th", reset={"v": "0"})
    >>> lif.is_affine, lif.reset_kind.value
    (True, 'value')
    """

    name: str
    state: Mapping[str, str]
    params: Mapping[str, tuple[float, str]]
    inputs: Mapping[str, str]
    jumps: Mapping[str, str] = field(default_factory=dict)
    dynamics: Mapping[str, str] = field(default_factory=dict)
    update: Mapping[str, str] = field(default_factory=dict)
    threshold: str = ""
    reset: Mapping[str, str] = field(default_factory=dict)
    refractory: Refractory | None = None
    output: str = ""
    initial: Mapping[str, str] = field(default_factory=dict)
    noise: Mapping[str, Noise] = field(default_factory=dict)
    integer: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("state", "params", "inputs", "jumps", "dynamics", "update", "reset"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "initial", _frozen(self.initial))
        object.__setattr__(self, "noise", _frozen(self.noise))
        _check_model(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NeuronModel) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.state), self.threshold, tuple(self.dynamics.items())))

    def __reduce__(self) -> tuple[object, tuple[dict[str, object]]]:
        return NeuronModel.from_dict, (self.as_dict(),)

    # -- what engines and mappers ask --------------------------------------------------------------

    @cached_property
    def dimensions(self) -> Mapping[str, Dimension]:
        """Dimension of every name that an expression of this model may use."""
        units = dict(self.state) | {p: unit for p, (_, unit) in self.params.items()}
        found = {n: dimension_of(u) for n, u in (units | dict(self.inputs)).items()}
        for name, kind in self.noise.items():
            found[name] = dimension_of("s^-0.5") if kind is Noise.WHITE else NONE
        return _frozen(found if self.integer else found | {"dt": dimension_of("s")})

    @cached_property
    def trees(self) -> Mapping[str, Mapping[str, ast.expr]]:
        """Parsed expressions: 'dynamics', 'update', 'reset', 'initial', and 'threshold', 'output' under ''."""
        names = self.dimensions

        def parsed(part: str, texts: Mapping[str, str]) -> Mapping[str, ast.expr]:
            return _frozen(
                {
                    key: parse(
                        text,
                        names,
                        where=f"{self.name}.{part}" + (f"[{key!r}]" if key else ""),
                        integer=self.integer,
                    )
                    for key, text in texts.items()
                    if text
                }
            )

        return {
            "dynamics": parsed("dynamics", self.dynamics),
            "update": parsed("update", self.update),
            "reset": parsed("reset", self.reset),
            "initial": parsed("initial", self.initial),
            "threshold": parsed("threshold", {"": self.threshold}),
            "output": parsed("output", {"": self.output}),
        }

    @property
    def default_port(self) -> str:
        """The port that a projection reaches when it names none: the first one."""
        return next(iter(self.inputs), "")

    @property
    def is_transparent(self) -> bool:
        """Whether it has no state, so that what enters in a step leaves in the same step."""
        return not self.state

    @property
    def is_spiking(self) -> bool:
        """Whether it sends only where it fires."""
        return bool(self.threshold)

    @property
    def is_graded(self) -> bool:
        """Whether what it sends can be another number than 1."""
        return bool(self.output)

    @cached_property
    def is_affine(self) -> bool:
        """Whether every right-hand side is affine in state, inputs and noise, so that a step can be exact."""
        if self.update or not self.dynamics:
            return False
        variables = set(self.state) | set(self.inputs) | set(self.noise)
        return all(degree(tree, variables) <= 1 for tree in self.trees["dynamics"].values())

    @cached_property
    def reset_kind(self) -> Reset:
        """What a chip must be able to do after a spike."""
        if not self.reset:
            return Reset.NONE
        compared = self.thresholded
        if compared is None or set(self.reset) != {compared}:
            return Reset.OTHER
        tree = self.trees["reset"][compared]
        if not names_in(tree) & set(self.state):
            return Reset.VALUE
        if (
            isinstance(tree, ast.BinOp)
            and isinstance(tree.op, ast.Sub)
            and ast.unparse(tree.left) == compared
            and not names_in(tree.right) & set(self.state)
        ):
            return Reset.SUBTRACT
        return Reset.OTHER

    @cached_property
    def thresholded(self) -> str | None:
        """The one state variable on the left of the threshold, or None."""
        if not self.threshold:
            return None
        tree = self.trees["threshold"][""]
        if isinstance(tree, ast.Compare) and isinstance(tree.left, ast.Name):
            return tree.left.id if tree.left.id in self.state else None
        return None

    def operations(self) -> dict[str, int]:
        """Arithmetic of one evaluation of the equations and the threshold, for cost models."""
        total = {"add": 0, "multiply": 0, "divide": 0, "compare": 0, "function": 0}
        for part in ("dynamics", "update", "threshold"):
            for tree in self.trees[part].values():
                for kind, count in operations(tree).items():
                    total[kind] += count
        return total

    # -- variants ------------------------------------------------------------------------------------

    def variant(self, name: str, **changes: object) -> NeuronModel:
        """Return a model with another name and some fields changed."""
        return replace(self, name=name, **changes)  # type: ignore[arg-type]

    def resetting(self, kind: Reset, name: str | None = None) -> NeuronModel:
        """Return the variant that resets by subtracting the threshold, or to `v_reset`.

        Raises
        ------
        ModelError : the threshold is not of the form "variable > something"
        """
        compared = self.thresholded
        if compared is None or kind not in (Reset.VALUE, Reset.SUBTRACT):
            raise ModelError(
                explain(
                    f"{self.name}.resetting",
                    "needs a threshold 'variable > level'",
                    found=self.threshold or "no threshold",
                )
            )
        tree = self.trees["threshold"][""]
        level = ast.unparse(tree.comparators[0]) if isinstance(tree, ast.Compare) else ""
        text = f"{compared} - ({level})" if kind is Reset.SUBTRACT else "v_reset"
        params = dict(self.params)
        if kind is Reset.VALUE and "v_reset" not in params:
            params["v_reset"] = (0.0, self.state[compared])
        suffix = "Subtract" if kind is Reset.SUBTRACT else "Zero"
        return self.variant(name or self.name + suffix, reset={compared: text}, params=params)

    # -- plain data ----------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, object]:
        """Return the model as plain data (strings, numbers, lists), for files."""
        hold = self.refractory
        return {
            "name": self.name,
            "state": dict(self.state),
            "params": {p: [float(v), u] for p, (v, u) in self.params.items()},
            "inputs": dict(self.inputs),
            "jumps": dict(self.jumps),
            "dynamics": dict(self.dynamics),
            "update": dict(self.update),
            "threshold": self.threshold,
            "reset": dict(self.reset),
            "refractory": None if hold is None else [hold.period, list(hold.hold)],
            "output": self.output,
            "initial": dict(self.initial),
            "noise": {n: kind.value for n, kind in self.noise.items()},
            "integer": self.integer,
            "source": self.source,
        }

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> NeuronModel:
        """Return the model that `as_dict` wrote.

        Raises
        ------
        ModelError : a field is missing, unknown, or of the wrong kind
        """
        where = f"model {data.get('name', '?')!r}"
        try:
            fields = dict(data)
            raw = fields.pop("params", {})
            params = {str(p): (float(v), str(u)) for p, (v, u) in raw.items()}  # type: ignore[attr-defined]
            hold = fields.pop("refractory", None)
            refractory = None if hold is None else Refractory(str(hold[0]), tuple(hold[1]))  # type: ignore[index]
            raw_noise = fields.pop("noise", {})
            noise = {str(n): Noise(k) for n, k in raw_noise.items()}  # type: ignore[attr-defined]
            return NeuronModel(params=params, refractory=refractory, noise=noise, **fields)  # type: ignore[arg-type]
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            raise ModelError(explain(where, "not a model description", found=error)) from error


def _check_model(model: NeuronModel) -> None:
    problems = Problems()
    where = model.name or "model"
    if not model.name or not isinstance(model.name, str):
        problems.add("model", "needs a name")
    _check_names(model, problems)
    problems.raise_as(ModelError)
    try:
        names = model.dimensions
    except UnitError as error:
        raise ModelError(f"{where}: {error}") from None
    for name, found in names.items():
        if found[-1]:
            problems.add(f"{where}: unit of {name!r}", "'weight' is a unit of synapse models only")
    if model.dynamics and model.update:
        problems.add(where, "has both dynamics and update", cure="keep one of them")
    for port, variable in model.jumps.items():
        if port not in model.inputs:
            problems.add(f"{where}.jumps[{port!r}]", "no such port", expected=list(model.inputs))
        elif variable not in model.state:
            problems.add(
                f"{where}.jumps[{port!r}]",
                f"no such variable {variable!r}",
                expected=list(model.state),
            )
        elif names[port] != names[variable]:
            problems.add(
                f"{where}.jumps[{port!r}]",
                f"the port does not fit {variable!r}",
                found=pretty(names[port]),
                expected=pretty(names[variable]),
            )
    _check_texts(model, problems, names)
    if model.refractory is not None:
        period = model.refractory.period
        if period not in model.params or names[period] != dimension_of("s"):
            problems.add(f"{where}.refractory", f"{period!r} is not a parameter in seconds")
        for variable in model.refractory.hold:
            if variable not in model.state:
                problems.add(f"{where}.refractory", f"no such variable {variable!r}")
    for name, kind in model.noise.items():
        if model.integer is not (kind is Noise.BITS):
            problems.add(
                f"{where}.noise[{name!r}]",
                "integer models draw bits, real models anything else",
                found=kind,
                cure="declare Noise.BITS" if model.integer else "declare Noise.UNIFORM",
            )
    if model.integer and any(dim != NONE for dim in names.values()):
        problems.add(where, "an integer model has no units", cure="write '1' for every unit")
    problems.raise_as(ModelError)


def _check_names(model: NeuronModel, problems: Problems) -> None:
    seen: dict[str, str] = {}
    groups: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("state", model.state),
        ("params", model.params),
        ("inputs", model.inputs),
        ("noise", model.noise),
    )
    for group, names in groups:
        for name in names:
            where = f"{model.name}.{group}[{name!r}]"
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
                problems.add(where, "not a name", expected="letters, digits and _, not _ first")
            elif name in RESERVED:
                problems.add(where, "the name is taken by the expression language")
            elif name in seen:
                problems.add(where, f"the name stands in {seen[name]} too")
            seen[name] = group
    for name, kind in model.noise.items():
        if not isinstance(kind, Noise):
            problems.add(f"{model.name}.noise[{name!r}]", "not a Noise", found=repr(kind))
    for part, texts in (
        ("dynamics", model.dynamics),
        ("update", model.update),
        ("reset", model.reset),
        ("initial", model.initial),
    ):
        for variable in texts:
            if variable not in model.state:
                problems.add(
                    f"{model.name}.{part}[{variable!r}]",
                    "no such state variable",
                    expected=list(model.state) or "a model with state",
                )


def _check_texts(model: NeuronModel, problems: Problems, names: Mapping[str, Dimension]) -> None:
    second = dimension_of("s")
    wanted: list[tuple[str, str, Dimension | str | None]] = []
    for variable, text in model.dynamics.items():
        wanted.append((f"dynamics[{variable!r}]", text, multiply(names[variable], second, -1)))
    for part, texts in (
        ("update", model.update),
        ("reset", model.reset),
        ("initial", model.initial),
    ):
        for variable, text in texts.items():
            wanted.append((f"{part}[{variable!r}]", text, names[variable]))
    if model.threshold:
        wanted.append(("threshold", model.threshold, BOOLEAN))
    if model.output:
        wanted.append(("output", model.output, None))
    for place, text, want in wanted:
        where = f"{model.name}.{place}"
        allowed = set(model.params) if place.startswith("initial") else set(names)
        try:
            tree = parse(text, allowed, where=where, integer=model.integer)
            got = dimension(tree, names, f"{where} = {text!r}")
        except ModelError as error:
            problems.lines.append(str(error))
            continue
        if want is None and got == BOOLEAN:
            problems.add(f"{where} = {text!r}", "is a truth value, not a number")
        if want is None or got == want or (got == ANY and want != BOOLEAN):
            continue
        problems.add(
            f"{where} = {text!r}",
            "wrong dimension" if BOOLEAN not in (got, want) else "wrong kind",
            found=got if isinstance(got, str) else pretty(got),
            expected=want if isinstance(want, str) else pretty(want),
        )
