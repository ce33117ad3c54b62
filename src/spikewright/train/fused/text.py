"""Source of the two row kernels of a population: one step forward of a row of neurons, and its adjoint.

Readable Numba, written from the straightened step and its adjoint; like every generated kernel it is kept in the folder
of `engines.compiled`. The text depends on the model, the method, the precision and on which parts take part, not on
numbers or sizes: numbers are passed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spikewright.engines.source import Source
from spikewright.network.expression import parse, substitute
from spikewright.train.fused.adjoint import Adjoint, Reset, Straight, Term, adjoint, tape
from spikewright.train.surrogate import Surrogate


@dataclass(frozen=True)
class Rows:
    """The source of a population's row kernels and the order of what they take.

    Parameters
    ----------
    forward, backward : source of two functions, `<name>_forward` and `<name>_backward`
    scalars : names of the numbers that are passed: constants, then the surrogate's fields, then "scale"
    literals : further numbers that are passed after them, by direction
    arrays : constants with one value per neuron, in order
    tapes : values kept for the backward pass, in order, without the refractory flag
    flagged : whether the refractory flag is kept
    noise_back : noise that the backward pass needs
    imports : lines
    """

    name: str
    step: Straight = field(compare=False)
    forward: str
    backward: str
    scalars: tuple[str, ...]
    literals: tuple[tuple[float, ...], tuple[float, ...]]
    arrays: tuple[str, ...]
    tapes: tuple[str, ...]
    flagged: bool
    noise_back: tuple[str, ...]
    trained: tuple[str, ...]
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """How a population spikes backward: the surrogate, and the variables whose reset takes the spike as a constant."""

    surrogate: Surrogate
    detached: frozenset[str]


def rows(
    name: str,
    step: Straight,
    rule: Rule,
    *,
    trained: tuple[str, ...],
    recorded: tuple[str, ...],
    inner: bool,
    number: str,
    active: bool = False,
) -> Rows:
    """Return the row kernels of a population.

    Parameters
    ----------
    name : what their functions are called
    step, rule : what a step does, and how it is differentiated
    trained : constants whose gradient is asked for
    recorded : state variables that are kept after the reset
    inner : whether gradients reach what is sent from inside the group too
    number : "float32" or "float64"
    active : whether to tell where the surrogate's slope is not 0

    Raises
    ------
    ModelError : something has no derivative
    """
    backward = adjoint(step, {*step.variables, *step.ports, *trained})
    taped, again = tape(step, backward.needed)
    writer = _Writer(
        name, step, rule, backward, taped, again, trained, recorded, inner, number, active
    )
    return writer.rows()


_LOCALS = (
    *(
        "numbers",
        "i",
        "n",
        "one",
        "zero",
        "waiting",
        "hold",
        "sent",
        "tape_flag",
        "fired",
        "grad",
        "active",
    ),
    *("grad_sent", "grad_inner", "spike", "bar_spike", "bar_sent", "bar_margin", "change"),
)
"""Names of the kernels' own, which none of a model may have."""


