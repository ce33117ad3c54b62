"""What a rank recorded, and how the pieces of all ranks become one Recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.cpu_run import CpuRun
from spikewright.engines.engine import broken_off, not_finite, shaped
from spikewright.engines.layout import scattered
from spikewright.engines.record import Record
from spikewright.engines.recording import Recording, Spikes, State, SynapseState
from spikewright.errors import EngineError

Table = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class SynapsePiece:
    """The synapses with a rule onto a rank's neurons: their numbers, and what stands beside each of them."""

    number: NDArray[np.int64]
    values: Table
    touched: NDArray[np.int64]
    post: Table
    fired: NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """What a rank recorded of its own neurons; arrays end with the axis of these.

    Parameters
    ----------
    step : where the run ended
    steps : that were run and count
    first : population -> the first of its neurons here
    spikes, traces, sent, activity, values, waiting, pending : as in a Recording and its State
    synapses : projection with a rule -> its synapses here
    broken : the state that is not finite (number of its population, step, sample, neuron), or None
    """

    step: int
    steps: int
    first: Mapping[str, int]
    spikes: Mapping[str, Spikes]
    traces: Mapping[str, Table]
    sent: Table
    activity: Table
    values: Mapping[str, Table]
    waiting: Table
    pending: Mapping[tuple[str, str], NDArray[Any]]
    synapses: Mapping[str, SynapsePiece]
    broken: tuple[int, int, int, int] | None


def piece_of(cpu: CpuRun, k: int, steps: int, broken: tuple[int, int, int, int] | None) -> Piece:
    """Return what a rank recorded before step k."""
    request, rows = cpu.request, cpu.populations
    steps = steps if broken is None else k - request.state.step
    synapses = {}
    for name, plastic in cpu.plastic.items():
        plastic.settle()
        number = np.concatenate([part.number for part in plastic.stored.parts])
        whole = plastic.state(Spikes(*(np.zeros(0, np.int64),) * 3))
        touched = whole.touched[:, number] if whole.touched.shape[1] else whole.touched
        synapses[name] = SynapsePiece(
            number,
            {v: x[:, number] for v, x in whole.values.items()},
            touched,
            dict(whole.post),
            whole.fired,
        )
    return Piece(
        k,
        steps,
        {n: p.low for n, p in rows.items()},
        {n: rows[n].record(steps) for n in request.spikes},
        {n: rows[n].ascending(steps) for n in request.record},
        {n: p.sent for n, p in rows.items()},
        {n: p.activity[:steps] for n, p in rows.items()},
        {n: {v: x.astype(p.p.dtype) for v, x in p.state.items()} for n, p in rows.items()},
        {n: p.waiting.astype(np.int64) for n, p in rows.items() if p.waits},
        cpu.pending(k),
        synapses,
        broken,
    )


def recording(cpu: CpuRun, pieces: Sequence[Piece], own: Piece, *, kept: bool = True) -> Recording:
    """Return what some ranks recorded; neurons of the others stand there as zeros.

    Parameters
    ----------
    cpu : the run of this rank
    pieces : of ranks that follow each other
    own : this rank's
    kept : whether spikes and traces belong to it

    Raises
    ------
    EngineError : a state is not finite
    """
    request, network = cpu.request, cpu.network
    steps, first_step = own.steps, request.state.step
    sizes = {n: p.n for n, p in network.populations.items()}
    is_whole = all(
        sum(piece.sent[n].shape[-1] for piece in pieces) == size for n, size in sizes.items()
    )

    def joined(name: str, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        made = np.concatenate(arrays, axis=-1)
        if made.shape[-1] == sizes[name]:
            return made
        whole = scattered((*made.shape[:-1], sizes[name]), made.dtype)
        low = pieces[0].first[name]
        whole[..., low : low + made.shape[-1]] = made
        return whole

    def each(part: str, name: str) -> NDArray[Any]:
        return joined(name, [getattr(piece, part)[name] for piece in pieces])

    synapses = {}
    for name, plastic in cpu.plastic.items():
        q = network.projections[name]
        underway = cpu.populations[q.pre].underway(own.step - plastic.stored.longest, own.step)
        found = plastic.state(underway)
        synapses[name] = _with_pieces(found, [p.synapses[name] for p in pieces], q.post, joined)
    state = State(
        own.step,
        {
            n: {v: joined(n, [p.values[n][v] for p in pieces]) for v in values}
            for n, values in own.values.items()
        },
        {n: each("waiting", n) for n in own.waiting},
        {place: joined(place[0], [p.pending[place] for p in pieces]) for place in own.pending},
        synapses,
    )
    traces, rows = {}, {}
    for name, record in request.record.items() if kept else ():
        p = cpu.populations[name]
        variables = {
            v: np.concatenate([piece.traces[name][v] for piece in pieces], axis=-1)
            for v in record.variables
        }
        if is_whole:
            traces[name] = {
                v: shaped(p.arranged(x), record, network, name, first_step, steps)
                for v, x in variables.items()
            }
        else:
            record = Record(record.variables, p.chosen, record.every)
            traces[name] = {v: x[: record.rows(first_step, steps)] for v, x in variables.items()}
        if not record.is_whole:
            rows[name] = record
    made = Recording(
        network,
        cpu.engine,
        steps,
        request.batch,
        request.seed,
        {
            n: _merged([piece.spikes[n] for piece in pieces], request.batch)
            if kept
            else _none(own.spikes[n])
            for n in request.spikes
        },
        traces,
        {n: each("sent", n) for n in sizes},
        {n: np.sum([piece.activity[n] for piece in pieces], axis=0) for n in sizes},
        state,
        rows,
    )
    if own.broken is None:
        return made
    number, k, sample, neuron = own.broken
    name = list(cpu.populations)[number]
    error = EngineError(not_finite(network, name, neuron, k, sample, request.batch))
    error.recording = broken_off(made)
    raise error


def _merged(pieces: Sequence[Spikes], batch: int) -> Spikes:
    """Return the spikes of ranks that follow each other, in order."""
    if len(pieces) == 1:
        return pieces[0]
    step, sample, address = (
        np.concatenate([getattr(piece, column) for piece in pieces])
        for column in ("step", "sample", "address")
    )
    order = np.argsort(step * batch + sample, kind="stable")
    value = None
    if pieces[0].value is not None:
        value = np.concatenate([np.asarray(piece.value) for piece in pieces])[order]
    return Spikes(step[order], sample[order], address[order], value)


def _none(spikes: Spikes) -> Spikes:
    empty = np.zeros(0, np.int64)
    return Spikes(empty, empty, empty, None if spikes.value is None else spikes.value[:0])


def _with_pieces(
    found: SynapseState, pieces: Sequence[SynapsePiece], post: str, joined: Any
) -> SynapseState:
    """Return what the synapses of one rank hold, with those of others put in."""
    for piece in pieces:
        for variable, values in piece.values.items():
            found.values[variable][:, piece.number] = values
        if found.touched.shape[1]:
            found.touched[:, piece.number] = piece.touched
    return replace(
        found,
        post={v: joined(post, [piece.post[v] for piece in pieces]) for v in found.post},
        fired=joined(post, [piece.fired for piece in pieces]),
    )
