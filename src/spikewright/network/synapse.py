"""A synapse model, said once: traces, what happens at a spike of either side, what is sent.

From this text come the reference execution, the compiled one, the unit check and the files. It costs nothing between
spikes: the dynamics of traces are those that have a closed form, so a value is brought to a step when it is needed.

Notation: a *row* is a source with one of its delays; a *pre event* of a row is the arrival of a spike; a *post event*
of a target is its spike (or whatever `post_event` says). `w` is the weight that the projection's topology holds.

Order inside step k, for every engine (see docs/concepts/synapses.md): `current` from the values at the start of the
step · pre events · the neurons integrate and fire · post events · post variables that follow the neuron advance ·
`on_signal` · `on_every`.

Longer than most files: a model is one class with its checks, and half of it is what its fields mean.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from spikewright.errors import ModelError, Problems, SpikewrightError, UnitError, explain
from spikewright.network.calculus import degree, derivative
from spikewright.network.dimensions import ANY, BOOLEAN, dimension
from spikewright.network.expression import FUNCTIONS, evaluate, names_in, parse, substitute
from spikewright.units import WEIGHT, Dimension, dimension_of, multiply, pretty

RESERVED = frozenset(FUNCTIONS) | {"dt", "spike", "w", "w_total"}
EVENTS = ("on_pre", "on_post", "on_signal", "on_every")
_MAPPINGS = ("pre", "post", "state", "reads", "signals", "dynamics", "initial", *EVENTS)


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(mapping))


@dataclass(frozen=True, eq=False)
class SynapseModel:
    """A synapse model as equations with units, checked when it is made.

    The unit `weight` is the unit of the port that the projection reaches.

    Parameters
    ----------
    name : the model's name; a variant is its own named model
    params : parameter -> (default, unit); one value for all synapses of a projection
    pre : variable -> unit, one value per row (a source with one of its delays)
    post : variable -> unit, one value per target neuron
    state : variable -> unit, one value per synapse, besides the weight `w`
    weight : unit of `w`
    reads : `<variable>_post` or `<variable>_pre` -> unit: variables of the target or source neuron that the text uses
    dynamics : variable -> right-hand side of d(variable)/dt, `-x / tau` or `(x0 - x) / tau` with x0 and tau made of
        parameters. A post variable may have an x0 that uses `<variable>_post`: it then *follows* the neuron, and is
        advanced at every step. Variables not listed stay as they are
    on_pre : at a pre event. Assignments to `w` and state variables, then those to pre variables
    on_post : at a post event. Assignments to `w` and state variables, then those to post variables
    send : what a pre event delivers, times the spike's value; empty: nothing
    send_first : whether `send` is evaluated before the assignments of the pre event
    post_event : a truth expression of post variables and `<variable>_post`; empty: the target sends a spike
    signals : name -> unit; a number per step and sample that enters as an input "projection.name"
    on_signal : in steps in which a signal is not 0, for all synapses: assignments to `w` and state variables
    every : a parameter in seconds, a whole number of steps
    on_every : at the end of each such period, for all synapses: assignments to `w` and state variables. `w_total` is
        the sum of `w` over the synapses of the same target, before the assignments
    current : what flows at every step, from the values at its start; empty: nothing
    initial : variable -> starting value, an expression of parameters; default 0
    source : where the equations stand

    Raises
    ------
    ModelError : every problem of the text, together

    Examples
    --------
    >>> hebb = SynapseModel(
    ...     name="Hebb", params={"tau": (20e-3, "s"), "a": (0.01, "weight"), "w_max": (1.0, "weight")},
    ...     pre={"x": "1"}, dynamics={"x": "-x / tau"}, on_pre={"x": "x + 1"},
    ...     on_post={"w": "clip(w + a * x, 0, w_max)"})
    >>> hebb.synaptic, hebb.followers
    (('w',), ())
    """

    name: str
    params: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    pre: Mapping[str, str] = field(default_factory=dict)
    post: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    weight: str = "weight"
    reads: Mapping[str, str] = field(default_factory=dict)
    dynamics: Mapping[str, str] = field(default_factory=dict)
    on_pre: Mapping[str, str] = field(default_factory=dict)
    on_post: Mapping[str, str] = field(default_factory=dict)
    send: str = "w"
    send_first: bool = False
    post_event: str = ""
    signals: Mapping[str, str] = field(default_factory=dict)
    on_signal: Mapping[str, str] = field(default_factory=dict)
    every: str = ""
    on_every: Mapping[str, str] = field(default_factory=dict)
    current: str = ""
    initial: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("params", *_MAPPINGS):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        _check_model(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SynapseModel) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.on_pre.items()), tuple(self.on_post.items()), self.send))

    def __reduce__(self) -> tuple[object, tuple[dict[str, object]]]:
        return SynapseModel.from_dict, (self.as_dict(),)

    # -- what engines ask ----------------------------------------------------------------------------

    @property
    def synaptic(self) -> tuple[str, ...]:
        """Variables that every synapse has for itself: `w` first."""
        return ("w", *self.state)

    @cached_property
    def followers(self) -> tuple[str, ...]:
        """Post variables that follow a variable of the target neuron."""
        return tuple(
            v
            for v, tree in self.trees["dynamics"].items()
            if v in self.post and names_in(tree) & set(self.reads)
        )

    @property
    def has_pre_events(self) -> bool:
        """Whether an arriving spike changes or delivers anything."""
        return bool(self.on_pre or self.send)

    @cached_property
    def reads_pre(self) -> tuple[str, ...]:
        """Variables of the source neuron that `current` uses, without `_pre`."""
        return tuple(n.removesuffix("_pre") for n in self.reads if n.endswith("_pre"))

    @cached_property
    def reads_post(self) -> tuple[str, ...]:
        """Variables of the target neuron that the text uses, without `_post`."""
        return tuple(n.removesuffix("_post") for n in self.reads if n.endswith("_post"))

    @cached_property
    def dimensions(self) -> Mapping[str, Dimension]:
        """Dimension of every name that an expression of this model may use."""
        units = {p: unit for p, (_, unit) in self.params.items()}
        for group in (self.pre, self.post, self.state, self.signals, self.reads):
            units |= group
        units |= {"w": self.weight, "w_total": self.weight, "dt": "s"}
        return _frozen({n: dimension_of(u) for n, u in units.items()})

    @cached_property
    def trees(self) -> Mapping[str, Mapping[str, ast.expr]]:
        """Parsed expressions by part; 'send', 'post_event' and 'current' under ''."""
        found: dict[str, dict[str, ast.expr]] = {part: {} for part, _, _, _ in _parts(self)}
        for part, key, text, allowed in _texts(self):
            found[part][key] = parse(text, allowed, where=_place(self, part, key))
        return _frozen({part: _frozen(trees) for part, trees in found.items()})

    # -- variants and plain data -----------------------------------------------------------------------

    def variant(self, name: str, **changes: object) -> SynapseModel:
        """Return a model with another name and some fields changed."""
        return replace(self, name=name, **changes)  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, object]:
        """Return the model as plain data (strings, numbers, lists), for files."""
        found: dict[str, object] = {
            "name": self.name,
            "params": {p: [float(v), u] for p, (v, u) in self.params.items()},
        }
        found |= {name: dict(getattr(self, name)) for name in _MAPPINGS}
        for name in ("weight", "send", "send_first", "post_event", "every", "current", "source"):
            found[name] = getattr(self, name)
        return found

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> SynapseModel:
        """Return the model that `as_dict` wrote.

        Raises
        ------
        ModelError : a field is missing, unknown, or of the wrong kind
        """
        try:
            fields = dict(data)
            raw = fields.pop("params", {})
            params = {str(p): (float(v), str(u)) for p, (v, u) in raw.items()}  # type: ignore[attr-defined]
            return SynapseModel(params=params, **fields)  # type: ignore[arg-type]
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            where = f"synapse model {data.get('name', '?')!r}"
            raise ModelError(explain(where, "not a model description", found=error)) from error


@dataclass(frozen=True, eq=False)
class Rule:
    """A synapse model with the values of its parameters: what a projection carries.

    Parameters
    ----------
    model : the synapse model
    params : parameter -> number, shared by all synapses; default what the model says
    initial : variable -> starting value; default what the model says. Not `w`: that is the topology's weight

    Raises
    ------
    ModelError : an unknown name, not a number, or a time constant that is not positive
    """

    model: SynapseModel
    params: Mapping[str, float] = field(default_factory=dict)
    initial: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", _frozen(self.params))
        object.__setattr__(self, "initial", _frozen(self.initial))
        _check_rule(self)
        for group in ("params", "initial"):
            numbers = {name: float(value) for name, value in getattr(self, group).items()}
            object.__setattr__(self, group, _frozen(numbers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and (self.model, dict(self.params), dict(self.initial)) == (
            other.model,
            dict(other.params),
            dict(other.initial),
        )

    def __hash__(self) -> int:
        return hash((self.model, tuple(sorted(self.params.items()))))

    def __reduce__(self) -> tuple[Any, ...]:
        return Rule, (self.model, dict(self.params), dict(self.initial))

    def param(self, name: str) -> float:
        """Return a parameter's value."""
        return float(self.params.get(name, self.model.params[name][0]))

    @property
    def constants(self) -> dict[str, float]:
        """Value of every parameter."""
        return {name: self.param(name) for name in self.model.params}

    def starting(self, variable: str) -> float:
        """Return the starting value of a variable other than `w`."""
        if variable in self.initial:
            return self.initial[variable]
        tree = self.model.trees["initial"].get(variable)
        return 0.0 if tree is None else float(evaluate(tree, self.constants))

    def rate(self, variable: str) -> float:
        """Return 1/tau of a variable with dynamics, in 1/s."""
        slope = derivative(self.model.trees["dynamics"][variable], variable)
        return -float(evaluate(slope, self.constants))

    def target(self, variable: str) -> float:
        """Return x0 of a variable whose dynamics have a closed form: where it goes without events."""
        at_zero = substitute(self.model.trees["dynamics"][variable], {variable: ast.Constant(0.0)})
        return float(evaluate(at_zero, self.constants)) / self.rate(variable)


