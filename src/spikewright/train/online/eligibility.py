"""Eligibility of synapses, as compiled loops: what a window of steps adds to gradients, and leaves to the next window.

Notation, for a synapse from i to j in sample b: x_t what arrives in step t of the window, [first, last)

    gradient    G   += sum_a lam_a S_a + sum_c own_c s_c + sum_t mu_t x_t
    state       S_a  = sum_e phi_ae S_e + sum_c psi_ac s_c + sum_t nu_a,t x_t
    trace       s_c  = sum_e f_ce s_e + sum_t g_c,t x_t

mu, lam, own, nu, phi and psi belong to j (`... B post`), f and g are the same for all j; S (`B pre d post`) is one per
synapse, s (`B c pre`) one per source: where the step of j is linear with constant coefficients, every synapse of a
source has the same trace. See `docs/concepts/online_learning.md`.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from spikewright.train.fused.bits import gather

_compiled: Any = njit(cache=True, nogil=True, error_model="numpy")
_contracted: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


@_compiled
def sort(x, start, rows, value):  # type: ignore[no-untyped-def]
    """List what is not 0 in `x` (n, batch, pre) by sample and source.

    Source i of sample b has the entries `start[b * pre + i]` to `start[b * pre + i + 1]` of `rows`, which row of
    (n * batch) it is in, and of `value`. Return whether every value is 1.
    """
    n, n_batch, n_pre = x.shape
    start[:] = 0
    for t in range(n):
        for b in range(n_batch):
            row = x[t, b]
            for i in range(n_pre):
                start[b * n_pre + i + 2] += row[i] != 0
    for k in range(n_batch * n_pre):
        start[k + 2] += start[k + 1]
    is_plain = True
    for t in range(n):
        for b in range(n_batch):
            row = x[t, b]
            for i in range(n_pre):
                if row[i] != 0:
                    place = start[b * n_pre + i + 1]
                    start[b * n_pre + i + 1] += 1
                    rows[place] = t * n_batch + b
                    value[place] = row[i]
                    is_plain &= row[i] == 1
    return is_plain


@_contracted
def _add_scaled(total, factor, row):  # type: ignore[no-untyped-def]
    for j in range(total.size):
        total[j] += factor * row[j]


@_contracted
def _add_product(total, a, b):  # type: ignore[no-untyped-def]
    for j in range(total.size):
        total[j] += a[j] * b[j]


@_compiled
def _add_events(total, rows, value, is_plain, first, last, what):  # type: ignore[no-untyped-def]
    if is_plain:
        gather(total, what, rows, first, last, 0)
    else:
        for e in range(first, last):
            _add_scaled(total, value[e], what[rows[e]])


@_compiled
def accumulate(start, rows, value, is_plain, mu, lam, state, own, trace, total):  # type: ignore[no-untyped-def]
    """Add what a window adds to the gradient `total` (pre, post) of a matrix; mu (n * batch, post)."""
    n_batch, n_pre = trace.shape[0], trace.shape[2]
    for b in range(n_batch):
        for i in range(n_pre):
            row = total[i]
            for c in range(own.shape[0]):
                if trace[b, c, i] != 0:
                    _add_scaled(row, trace[b, c, i], own[c, b])
            for a in range(lam.shape[0]):
                _add_product(row, lam[a, b], state[b, i, a])
            k = b * n_pre + i
            _add_events(row, rows, value, is_plain, start[k], start[k + 1], mu)


@_compiled
def advance(start, rows, value, is_plain, nu, phi, used, psi, state, trace, room):  # type: ignore[no-untyped-def]
    """Take the state of a matrix's synapses to the end of a window.

    Parameters
    ----------
    nu : (d, n * batch, post)
    phi, used : (d, d, batch, post), and where it can be other than 0
    psi : (d, c, batch, post)
    state, trace : (batch, pre, d, post), changed; (batch, c, pre)
    room : (d, post), to work in
    """
    n_batch, n_pre, d = state.shape[:3]
    for b in range(n_batch):
        for i in range(n_pre):
            own = state[b, i]
            k = b * n_pre + i
            for a in range(d):
                row = room[a]
                row[:] = 0
                for e in range(d):
                    if used[a, e]:
                        _add_product(row, phi[a, e, b], own[e])
                for c in range(psi.shape[1]):
                    if trace[b, c, i] != 0:
                        _add_scaled(row, trace[b, c, i], psi[a, c, b])
                _add_events(row, rows, value, is_plain, start[k], start[k + 1], nu[a])
            own[:] = room


@_contracted
def advance_traces(start, rows, value, f, g, trace, room):  # type: ignore[no-untyped-def]
    """Take the traces of sources to the end of a window; f (c, c), g (c, n)."""
    n_batch, n_traces, n_pre = trace.shape
    for b in range(n_batch):
        for i in range(n_pre):
            for c in range(n_traces):
                total = trace[b, 0, i] * f[c, 0]
                for e in range(1, n_traces):
                    total += trace[b, e, i] * f[c, e]
                k = b * n_pre + i
                for e in range(start[k], start[k + 1]):
                    total += value[e] * g[c, rows[e] // n_batch]
                room[c] = total
            for c in range(n_traces):
                trace[b, c, i] = room[c]


@_contracted
def accumulate_lists(start, rows, value, first, target, mu, lam, state, own, trace, total):  # type: ignore[no-untyped-def]
    """As `accumulate`, for synapses listed by source: `first` (pre + 1,), `target`, `total` and `state` one each."""
    n_batch, n_pre = trace.shape[0], trace.shape[2]
    for b in range(n_batch):
        for i in range(n_pre):
            k = b * n_pre + i
            for s in range(first[i], first[i + 1]):
                j = target[s]
                found = total[s]
                for c in range(own.shape[0]):
                    found += trace[b, c, i] * own[c, b, j]
                for a in range(lam.shape[0]):
                    found += lam[a, b, j] * state[b, a, s]
                for e in range(start[k], start[k + 1]):
                    found += value[e] * mu[rows[e], j]
                total[s] = found


@_contracted
def advance_lists(start, rows, value, first, target, nu, phi, psi, state, trace, room):  # type: ignore[no-untyped-def]
    """As `advance`, for synapses listed by source; state (batch, d, synapses), room (d,)."""
    n_batch, d = state.shape[:2]
    n_pre = trace.shape[2]
    for b in range(n_batch):
        for i in range(n_pre):
            k = b * n_pre + i
            for s in range(first[i], first[i + 1]):
                j = target[s]
                for a in range(d):
                    found = phi[a, 0, b, j] * state[b, 0, s]
                    for e in range(1, d):
                        found += phi[a, e, b, j] * state[b, e, s]
                    for c in range(psi.shape[1]):
                        found += psi[a, c, b, j] * trace[b, c, i]
                    for e in range(start[k], start[k + 1]):
                        found += value[e] * nu[a, rows[e], j]
                    room[a] = found
                for a in range(d):
                    state[b, a, s] = room[a]