class _Writer:
    def __init__(
        self,
        name: str,
        step: Straight,
        rule: Rule,
        back: Adjoint,
        taped: tuple[str, ...],
        again: tuple[str, ...],
        trained: tuple[str, ...],
        recorded: tuple[str, ...],
        inner: bool,
        number: str,
        active: bool,
    ) -> None:
        self.name, self.step, self.rule, self.back = name, step, rule, back
        self.flagged = "_ref" in taped
        self.taped = tuple(n for n in taped if n != "_ref")
        self.again, self.trained, self.recorded, self.inner = again, trained, recorded, inner
        self.number, self.active = number, active
        fields = tuple(f"surrogate_{f}" for f in vars(rule.surrogate))
        self.scalars = (*step.scalars, *(fields if step.margin is not None else ()), "scale_")
        self.noise_back = tuple(n for n in step.noise if n in back.needed)

    def rows(self) -> Rows:
        forward, first, imports = self._function("forward", self._forward)
        backward, second, more = self._function("backward", self._backward)
        return Rows(
            self.name,
            self.step,
            forward,
            backward,
            self.scalars,
            (first, second),
            self.step.arrays,
            self.taped,
            self.flagged,
            self.noise_back,
            self.trained,
            tuple(dict.fromkeys((*imports, *more))),
        )

    def _function(
        self, direction: str, body: Callable[[Source], tuple[list[str], list[str], list[str]]]
    ) -> tuple[str, tuple[float, ...], list[str]]:
        source = Source(integer=False, single=self.number == "float32")
        for word in _LOCALS:
            source.names[f"reserved {word}"] = word
        arguments, before, inside = body(source)
        numbers = [source.name(s) for s in self.scalars] + source.passed()
        before = [f"{name} = numbers[{i}]" for i, name in enumerate(numbers)] + before
        # without contraction: what is calculated again backward must have the bits it had forward
        lines = [
            "@njit(nogil=True, error_model='numpy', fastmath=False)",
            f"def {self.name}_{direction}({', '.join(('n', 'numbers', *arguments))}):",
            *(f"    {line}" for line in before),
            "    for i in range(n):",
            *(f"        {line}" for line in inside),
        ]
        return "\n".join(lines), tuple(source.numbers), source.imports()

    # -- forward -------------------------------------------------------------------------------------

    def _forward(self, source: Source) -> tuple[list[str], list[str], list[str]]:
        step, name, text = self.step, source.name, source.text
        arguments = [name(p, "port") for p in step.ports]
        arguments += [name(x, "noise") for x in step.noise]
        arguments += [name(v, "state") for v in step.variables]
        arguments += ["waiting", "hold"] if step.waits else []
        arguments += [name(c, "own") for c in step.arrays]
        arguments += ["sent", *(f"tape_{i}" for i in range(len(self.taped)))]
        arguments += ["tape_flag"] if self.flagged else []
        arguments += [name(v, "record") for v in self.recorded]
        arguments += ["active"] if self.active else []
        lines = [f"{name(c)} = {name(c, 'own')}[i]" for c in step.arrays]
        lines += [f"{name(p)} = {name(p, 'port')}[i]" for p in step.ports]
        lines += [f"{name(x)} = {name(x, 'noise')}[i]" for x in step.noise]
        lines += [f"{name(v)} = {name(v, 'state')}[i]" for v in step.variables]
        if step.waits:
            lines.append(f"{name('_ref')} = waiting[i]")
        lines += [f"{name(n)} = {text(tree)}" for n, tree in step.statements]
        lines += [f"tape_{i}[i] = {name(n)}" for i, n in enumerate(self.taped)]
        if self.flagged:
            lines.append(f"tape_flag[i] = uint8({name('_ref')} > zero)")
        sending = "one" if step.output is None else text(step.output)
        after = dict(step.ended)
        if step.fire is None:
            lines.append(f"sent[i] = {sending}")
        else:
            lines.append(f"fired = {text(step.fire)}")
            lines.append(f"sent[i] = ({sending}) if fired else zero")
            for r in step.resets:
                before = name(r.before)
                if r.kind == "zero":
                    value = "zero"
                elif r.kind == "subtract":
                    value = f"{before} - ({text(r.tree)})"
                else:
                    value = f"({text(r.tree)})"
                lines.append(f"{name(r.variable, 'after')} = {value} if fired else {before}")
                after[r.variable] = ""
            if self.active and step.margin is not None:
                lines.append(f"{name('margin_')} = ({text(step.margin)}) * scale_")
                ready = "" if step.ready is None else f" and {text(step.ready)}"
                lines.append(f"active[i] = uint8(({text(self._slope())}) != zero{ready})")
            if step.waits:
                left = name("_ref")
                lines.append(
                    f"waiting[i] = hold[i] if fired else ({left} - one if {left} > one else zero)"
                )
        for v in step.variables:
            value = name(after[v]) if after[v] else name(v, "after")
            lines.append(f"{name(v, 'state')}[i] = {value}")
            if v in self.recorded:
                lines.append(f"{name(v, 'record')}[i] = {value}")
        return arguments, ["one, zero = NUMBER(1), NUMBER(0)"], lines

    # -- backward ------------------------------------------------------------------------------------

    def _backward(self, source: Source) -> tuple[list[str], list[str], list[str]]:
        step, name, text = self.step, source.name, source.text
        arguments = ["grad_sent", *(["grad_inner"] if self.inner else [])]
        arguments += [name(v, "grad_record") for v in self.recorded]
        arguments += [name(x, "noise") for x in self.noise_back]
        arguments += [f"tape_{i}" for i in range(len(self.taped))]
        arguments += ["tape_flag"] if self.flagged else []
        arguments += [name(c, "own") for c in step.arrays]
        arguments += [name(v, "bars") for v in step.variables]
        arguments += [name(p, "grad") for p in step.ports]
        arguments += [name(c, "total") for c in self.trained]
        lines = [f"{name(c)} = {name(c, 'own')}[i]" for c in step.arrays]
        lines += [f"{name(x)} = {name(x, 'noise')}[i]" for x in self.noise_back]
        lines += [f"{name(n)} = tape_{i}[i]" for i, n in enumerate(self.taped)]
        if self.flagged:
            lines.append(f"{name('_ref')} = NUMBER(tape_flag[i])")
        trees = dict(step.statements)
        lines += [f"{name(n)} = {text(trees[n])}" for n in self.again]
        lines.append("grad = grad_sent[i]" + (" + grad_inner[i]" if self.inner else ""))
        bars: dict[str, str] = {}
        lines += [
            f"{name(v, 'bar_after')} = {name(v, 'bars')}[i]"
            + (f" + {name(v, 'grad_record')}[i]" if v in self.recorded else "")
            for v in step.variables
        ]

        def add(target: str, value: str) -> None:
            local = name(target, "bar")
            lines.append(f"{local} = {local} + {value}" if target in bars else f"{local} = {value}")
            bars[target] = local

        def add_terms(terms: tuple[Term, ...], bar: str) -> None:
            for term in terms:
                factor = "" if term.factor is None else f" * ({text(term.factor)})"
                add(term.target, f"{'-' if term.falls else ''}{bar}{factor}")

        changed = {r.variable for r in step.resets}
        for v in step.variables:
            if v not in changed:
                add(step.ended[v], name(v, "bar_after"))
        if step.fire is None:
            add_terms(self.back.output, "grad")
        else:
            lines.append(f"spike = one if {text(step.fire)} else zero")
            if step.output is None:
                lines.append("bar_spike = grad")
            else:
                lines.append(f"bar_spike = grad * ({text(step.output)})")
                lines.append("bar_sent = grad * spike")
                add_terms(self.back.output, "bar_sent")
            for r, terms in self.back.resets:
                self._reset(source, r, terms, lines, add, add_terms)
            lines.append(f"{name('margin_')} = ({text(step.margin)}) * scale_")  # type: ignore[arg-type]
            slope = text(self._slope())
            lines.append(f"bar_margin = bar_spike * ({slope}) * scale_")
            if step.ready is not None:
                lines.append(f"bar_margin = bar_margin if {text(step.ready)} else zero")
            add_terms(self.back.spike, "bar_margin")
        for target, terms in self.back.statements:
            if target in bars:
                add_terms(terms, bars[target])
        lines += [f"{name(v, 'bars')}[i] = {bars.get(v, 'zero')}" for v in step.variables]
        lines += [f"{name(p, 'grad')}[i] = {bars.get(p, 'zero')}" for p in step.ports]
        lines += [f"{name(c, 'total')}[i] += {bars[c]}" for c in self.trained if c in bars]
        return arguments, ["one, zero = NUMBER(1), NUMBER(0)"], lines

    def _reset(
        self,
        source: Source,
        r: Reset,
        terms: tuple[Term, ...],
        lines: list[str],
        add: Callable[[str, str], None],
        add_terms: Callable[[tuple[Term, ...], str], None],
    ) -> None:
        after, before = source.name(r.variable, "bar_after"), source.name(r.before)
        target = "zero" if r.kind == "zero" else source.text(r.tree)
        if r.kind == "subtract":
            add(r.before, after)
            change = f"-{after} * ({target})"
            bar = f"-{after} * spike"
        else:
            add(r.before, f"{after} * (one - spike)")
            change = (
                f"-{after} * {before}" if r.kind == "zero" else f"{after} * (({target}) - {before})"
            )
            bar = f"{after} * spike"
        if r.variable not in self.rule.detached:
            lines.append(f"change = {change}")
            if r.kind == "other":
                lines.append("change = change if change - change == zero else zero")
            lines.append("bar_spike = bar_spike + change")
        if terms:
            local = source.name(r.variable, "bar_reset")
            lines.append(f"{local} = {bar}")
            add_terms(terms, local)

    def _slope(self) -> ast.expr:
        surrogate = self.rule.surrogate
        fields = list(vars(surrogate))
        tree = parse(surrogate.text, ["x", *fields], where=type(surrogate).__name__)
        names: Mapping[str, ast.expr] = {
            f: ast.Name(f"surrogate_{f}", ast.Load()) for f in fields
        } | {"x": ast.Name("margin_", ast.Load())}
        return substitute(tree, names)