# -- checks ------------------------------------------------------------------------------------------


def _place(model: SynapseModel, part: str, key: str) -> str:
    return f"{model.name}.{part}" + (f"[{key!r}]" if key else "")


def _parts(
    model: SynapseModel,
) -> tuple[tuple[str, Mapping[str, str], set[str], set[str]], ...]:
    """Return (part, texts, variables that it may assign, names that all its texts may use)."""
    pre, post = set(model.pre), set(model.post)
    synaptic = set(model.synaptic)
    known = set(model.params) | {"dt"}
    everything = known | pre | post | synaptic
    seen = {n for n in model.reads if n.endswith("_post")}
    return (
        ("initial", model.initial, pre | post | set(model.state), set(model.params)),
        ("dynamics", model.dynamics, pre | post | synaptic, set(model.params)),
        ("on_pre", model.on_pre, pre | synaptic, everything),
        ("on_post", model.on_post, post | synaptic, everything | seen),
        ("on_signal", model.on_signal, synaptic, everything | set(model.signals)),
        ("on_every", model.on_every, synaptic, everything | {"w_total"}),
        ("send", {"": model.send}, {""}, everything),
        ("post_event", {"": model.post_event}, {""}, known | post | seen),
        ("current", {"": model.current}, {""}, known | synaptic | set(model.reads)),
    )


