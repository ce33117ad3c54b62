"""Projections with a rule as the compiled engine keeps them: by rows, each part with the synapses onto its targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import history
from spikewright.engines import layout as at
from spikewright.engines.compiled import load
from spikewright.engines.decay import HORIZON, LONG
from spikewright.engines.layout import where
from spikewright.engines.program import ProjectionProgram
from spikewright.engines.recording import Spikes, SynapseState
from spikewright.engines.rule_source import RuleKernels, write_rule
from spikewright.engines.synapses import RuleProgram


@dataclass(frozen=True)
class PlasticPart:
    """The synapses of a projection onto one part of its targets.

    Parameters
    ----------
    number : int64 (n,), numbers of the synapses, in the order of rows
    start : int64 (rows + 1,)
    target : uint16 or int32 (n,), minus the part's first neuron
    """

    number: NDArray[np.int64]
    start: NDArray[np.int64]
    target: NDArray[Any]


@dataclass(frozen=True)
class StoredRule:
    """A projection with a rule, ready to run in parts."""

    program: ProjectionProgram
    rule: RuleProgram
    parts: tuple[PlasticPart, ...]
    source: NDArray[np.int32]
    kernels: RuleKernels
    target: str

    @property
    def shortest(self) -> int:
        """The shortest lag."""
        return int(self.rule.rows.lag.min(initial=2**31))

    @property
    def longest(self) -> int:
        """The longest lag."""
        return self.program.max_lag

    @property
    def n(self) -> int:
        """Synapses."""
        return self.program.synapses.n

    @property
    def bytes(self) -> int:
        """Memory of one sample's synapses, their structure included."""
        item = 4 if "float32" in self.kernels.text else 8
        each = item * len(self.rule.model.synaptic) + (8 if self.rule.moving else 0)
        structure = sum(p.number.nbytes + p.start.nbytes + p.target.nbytes for p in self.parts)
        return structure + each * self.n


def store_rule(
    program: ProjectionProgram, edges: list[tuple[int, int]], *, single: bool, value: str
) -> StoredRule:
    """Return a projection with a rule in parts of its targets."""
    rule, synapses = program.rule, program.synapses
    if rule is None:
        raise ValueError(program.name)
    rows = rule.rows
    target = synapses.target[rows.synapse]
    row_of = np.repeat(np.arange(rows.n), np.diff(rows.start))
    kind = "uint16" if max(high - low for low, high in edges) <= 65536 else "int32"
    parts = []
    for low, high in edges:
        whole = (low, high) == (0, synapses.n_post)
        inside = slice(None) if whole else np.flatnonzero((target >= low) & (target < high))
        start = np.zeros(rows.n + 1, np.int64)
        np.cumsum(np.bincount(row_of[inside], minlength=rows.n), out=start[1:])
        parts.append(PlasticPart(rows.synapse[inside], start, (target[inside] - low).astype(kind)))
    if rows.n and all(
        np.array_equal(part.target, np.tile(np.arange(high - low), rows.n))
        for part, (low, high) in zip(parts, edges, strict=True)
    ):
        kind = "all"
    source = np.repeat(np.arange(synapses.n_pre), np.diff(rows.of_source)).astype(np.int32)
    kernels = write_rule(rule, single=single, target=kind, value=value)
    return StoredRule(program, rule, tuple(parts), source, kernels, kind)


