"""A core step by step in the chip's own order: every event is added and clipped by itself.

Order of a step, for each hidden neuron and synapse: input events, then the hidden spikes of the last step, both by
ascending source, one event at a time; decay; voltage; then neurons fire in ascending order, aliases in the same step.
Outputs see the hidden spikes of the last step.

Saturation is counted where it happens: in `synapse` when an event meets a full current (the only place where the order
of events matters), in `voltage` when dv, dv + bias or v is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from spikewright.errors import SubstrateError, explain
from spikewright.substrates.xylo.core import Core, Integers
from spikewright.substrates.xylo.model import EVENTS_MAX, SPIKES_MAX, STATE_MAX


@dataclass(frozen=True)
class Trace:
    """States after each step, `T B n`, and how often a register was full.

    Parameters
    ----------
    i_syn : (T, B, n_hidden, 2); v_mem, spikes : (T, B, n_hidden)
    i_syn_out, v_mem_out, out_spikes : (T, B, n_out)
    synapse, voltage : additions that were clipped
    capped : spikes that a neuron had to keep because 31 are the most
    """

    i_syn: Integers
    v_mem: Integers
    spikes: Integers
    i_syn_out: Integers
    v_mem_out: Integers
    out_spikes: Integers
    synapse: int
    voltage: int
    capped: int


def simulate(core: Core, events: Any) -> Trace:
    """Run a core from rest.

    Parameters
    ----------
    events : number of events per step, sample and channel, `T B n_in` or `T n_in`, 0 to 15

    Raises
    ------
    SubstrateError : another number of channels, or counts that a step cannot hold
    """
    given = np.asarray(events)
    if given.ndim == 2:
        given = given[:, None]
    if given.ndim != 3 or given.shape[2] != core.n_in:
        raise SubstrateError(
            explain("xylo: events", "wrong shape", found=given.shape, expected=f"T B {core.n_in}")
        )
    count = given.astype(np.int64)
    if (
        not np.array_equal(count, given)
        or count.min(initial=0) < 0
        or count.max(initial=0) > EVENTS_MAX
    ):
        raise SubstrateError(
            explain(
                "xylo: events",
                "a channel takes whole numbers of events per step",
                found=f"{given.min():g} to {given.max():g}",
                expected=f"0 to {EVENTS_MAX}",
                cure="encode with fewer spikes, or a smaller dt",
            )
        )
    alias = np.full(core.n_hidden, -1, np.int64)
    for source, target in core.aliases:
        alias[source] = target
    steps, batch = count.shape[:2]
    i_syn = np.zeros((steps, batch, core.n_hidden, 2), np.int64)
    v_mem = np.zeros((steps, batch, core.n_hidden), np.int64)
    spikes = np.zeros_like(v_mem)
    i_out = np.zeros((steps, batch, core.n_out), np.int64)
    v_out = np.zeros_like(i_out)
    fired = np.zeros_like(i_out)
    full = np.zeros(3, np.int64)
    _run(
        count,
        np.ascontiguousarray(core.w_in << core.shift_in),
        np.ascontiguousarray(core.w_rec << core.shift_rec),
        np.ascontiguousarray(core.w_out << core.shift_out)[:, :, None],
        np.ascontiguousarray(core.dash_syn),
        np.stack([core.dash_mem, core.threshold, core.bias]),
        np.stack([core.dash_syn_out, core.dash_mem_out, core.threshold_out, core.bias_out]),
        alias,
        i_syn,
        v_mem,
        spikes,
        i_out,
        v_out,
        fired,
        full,
    )
    return Trace(i_syn, v_mem, spikes, i_out, v_out, fired, *(int(n) for n in full))


@njit(cache=True, nogil=True, error_model="numpy")
def _sat(x, full, which):  # type: ignore[no-untyped-def]
    if x > STATE_MAX:
        full[which] += 1
        return STATE_MAX
    if x < -STATE_MAX - 1:
        full[which] += 1
        return -STATE_MAX - 1
    return x


@njit(cache=True, nogil=True, error_model="numpy")
def _decay(x, dash):  # type: ignore[no-untyped-def]
    shifted = x >> dash
    return 1 if shifted == 0 and x > 0 else shifted


@njit(cache=True, nogil=True, error_model="numpy")
def _add(count, weight, current, full):  # type: ignore[no-untyped-def]
    """Add every event of every source to currents (n_post, synapses), one at a time."""
    for source in range(count.size):
        for _ in range(count[source]):
            for post in range(current.shape[0]):
                for q in range(current.shape[1]):
                    w = weight[source, post, q]
                    if w != 0:
                        current[post, q] = _sat(current[post, q] + w, full, 0)


@njit(cache=True, nogil=True, error_model="numpy")
def _advance(v, dash, drive, bias, full):  # type: ignore[no-untyped-def]
    leak = (-_decay(v, dash) + 32768) % 65536 - 32768
    change = _sat(_sat(leak + drive, full, 1) + bias, full, 1)
    return _sat(v + change, full, 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _run(  # type: ignore[no-untyped-def]
    events, w_in, w_rec, w_out, dash_syn, hidden, output, alias,
    i_syn, v_mem, spikes, i_out, v_out, fired, full,
):  # fmt: skip
    steps, batch, n = v_mem.shape
    n_out = v_out.shape[2]
    for b in range(batch):
        current = np.zeros((n, 2), np.int64)
        current_out = np.zeros((n_out, 1), np.int64)
        v, u = np.zeros(n, np.int64), np.zeros(n_out, np.int64)
        last = np.zeros(n, np.int64)
        for t in range(steps):
            _add(events[t, b], w_in, current, full)
            _add(last, w_rec, current, full)
            _add(last, w_out, current_out, full)
            now = np.zeros(n, np.int64)
            for h in range(n):
                drive = 0
                for q in range(2):
                    current[h, q] -= _decay(current[h, q], dash_syn[h, q])
                    drive += current[h, q]
                    i_syn[t, b, h, q] = current[h, q]
                v[h] = _advance(v[h], hidden[0, h], drive, hidden[2, h], full)
            for h in range(n):
                if v[h] >= hidden[1, h]:
                    wanted = v[h] // hidden[1, h]
                    own = min(wanted, SPIKES_MAX - now[h])
                    full[2] += wanted - own
                    v[h] -= own * hidden[1, h]
                    now[h] += own
                if now[h] > 0 and alias[h] >= 0:
                    target = alias[h]
                    full[2] += max(now[target] + now[h] - SPIKES_MAX, 0)
                    now[target] = min(SPIKES_MAX, now[target] + now[h])
                v_mem[t, b, h] = v[h]
            for h in range(n):
                spikes[t, b, h] = now[h]
            for o in range(n_out):
                current_out[o, 0] -= _decay(current_out[o, 0], output[0, o])
                i_out[t, b, o] = current_out[o, 0]
                u[o] = _advance(u[o], output[1, o], current_out[o, 0], output[3, o], full)
                if u[o] >= output[2, o]:
                    fired[t, b, o] = 1
                    u[o] -= output[2, o]
                v_out[t, b, o] = u[o]
            last = now