def _texts(model: SynapseModel) -> Iterable[tuple[str, str, str, set[str]]]:
    """Yield (part, variable, text, names that may occur in it)."""
    known = set(model.params) | {"dt"}
    seen = {n for n in model.reads if n.endswith("_post")}
    for part, texts, _, allowed in _parts(model):
        for key, text in texts.items():
            if not text and not key:
                continue
            names = allowed
            if part == "dynamics":
                names = allowed | {key} | (seen if key in model.post else set())
            elif part == "on_pre" and key in model.pre:
                names = known | set(model.pre)
            elif part == "on_post" and key in model.post:
                names = known | set(model.post) | seen
            yield part, key, text, names


def _check_model(model: SynapseModel) -> None:
    problems = Problems()
    if not isinstance(model.name, str) or not model.name:
        problems.add("synapse model", "needs a name")
        problems.raise_as(ModelError)
    _check_names(model, problems)
    problems.raise_as(ModelError)
    try:
        dimensions = model.dimensions
    except UnitError as error:
        raise ModelError(f"{model.name}: {error}") from None
    _check_texts(model, problems, dimensions)
    problems.raise_as(ModelError)
    _check_dynamics(model, problems)
    _check_parts(model, problems, dimensions)
    problems.raise_as(ModelError)


def _check_names(model: SynapseModel, problems: Problems) -> None:
    seen: dict[str, str] = {}
    for group in ("params", "pre", "post", "state", "signals", "reads"):
        for name in getattr(model, group):
            where = f"{model.name}.{group}[{name!r}]"
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
                problems.add(where, "not a name", expected="letters, digits and _, not _ first")
            elif name in RESERVED:
                problems.add(where, "the name is taken by the expression language")
            elif name in seen:
                problems.add(where, f"the name stands in {seen[name]} too")
            elif group == "reads" and not (
                name.endswith(("_pre", "_post")) and name not in ("_pre", "_post")
            ):
                problems.add(where, "not a neuron's variable", expected="e.g. 'v_post' or 'v_pre'")
            seen[str(name)] = group
    for part, texts, assigned, _ in _parts(model):
        for variable in texts:
            if variable not in assigned:
                problems.add(
                    f"{model.name}.{part}[{variable!r}]",
                    "is not assigned here" if variable in (*seen, "w") else "no such variable",
                    expected=", ".join(sorted(assigned)) or "a model with variables",
                )


