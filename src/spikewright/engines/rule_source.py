"""Kernels of a synapse rule, written from its text: what a spike does on arrival, and what a post event does.

Cost follows spikes. A post event is noted with its neuron and done later: synapses are brought up to date when a spike
reaches them (`advance`), when something asks for all of them (`everywhere`), or when a neuron's notes are full. Since a
synapse sees its events in their order, and values between events come from closed forms, nothing differs from doing
each event when it happens; `engines/reference_synapses.py` says what that is.

Longer than most files: one writer follows a synapse through everything that can happen to it.

Four functions are written where the rule needs them: `advance` (arrivals of a step), `finish` (post events of a step),
`everywhere` (signals, periods, and bringing everything up to date), `flow` (currents).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from spikewright.engines.compiled import kernels_version
from spikewright.engines.deliver import BYTES
from spikewright.engines.source import Source
from spikewright.engines.synapses import Assignments, RuleProgram
from spikewright.network.expression import names_in


@dataclass(frozen=True)
class RuleKernels:
    """The source of a rule's kernels.

    Parameters
    ----------
    name : part of a file name
    text : the source
    constants : names of `constants`, in order; a number stands for itself
    decays : variables with a decay, in the order of their tables
    captured : what is noted with a post event, in order
    """

    name: str
    text: str
    constants: tuple[str | float, ...]
    decays: tuple[str, ...]
    captured: tuple[str, ...]


def write_rule(rule: RuleProgram, *, single: bool, target: str, value: str) -> RuleKernels:
    """Return the kernels of a rule.

    Parameters
    ----------
    target : "uint16" or "int32"; "all" where every row reaches every target of the part, in order
    value : what spikes carry, "" where every spike is 1
    """
    return _RuleWriter(rule, single, target, value).kernels()


class _RuleWriter:
    def __init__(self, rule: RuleProgram, single: bool, target: str, value: str) -> None:
        self.rule, self.target, self.value, self.graded = rule, target, value, bool(value)
        self.source = Source(integer=False, single=single)
        self.whole = target == "all"
        self.entry = "i" if self.whole else "e"
        self.number = self.source.number
        self.item = BYTES[self.number]
        model = rule.model
        self.decays = tuple(rule.decays)
        self.moving = rule.moving
        self.has_history = bool(rule.post_synaptic)
        wanted = (
            set().union(*(names_in(tree) for _, tree in rule.post_synaptic))
            if rule.post_synaptic
            else set()
        )
        self.captured = tuple(
            n for n in (*model.post, *(f"{v}_post" for v in model.reads_post)) if n in wanted
        )
        self.arrays = (*model.synaptic, *model.pre, *model.post)

    # -- names -----------------------------------------------------------------------------------------

    def v(self, name: str) -> str:
        return self.source.name(name)

    def a(self, name: str) -> str:
        """Return the array of a variable."""
        return self.source.name(name, "all")

    def text(self, tree: ast.expr) -> str:
        return self.source.text(tree)

    def assign(self, assignments: Assignments) -> list[str]:
        return [f"{self.v(name)} = {self.text(tree)}" for name, tree in assignments]

    def later(self, name: str, value: str, steps: str) -> str:
        """Return the source of a variable's value some steps later."""
        decay = self.rule.decays.get(name)
        if decay is None:
            return value
        f = f"factor({self.source.name(name, 'decay')}, {steps})"
        if decay.target == 0.0:
            return f"{value} * {f}"
        x0 = self.source.name(name, "goal")
        return f"({value} if {steps} == 0 else {x0} + ({value} - {x0}) * {f})"

    # -- pieces ----------------------------------------------------------------------------------------

    def setup(self) -> list[str]:
        """Return the lines that find a part's arrays."""
        number, item, model = self.number, self.item, self.rule.model
        lines = [
            "t = carray(table, at.R_TABLE)",
            "places = view(t[at.R_PLACES] + 8 * part * PLACES, PLACES, int64)",
            "bounds = view(t[at.POST_BOUNDS] + 8 * part, 2, int64)",
            "low, width = bounds[0], bounds[1] - bounds[0]",
            "n_rows, n_synapses = places[at.P_ROWS], places[at.P_SYNAPSES]",
            "start = view(places[at.P_START], n_rows + 1, int64)",
            *(
                []
                if self.whole
                else [f"target = view(places[at.P_TARGET], n_synapses, {self.target})"]
            ),
            "arrived = view(places[at.P_ARRIVED] + 8 * sample * n_rows, n_rows, int64)",
            "fired = view(places[at.P_FIRED] + 8 * sample * width, width, int64)",
            f"constants = view(t[at.R_CONSTANTS], N_CONSTANTS, {number})",
        ]
        for i, name in enumerate(self.decays):
            lines.append(
                f"{self.source.name(name, 'decay')} = view(t[at.R_DECAYS] + {item} * {i} * ENTRIES, ENTRIES, {number})"
            )
        if self.moving:
            lines.append(
                "touched = view(places[at.P_TOUCHED] + 8 * sample * n_synapses, n_synapses, int64)"
            )
        if self.has_history:
            lines += [
                "keeps = t[at.R_HISTORY]",
                "count = view(places[at.P_COUNT] + 4 * sample * width, width, int32)",
                "when = view(places[at.P_WHEN] + 4 * sample * width * keeps, width * keeps, int32)",
                "newest = view(places[at.P_NEWEST] + 8 * sample, 1, int64)",
            ]
        if self.has_history and self.whole:
            lines += [
                "noted = view(places[at.P_NOTED] + 4 * sample * width, width, int32)",
                "n_noted = view(places[at.P_N_NOTED] + 8 * sample, 1, int64)",
            ]
        place = 0
        for names, size in (
            (model.synaptic, "n_synapses"),
            (tuple(model.pre), "n_rows"),
            (tuple(model.post), "width"),
        ):
            for name in names:
                lines.append(
                    f"{self.a(name)} = view(places[at.P_OPEN + {place}] + {item} * sample * {size}, {size}, {number})"
                )
                place += 1
        for name in self.captured:
            lines.append(
                f"{self.source.name(name, 'noted')} = view(places[at.P_OPEN + {place}]"
                f" + {item} * sample * width * keeps, width * keeps, {number})"
            )
            place += 1
        return lines

    def constants(self) -> list[str]:
        """Return the lines that name constants; to be called when everything else is written."""
        names = [n for n in self.rule.constants]
        lines = [f"{self.v(n)} = constants[{i}]" for i, n in enumerate(names)]
        at_ = len(names)
        for name in self.decays:
            if self.rule.decays[name].target != 0.0:
                lines.append(f"{self.source.name(name, 'goal')} = constants[{at_}]")
                at_ += 1
        lines += [f"{local} = constants[{at_ + i}]" for i, local in enumerate(self.source.passed())]
        return lines

    def constant_values(self) -> tuple[str | float, ...]:
        goals = [d.target for d in self.rule.decays.values() if d.target != 0.0]
        return (*self.rule.constants, *goals, *self.source.numbers)

    def bring(self, used: set[str], step: str) -> list[str]:
        """Return the lines that bring moving synaptic variables to a step."""
        if not used & set(self.moving):
            return []
        lines = [f"_d = {step} - {self.touched}"]
        lines += [f"{self.v(n)} = {self.later(n, self.v(n), '_d')}" for n in self.moving]
        return [*lines, f"{self.touched} = {step}"]

    def pending(self, since: str, before: dict[str, str]) -> list[str]:
        """Return the lines that do the post events of target i that synapse e has not seen.

        `before` says where a pre variable's value at step `since` stands.
        """
        post = self.rule.post_synaptic
        used = {v for v, _ in post}.union(*(names_in(tree) for _, tree in post))
        inner = ["_k = int64(when[_p]) + t[at.R_ORIGIN]", f"_s = _k - {since}"]
        inner += [f"{self.v(n)} = {self.later(n, x, '_s')}" for n, x in before.items() if n in used]
        inner += [f"{self.v(n)} = {self.source.name(n, 'noted')}[_p]" for n in self.captured]
        inner += self.bring(used, "_k")
        inner += self.assign(post)
        return [
            "_begin = i * keeps",
            "_end = _begin + count[i]",
            "_first = _end",
            f"while _first > _begin and int64(when[_first - 1]) >= {since} - t[at.R_ORIGIN]:",
            "    _first -= 1",
            "for _p in range(_first, _end):",
            *(f"    {line}" for line in inner),
        ]

    def own(self, name: str) -> str:
        """Return the place of a synaptic variable of the synapse at hand."""
        array = self.source.name(name, "row") if self.whole else self.a(name)
        return f"{array}[{self.entry}]"

    @property
    def touched(self) -> str:
        return "touched_row[i]" if self.whole else "touched[e]"

    def load(self) -> list[str]:
        return [f"{self.v(n)} = {self.own(n)}" for n in self.rule.model.synaptic]

    def keep(self, changed: set[str]) -> list[str]:
        return [f"{self.own(n)} = {self.v(n)}" for n in self.rule.model.synaptic if n in changed]

    def rows(self) -> list[str]:
        """Return the lines that find the synapses of a row."""
        lines = ["first, end = start[row], start[row + 1]"]
        if self.whole:
            lines += [
                f"{self.source.name(n, 'row')} = {self.a(n)}[first:end]"
                for n in self.rule.model.synaptic
            ]
            if self.moving:
                lines.append("touched_row = touched[first:end]")
        return lines

    def each(self, lines: list[str]) -> list[str]:
        """Return a loop over the synapses of a row: over its targets, in order, where it is whole (vector code)."""
        if self.whole:
            return ["for i in range(width):", *(f"    {line}" for line in lines)]
        return [
            "for e in range(first, end):",
            "    i = int64(target[e])",
            *(f"    {line}" for line in lines),
        ]

    # -- functions -------------------------------------------------------------------------------------

    def arrivals(self) -> list[str]:
        rule, model = self.rule, self.rule.model
        pre_used = set().union(
            *(names_in(tree) for _, tree in rule.pre_synaptic),
            names_in(rule.send) if rule.send is not None else set(),
        )
        assigned = {v for v, _ in rule.pre_synaptic}
        moves = set(self.moving) if (pre_used | assigned) & set(self.moving) else set()
        post_assigned = {v for v, _ in rule.post_synaptic}
        post_used = (
            post_assigned.union(*(names_in(t) for _, t in rule.post_synaptic))
            if post_assigned
            else set()
        )
        post_moves = set(self.moving) if post_used & set(self.moving) else set()
        row = ["last = arrived[row]", "_d = k - last"]
        before = {}
        for n in model.pre:
            old = self.source.name(n, "old")
            before[n] = old
            row.append(f"{old} = {self.a(n)}[row]")
            row.append(f"{self.source.name(n, 'now')} = {self.later(n, old, '_d')}")
        row.append("arrived[row] = k")
        row += [f"{self.v(n)} = {self.source.name(n, 'now')}" for n in model.pre]
        row += self.assign(rule.pre_row)
        after = {}
        for n in model.pre:
            after[n] = self.source.name(n, "after")
            row += [f"{after[n]} = {self.v(n)}", f"{self.a(n)}[row] = {self.v(n)}"]

        def synapse(history: bool) -> list[str]:
            lines = self.load()
            if history:
                lines += self.pending("last", before)
            lines += [
                f"{self.v(n)} = {self.source.name(n, 'now')}" for n in model.pre if n in pre_used
            ]
            posts = [n for n in model.post if n in pre_used]
            if any(n in rule.decays for n in posts):
                lines.append("_d = k - fired[i]")
            lines += [f"{self.v(n)} = {self.later(n, f'{self.a(n)}[i]', '_d')}" for n in posts]
            lines += self.bring(pre_used | assigned, "k")
            if rule.send is not None and rule.send_first:
                lines.append(f"_sent = {self.text(rule.send)}")
            lines += self.assign(rule.pre_synaptic)
            if rule.send is not None and not rule.send_first:
                lines += [
                    f"{self.v(n)} = {x}" for n, x in after.items() if n in names_in(rule.send)
                ]
                lines.append(f"_sent = {self.text(rule.send)}")
            if rule.send is not None:
                lines.append("slot[i] += _sent" + (" * y" if self.graded else ""))
            changed = assigned | moves | ((post_assigned | post_moves) if history else set())
            return lines + self.keep(changed)

        loop = self.rows()
        caught_up = post_assigned | post_moves
        if self.has_history and self.whole:
            # few targets have sent since the row's last arrival: only their synapses have anything to do first
            loop += [
                "if newest[0] >= last:",
                "    for _a in range(n_noted[0]):",
                "        i = int64(noted[_a])",
                *(
                    f"        {line}"
                    for line in (*self.load(), *self.pending("last", before), *self.keep(caught_up))
                ),
                *self.each(synapse(False)),
            ]
        elif self.has_history:
            loop += [
                "if newest[0] >= last:",
                *(f"    {line}" for line in self.each(synapse(True))),
                "else:",
                *(f"    {line}" for line in self.each(synapse(False))),
            ]
        else:
            loop += self.each(synapse(False))
        fetch = [
            "if h + 1 < n:",
            "    _next = row_of(of_source, lag, int64(spikes[h + 1]), k - emitted)",
            "    if _next >= 0:",
            *(
                []
                if self.whole
                else [
                    f"        fetch(places[at.P_TARGET] + {BYTES[self.target]} * start[_next],"
                    f" {BYTES[self.target]} * (start[_next + 1] - start[_next]))"
                ]
            ),
            f"        fetch(places[at.P_OPEN] + {self.item} * (sample * n_synapses + start[_next]),"
            f" {self.item} * (start[_next + 1] - start[_next]))",
        ]
        body = [
            *self.setup(),
            *self.constants(),
            "of_source = view(places[at.P_OF_SOURCE], t[at.WIDTH] + 1, int64)",
            "lag = view(places[at.P_LAG], n_rows, int64)",
            f"slot = view(t[at.RING] + {self.item} * ((k % t[at.LENGTH] * t[at.POST_BATCH] + sample)"
            f" * t[at.POST_SIZE] + low), width, {self.number})",
            "depth, room, parts = t[at.PRE_DEPTH], t[at.PRE_ROOM], t[at.PRE_PARTS]",
            "for emitted in range(max(0, k - t[at.R_LONGEST]), k - t[at.R_SHORTEST] + 1):",
            "    for source_part in range(parts):",
            "        unit = (sample * parts + source_part) * depth + (emitted & (depth - 1))",
            "        n = view(t[at.PRE_COUNTS] + 8 * unit, 1, int64)[0]",
            "        spikes = view(t[at.PRE_SPIKES] + 4 * unit * room, n, int32)",
        ]
        if self.graded:
            body.append(
                f"        values = view(t[at.PRE_VALUES] + {BYTES[self.value]} * unit * room, n, {self.value})"
            )
        body += [
            "        for h in range(n):",
            *(f"            {line}" for line in fetch),
            "            row = row_of(of_source, lag, int64(spikes[h]), k - emitted)",
            "            if row < 0:",
            "                continue",
            *([f"            y = {self.number}(values[h])"] if self.graded else []),
            *(f"            {line}" for line in (*row, *loop)),
        ]
        return body

    def settle(self) -> list[str]:
        """Return the body of a function that brings all synapses of a part up to date and forgets post events."""
        if not self.has_history:
            return []
        model, post = self.rule.model, self.rule.post_synaptic
        assigned = {v for v, _ in post}
        used = assigned.union(*(names_in(tree) for _, tree in post))
        changed = assigned | (set(self.moving) if used & set(self.moving) else set())
        before = {n: self.source.name(n, "old") for n in model.pre}
        catch_up = [*self.load(), *self.pending("last", before), *self.keep(changed)]
        if self.whole:
            unseen = ["for _a in range(n_noted[0]):", "    i = int64(noted[_a])"]
            unseen += [f"    {line}" for line in catch_up]
        else:
            unseen = self.each(["if count[i] == 0:", "    continue", *catch_up])
        return [
            *self.setup(),
            *self.constants(),
            "if newest[0] < 0:",
            "    return",
            "for row in range(n_rows):",
            "    last = arrived[row]",
            *(f"    {old} = {self.a(n)}[row]" for n, old in before.items()),
            "    if newest[0] < last:",
            "        continue",
            *(f"    {line}" for line in (*self.rows(), *unseen)),
            "for i in range(width):",
            "    count[i] = 0",
            *(["n_noted[0] = 0"] if self.whole else []),
            "newest[0] = -1",
        ]

    def events(self) -> list[str]:
        """Return the body of `finish`: post events of step k, and variables that follow the neuron."""
        rule, model = self.rule, self.rule.model
        if not (rule.post_synaptic or rule.post_neuron or rule.follow):
            return []
        peaks = [
            f"{self.source.name(v, 'peak')} = view(peaks[{j}] + {self.item} * (sample * t[at.POST_SIZE]"
            f" + low), width, {self.number})"
            for j, v in enumerate(model.reads_post)
        ]
        if peaks:
            peaks.insert(0, f"peaks = view(t[at.R_PEAKS], {len(peaks)}, int64)")
        seen = [
            f"{self.v(f'{v}_post')} = {self.source.name(v, 'peak')}[i]" for v in model.reads_post
        ]
        bring = ["_d = k - fired[i]"] if any(n in rule.decays for n in model.post) else []
        bring += [f"{self.v(n)} = {self.later(n, f'{self.a(n)}[i]', '_d')}" for n in model.post]
        event = ["fired[i] = k"]
        if self.has_history:
            event += [
                "if count[i] == keeps:",
                "    settle(table, sample, part)",
                *(
                    ["if count[i] == 0:", "    noted[n_noted[0]] = i", "    n_noted[0] += 1"]
                    if self.whole
                    else []
                ),
                "_p = i * keeps + count[i]",
                "when[_p] = int32(k - t[at.R_ORIGIN])",
                *(f"{self.source.name(n, 'noted')}[_p] = {self.v(n)}" for n in self.captured),
                "count[i] += 1",
                "newest[0] = k",
            ]
        event += self.assign(rule.post_neuron)
        event += [f"{self.a(n)}[i] = {self.v(n)}" for n in model.post]
        if not (rule.post_synaptic or rule.post_neuron):
            event = []
        body = [*self.setup(), *self.constants(), *peaks]
        if event and rule.post_event is None:
            body += [
                "unit = (sample * t[at.R_POST_PARTS] + part) * t[at.R_POST_DEPTH]"
                " + (k & (t[at.R_POST_DEPTH] - 1))",
                "n = view(t[at.R_POST_COUNTS] + 8 * unit, 1, int64)[0]",
                "spikes = view(t[at.R_POST_SPIKES] + 4 * unit * t[at.R_POST_ROOM], n, int32)",
                "for h in range(n):",
                "    i = int64(spikes[h]) - low",
                *(f"    {line}" for line in (*seen, *bring, *event)),
            ]
        elif event and rule.post_event is not None:
            body += [
                "for i in range(width):",
                *(f"    {line}" for line in (*seen, *bring)),
                f"    if {self.text(rule.post_event)}:",
                *(f"        {line}" for line in event),
            ]
        if rule.follow:
            body += ["for i in range(width):", *(f"    {line}" for line in seen)]
            for name, tree in rule.follow:
                body += [
                    f"    {self.v(name)} = {self.a(name)}[i]",
                    f"    {self.a(name)}[i] = {self.text(tree)}",
                ]
        return body

    def all_synapses(self, assignments: Assignments, total: bool) -> list[str]:
        """Return the lines that run assignments for all synapses at step k."""
        rule, model = self.rule, self.rule.model
        used = {v for v, _ in assignments}.union(*(names_in(tree) for _, tree in assignments))
        changed = {v for v, _ in assignments} | (
            set(self.moving) if used & set(self.moving) else set()
        )
        inner = self.load()
        posts = [n for n in model.post if n in used]
        if any(n in rule.decays for n in posts):
            inner.append("_d = k - fired[i]")
        inner += [f"{self.v(n)} = {self.later(n, f'{self.a(n)}[i]', '_d')}" for n in posts]
        inner += self.bring(used, "k")
        if total:
            inner.append(f"{self.v('w_total')} = total[i]")
        inner += [*self.assign(assignments), *self.keep(changed)]
        lines = []
        if total:
            moving_w = "w" in rule.decays
            now = (
                self.later("w", self.own("w"), f"(k - {self.touched})")
                if moving_w
                else self.own("w")
            )
            lines += [
                f"total = view(places[at.P_TOTAL] + {self.item} * worker * width, width, {self.number})",
                "total[:] = zero",
                "for row in range(n_rows):",
                *(f"    {line}" for line in (*self.rows(), *self.each([f"total[i] += {now}"]))),
            ]
        pres = [n for n in model.pre if n in used]
        return [
            *lines,
            "for row in range(n_rows):",
            "    _d = k - arrived[row]",
            *(f"    {self.v(n)} = {self.later(n, f'{self.a(n)}[row]', '_d')}" for n in pres),
            *(f"    {line}" for line in (*self.rows(), *self.each(inner))),
        ]

    def sweeps(self) -> list[str]:
        """Return the body of `everywhere`; `steps` is 0 where synapses are only to be brought up to date."""
        rule, model = self.rule, self.rule.model
        body = []
        if self.has_history:
            body += ["if steps == 0:", "    settle(table, sample, part)", "    return"]
        else:
            body += ["if steps == 0:", "    return"]
        body += [*self.setup(), *self.constants()]
        settle = ["settle(table, sample, part)"] if self.has_history else []
        if rule.on_signal:
            n = len(model.signals)
            body += [
                "_index = k - t[at.R_ORIGIN]",
                "if _index < t[at.R_SIGNAL_STEPS]:",
                f"    signals = view(t[at.R_SIGNALS] + {self.item} * (_index * t[at.POST_BATCH] + sample) * {n},"
                f" {n}, {self.number})",
                *(f"    {self.v(s)} = signals[{i}]" for i, s in enumerate(model.signals)),
                f"    if {' or '.join(f'{self.v(s)} != zero' for s in model.signals)}:",
                *(
                    f"        {line}"
                    for line in (*settle, *self.all_synapses(rule.on_signal, False))
                ),
            ]
        if rule.on_every:
            total = any("w_total" in names_in(tree) for _, tree in rule.on_every)
            body += [
                "if t[at.R_EVERY] > 0 and (k + 1) % t[at.R_EVERY] == 0:",
                *(f"    {line}" for line in (*settle, *self.all_synapses(rule.on_every, total))),
            ]
        return body

    def flows(self) -> list[str]:
        """Return the body of `flow`."""
        rule, model = self.rule, self.rule.model
        if rule.current is None:
            return []
        states = [
            f"{self.source.name(v, 'pre_state')} = view(states[{j}] + {self.item} * sample * t[at.WIDTH],"
            f" t[at.WIDTH], {self.number})"
            for j, v in enumerate(model.reads_pre)
        ]
        n = len(model.reads_pre)
        states += [
            f"{self.source.name(v, 'post_state')} = view(states[{n + j}] + {self.item}"
            f" * (sample * t[at.POST_SIZE] + low), width, {self.number})"
            for j, v in enumerate(model.reads_post)
        ]
        return [
            *self.setup(),
            *self.constants(),
            f"states = view(t[at.R_STATES], {n + len(model.reads_post)}, int64)",
            *states,
            f"slot = view(t[at.RING] + {self.item} * ((k % t[at.LENGTH] * t[at.POST_BATCH] + sample)"
            f" * t[at.POST_SIZE] + low), width, {self.number})",
            "sources = view(places[at.P_SOURCE], n_rows, int32)",
            "for row in range(n_rows):",
            "    j = int64(sources[row])",
            *(
                f"    {self.v(f'{v}_pre')} = {self.source.name(v, 'pre_state')}[j]"
                for v in model.reads_pre
            ),
            *(
                f"    {line}"
                for line in (
                    *self.rows(),
                    *self.each(
                        [
                            *self.load(),
                            *(
                                f"{self.v(f'{v}_post')} = {self.source.name(v, 'post_state')}[i]"
                                for v in model.reads_post
                            ),
                            f"slot[i] += {self.text(rule.current)}",
                        ]
                    ),
                )
            ),
        ]

    def kernels(self) -> RuleKernels:
        model = self.rule.model
        functions = []
        for _ in range(2):  # constants are known when every body has been written once
            functions = [
                ("settle", self.settle()),
                ("advance", self.arrivals() if model.has_pre_events else []),
                ("finish", self.events()),
                ("everywhere", self.sweeps()),
                ("flow", self.flows()),
            ]
        n_constants = len(self.constant_values())
        lines = [
            f"# Generated by Spikewright from the synapse model {model.name!a}.",
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
            "from numpy import float32, float64, int32, int64, uint16, uint64",
            "",
            "from spikewright.engines import layout as at",
            "from spikewright.engines.decay import HORIZON, LONG",
            "from spikewright.engines.history import factor, row_of",
            "from spikewright.engines.intrinsics import KERNEL, fetch, view",
            *self.source.imports(),
            "",
            f"one, zero = {self.number}(1), {self.number}(0)",
            "ENTRIES = HORIZON + LONG",
            f"N_CONSTANTS = {n_constants}",
            f"PLACES = at.P_OPEN + {len(self.arrays) + len(self.captured)}",
        ]
        for name, body in functions:
            if not body:
                continue
            arguments = "table, sample, part, worker, k, steps"
            decorator = '@cfunc(KERNEL, cache=True, nopython=True, error_model="numpy")'
            if name == "settle":
                arguments = "table, sample, part"
                decorator = '@njit(nogil=True, error_model="numpy", fastmath=False)'
            lines += [
                "",
                "",
                decorator,
                f"def {name}({arguments}):",
                *(f"    {line}" for line in body),
            ]
        return RuleKernels(
            "".join(c if c.isalnum() else "_" for c in f"rule_{model.name}")[:40],
            "\n".join(lines) + "\n",
            self.constant_values(),
            self.decays,
            self.captured,
        )