class Plastic:
    """The arrays of one projection with a rule in one run."""

    def __init__(
        self,
        stored: StoredRule,
        state: SynapseState,
        edges: list[tuple[int, int]],
        *,
        number: Any,
        workers: int,
        first: int = 0,
    ) -> None:
        self.stored, self.rule, self.edges, self.first = stored, stored.rule, edges, first
        rule, model, rows = stored.rule, stored.rule.model, stored.rule.rows
        self.module = load(stored.kernels.name, stored.kernels.text)
        batch = len(state.arrived)
        self.batch = batch
        captured = stored.kernels.captured
        self.has_history = bool(rule.post_synaptic)
        width = at.P_OPEN + len(model.synaptic) + len(model.pre) + len(model.post) + len(captured)
        self.places = np.zeros((len(edges), width), np.int64)
        self.arrays: list[dict[str, NDArray[Any]]] = []
        self.keep: list[Any] = []
        keeps = history.DEPTH
        for place, part, (low, high) in zip(self.places, stored.parts, edges, strict=True):
            own: dict[str, NDArray[Any]] = {
                "arrived": np.array(state.arrived, np.int64, order="C"),
                "fired": np.array(state.fired[:, low:high], np.int64, order="C"),
                "total": np.zeros((workers, high - low), number),
            }
            if self.has_history:
                own["count"] = np.zeros((batch, high - low), np.int32)
                own["when"] = np.zeros((batch, high - low, keeps), np.int32)
                own["newest"] = np.full(batch, -1, np.int64)
                own["noted"] = np.zeros((batch, high - low), np.int32)
                own["n_noted"] = np.zeros(batch, np.int64)
            if rule.moving:
                own["touched"] = np.array(state.touched[:, part.number], np.int64, order="C")
            for name in model.synaptic:
                own[f"value {name}"] = np.array(
                    state.values[name][:, part.number], number, order="C"
                )
            for name in model.pre:
                own[f"value {name}"] = np.array(state.pre[name], number, order="C")
            for name in model.post:
                own[f"value {name}"] = np.array(state.post[name][:, low:high], number, order="C")
            for name in captured:
                own[f"noted {name}"] = np.zeros((batch, high - low, keeps), number)
            place[at.P_OF_SOURCE], place[at.P_LAG] = where(rows.of_source), where(rows.lag)
            place[at.P_START], place[at.P_TARGET] = where(part.start), where(part.target)
            place[at.P_SYNAPSES], place[at.P_ROWS] = len(part.number), rows.n
            place[at.P_SOURCE] = where(stored.source)
            for slot, key in (
                (at.P_ARRIVED, "arrived"),
                (at.P_FIRED, "fired"),
                (at.P_TOTAL, "total"),
                (at.P_COUNT, "count"),
                (at.P_WHEN, "when"),
                (at.P_NEWEST, "newest"),
                (at.P_TOUCHED, "touched"),
                (at.P_NOTED, "noted"),
                (at.P_N_NOTED, "n_noted"),
            ):
                place[slot] = where(own[key]) if key in own else 0
            names = [f"value {n}" for n in (*model.synaptic, *model.pre, *model.post)]
            for i, key in enumerate((*names, *(f"noted {n}" for n in captured))):
                place[at.P_OPEN + i] = where(own[key])
            self.arrays.append(own)
        constants = dict(rule.constants)
        self.constants = np.array(
            [constants[c] if isinstance(c, str) else c for c in stored.kernels.constants], number
        ).reshape(-1)
        self.decays = np.array(
            [rule.decays[name].table for name in stored.kernels.decays], number
        ).reshape(len(stored.kernels.decays), HORIZON + LONG)
        self.table = np.zeros(at.R_TABLE, np.int64)
        t = self.table
        t[at.R_SHORTEST], t[at.R_LONGEST] = stored.shortest, stored.longest
        # a row for each part: the first stands for part `first`
        t[at.R_PLACES] = where(self.places) - first * self.places.strides[0]
        t[at.R_CONSTANTS] = where(self.constants)
        t[at.R_DECAYS], t[at.R_N_ROWS] = where(self.decays), rows.n
        t[at.R_EVERY], t[at.R_HISTORY] = rule.every, keeps
        self.address = where(t)

    def operation(self, name: str) -> tuple[int, int] | None:
        """Return one of the rule's operations, where it has it."""
        kernel = getattr(self.module, name, None)
        return None if kernel is None else (int(kernel.address), self.address)

    def settle(self) -> None:
        """Bring all synapses up to date."""
        kernel = getattr(self.module, "everywhere", None)
        if kernel is None or not self.has_history:
            return
        import ctypes

        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *(ctypes.c_int64,) * 5)(kernel.address)
        for b in range(self.batch):
            for part in range(len(self.edges)):
                call(self.address, b, self.first + part, 0, 0, 0)

    def state(self, underway: Spikes) -> SynapseState:
        """Return what the synapses hold; all must be up to date."""
        rule, model, n = self.rule, self.rule.model, self.stored.n
        first = self.arrays[0]

        def joined(key: str) -> NDArray[Any]:
            return np.concatenate([own[key] for own in self.arrays], axis=1)

        number = np.concatenate([part.number for part in self.stored.parts])
        values = {}
        for name in model.synaptic:
            values[name] = np.zeros((self.batch, n))
            values[name][:, number] = joined(f"value {name}")
        touched = np.zeros((self.batch, n if rule.moving else 0), np.int64)
        if rule.moving:
            touched[:, number] = joined("touched")
        return SynapseState(
            values,
            touched,
            {v: first[f"value {v}"].astype(np.float64) for v in model.pre},
            first["arrived"].copy(),
            {v: joined(f"value {v}").astype(np.float64) for v in model.post},
            joined("fired"),
            underway,
        )