def _check_texts(
    model: SynapseModel, problems: Problems, dimensions: Mapping[str, Dimension]
) -> None:
    second = dimension_of("s")
    for part, key, text, allowed in _texts(model):
        where = f"{_place(model, part, key)} = {text!r}"
        want: Dimension | str = BOOLEAN if part == "post_event" else WEIGHT
        if part == "dynamics":
            want = multiply(dimensions[key], second, -1)
        elif key:
            want = dimensions[key]
        try:
            tree = parse(text, allowed, where=_place(model, part, key))
            got = dimension(tree, dimensions, where)
        except ModelError as error:
            problems.lines.append(str(error))
            continue
        if got == want or (got == ANY and want != BOOLEAN):
            continue
        problems.add(
            where,
            "wrong dimension" if BOOLEAN not in (got, want) else "wrong kind",
            found=got if isinstance(got, str) else pretty(got),
            expected=want if isinstance(want, str) else pretty(want),
        )


def _check_dynamics(model: SynapseModel, problems: Problems) -> None:
    for variable, tree in model.trees["dynamics"].items():
        where = f"{_place(model, 'dynamics', variable)} = {model.dynamics[variable]!r}"
        names = names_in(tree) & set(model.reads)
        try:
            slope = derivative(tree, variable)
            good = degree(tree, {variable}) == 1 and not names_in(slope) & (names | {variable})
        except ModelError:
            good = False
        if not good:
            problems.add(
                where,
                "has no closed form",
                expected="'-x / tau' or '(x0 - x) / tau', linear in its own variable only",
                cure="write other changes as assignments at events",
            )


def _check_parts(
    model: SynapseModel, problems: Problems, dimensions: Mapping[str, Dimension]
) -> None:
    def needs(part: str, other: str) -> None:
        if bool(getattr(model, part)) != bool(getattr(model, other)):
            problems.add(f"{model.name}.{part}", f"and {other} belong together, one is empty")

    needs("every", "on_every")
    needs("signals", "on_signal")
    if model.post_event and not model.on_post:
        problems.add(f"{model.name}.post_event", "needs on_post")
    if model.every and (
        model.every not in model.params or dimensions[model.every] != dimension_of("s")
    ):
        problems.add(f"{model.name}.every", f"{model.every!r} is not a parameter in seconds")
    used = set().union(*(names_in(t) for ts in model.trees.values() for t in ts.values()))
    for name in model.reads:
        if name not in used:
            problems.add(f"{model.name}.reads[{name!r}]", "is not used")
    if model.current:
        moving = names_in(model.trees["current"][""]) & set(model.synaptic) & set(model.dynamics)
        if moving:
            problems.add(
                f"{model.name}.current",
                "uses a variable with dynamics",
                found=", ".join(sorted(moving)),
                expected="w and state variables that change at events only",
            )
    if not any(getattr(model, part) for part in (*EVENTS, "send", "current")):
        problems.add(model.name, "does nothing", cure="say send, current or an event")


def _check_rule(rule: Rule) -> None:
    problems = Problems()
    model = rule.model
    if not isinstance(model, SynapseModel):
        raise ModelError(explain("Rule", "not a SynapseModel", found=type(model).__name__))
    variables = (*model.pre, *model.post, *model.state)
    for group, known in (("params", tuple(model.params)), ("initial", variables)):
        for name, value in getattr(rule, group).items():
            where = f"{model.name}.{group}[{name!r}]"
            if name not in known:
                problems.add(where, "unknown", expected=", ".join(known) or "none")
                continue
            try:
                number = float(value) if np.ndim(value) == 0 else np.nan
                good = not np.isnan(number) and (group == "params" or bool(np.isfinite(number)))
            except (TypeError, ValueError):
                good = False
            if not good:
                problems.add(where, "not a number", found=repr(value))
    problems.raise_as(ModelError)
    for variable in model.dynamics:
        try:
            rate = rule.rate(variable)
        except (SpikewrightError, ArithmeticError, ValueError):
            rate = np.nan
        if not (np.isfinite(rate) and rate > 0):
            problems.add(
                f"{model.name}.dynamics[{variable!r}] = {model.dynamics[variable]!r}",
                "does not decay",
                found=f"a rate of {rate:g} 1/s",
                expected="a positive time constant",
            )
        elif variable not in model.followers and not np.isfinite(rule.target(variable)):
            problems.add(f"{model.name}.dynamics[{variable!r}]", "does not end at a finite value")
    problems.raise_as(ModelError)
