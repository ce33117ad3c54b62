"""Spikes as bits and as lists: compiled loops that visit spikes only.

A row of K numbers that are 0 or 1 is kept as ceil(K / 64) words of 64 bits: 1/32 of its floats, of a size that does not
depend on what happens, and listed in a time that follows the number of spikes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

_intrinsic: Any = intrinsic
_compiled: Any = njit(cache=True, nogil=True, error_model="numpy")
_reassociated: Any = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"}
)
_contracted: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


@_intrinsic
def trailing_zeros(context: Any, word: Any) -> Any:
    """Return the place of the lowest bit that is set; `word` must not be 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@_compiled
def pack(x, n_batch, stride_t, stride_b, n_pre, first, last, words, counted):  # type: ignore[no-untyped-def]
    """Write rows [first, last) of a strided tensor as bits; count entries that are not 0, and that are not 0 or 1.

    Parameters
    ----------
    x : (storage,); row t * n_batch + b begins at t * stride_t + b * stride_b
    words : uint64 (rows, ceil(n_pre / 64))
    counted : int64 (2,), to add to
    """
    n_words = words.shape[1]
    ones = other = 0
    for m in range(first, last):
        base = (m // n_batch) * stride_t + (m % n_batch) * stride_b
        for w in range(n_words):
            low = w * 64
            row = x[base + low : base + min(n_pre, low + 64)]
            word = np.uint64(0)
            some = 0
            odd = 0
            for k in range(row.size):
                value = row[k]
                word |= np.uint64(value != 0) << np.uint64(k)
                some += value != 0
                odd += (value != 0) & (value != 1)
            words[m, w] = word
            ones += some
            other += odd
    counted[0] += ones
    counted[1] += other


@_compiled
def listed(words, found):  # type: ignore[no-untyped-def]
    """Write the places of the bits of a row into `found`; return how many there are."""
    n = 0
    for w in range(words.size):
        word = words[w]
        while word != 0:
            found[n] = w * 64 + trailing_zeros(word)
            word &= word - np.uint64(1)
            n += 1
    return n


@_compiled
def find(row, found):  # type: ignore[no-untyped-def]
    """Write the places of a row that are not 0 into `found`; return how many there are."""
    n = 0
    for k in range(row.size):
        found[n] = k
        n += row[k] != 0
    return n


@_compiled
def add_row(total, a):  # type: ignore[no-untyped-def]
    for j in range(total.size):
        total[j] += a[j]


@_compiled
def _add_four(total, a, b, c, d):  # type: ignore[no-untyped-def]
    for j in range(total.size):
        total[j] += (a[j] + b[j]) + (c[j] + d[j])


@_compiled
def _add_eight(total, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    for j in range(total.size):
        total[j] += ((a[j] + b[j]) + (c[j] + d[j])) + ((e[j] + f[j]) + (g[j] + h[j]))


@_compiled
def gather(total, rows, which, first, last, o):  # type: ignore[no-untyped-def]
    """Add the rows `which[first:last]` of a matrix, from column o on, to `total`."""
    z = o + total.size
    e = first
    while e + 8 <= last:
        _add_eight(
            total,
            rows[which[e], o:z],
            rows[which[e + 1], o:z],
            rows[which[e + 2], o:z],
            rows[which[e + 3], o:z],
            rows[which[e + 4], o:z],
            rows[which[e + 5], o:z],
            rows[which[e + 6], o:z],
            rows[which[e + 7], o:z],
        )
        e += 8
    while e + 4 <= last:
        _add_four(
            total,
            rows[which[e], o:z],
            rows[which[e + 1], o:z],
            rows[which[e + 2], o:z],
            rows[which[e + 3], o:z],
        )
        e += 4
    while e < last:
        add_row(total, rows[which[e], o:z])
        e += 1


@_contracted
def gather_graded(total, rows, which, n, sent):  # type: ignore[no-untyped-def]
    """Add the rows `which[:n]` of a matrix, each times what was sent there, to `total`."""
    for e in range(n):
        row, value = rows[which[e]], sent[which[e]]
        for j in range(total.size):
            total[j] += value * row[j]


@_contracted
def scatter(total, start, target, weight, which, n, sent):  # type: ignore[no-untyped-def]
    """Add the synapses of the sources `which[:n]`, each times what was sent there, to `total`."""
    for e in range(n):
        value = sent[which[e]]
        for s in range(start[which[e]], start[which[e] + 1]):
            total[target[s]] += weight[s] * value


@_contracted
def spread(inner, grad, t, low, high, weight):  # type: ignore[no-untyped-def]
    """Add to `inner` (tile, pre) the gradient `grad[t, low:high]` (tile, post) times `weight` (post, pre)."""
    n_post, n_pre = weight.shape
    i = 0
    while i + 4 <= n_post:
        w0, w1, w2, w3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        for b in range(low, high):
            g = grad[t, b]
            g0, g1, g2, g3 = g[i], g[i + 1], g[i + 2], g[i + 3]
            if g0 == 0 and g1 == 0 and g2 == 0 and g3 == 0:
                continue
            row = inner[b - low]
            for j in range(n_pre):
                row[j] += (g0 * w0[j] + g1 * w1[j]) + (g2 * w2[j] + g3 * w3[j])
        i += 4
    while i < n_post:
        w0 = weight[i]
        for b in range(low, high):
            g0 = grad[t, b, i]
            row = inner[b - low]
            for j in range(n_pre):
                row[j] += g0 * w0[j]
        i += 1


@_contracted
def spread_sparse(inner, grad, t, low, high, start, target, weight):  # type: ignore[no-untyped-def]
    """Add to `inner` (tile, pre) the gradient `grad[t, low:high]` (tile, post) through synapses listed by source."""
    for b in range(low, high):
        g = grad[t, b]
        row = inner[b - low]
        for i in range(start.size - 1):
            total = row[i]
            for s in range(start[i], start[i + 1]):
                total += weight[s] * g[target[s]]
            row[i] = total


BLOCK = 256
"""Rows of a gradient that are sorted by source together: 256 rows of 512 float32 stay in a second-level cache."""


@_compiled
def weight_gradient(words, n_rows, shift, grad, first, last, total):  # type: ignore[no-untyped-def]
    """Add to `total` (pre, post), for columns [first, last), the rows of `grad` at which each source sent a spike.

    Row m of `words` belongs to row m + shift of `grad` (rows, post). Rows are taken in blocks and sorted by source, so
    that a row of `total` is read and written once per block, not once per spike.
    """
    n_pre = total.shape[0]
    start = np.zeros(n_pre + 2, np.int64)
    found = np.empty(n_pre + 64, np.int64)
    order = np.empty(BLOCK, np.int64)
    for begin in range(0, n_rows, BLOCK):
        end = min(n_rows, begin + BLOCK)
        start[:] = 0
        n = 0
        for m in range(begin, end):
            count = listed(words[m], found)
            n += count
            for e in range(count):
                start[found[e] + 2] += 1
        if n > order.size:
            order = np.empty(2 * n, np.int64)
        for k in range(n_pre):
            start[k + 2] += start[k + 1]
        for m in range(begin, end):
            count = listed(words[m], found)
            for e in range(count):
                k = found[e] + 1
                order[start[k]] = m + shift
                start[k] += 1
        for k in range(n_pre):
            if start[k] < start[k + 1]:
                gather(total[k, first:last], grad, order, start[k], start[k + 1], first)


@_contracted
def sparse_gradient(sent, grad, lag, start, target, total):  # type: ignore[no-untyped-def]
    """Add to `total`, one per synapse, what was sent times the gradient where it arrives, `lag` steps later."""
    steps, batch, n_pre = sent.shape
    for t in range(steps - lag):
        for b in range(batch):
            row, g = sent[t, b], grad[t + lag, b]
            for i in range(n_pre):
                value = row[i]
                if value != 0:
                    for s in range(start[i], start[i + 1]):
                        total[s] += value * g[target[s]]


@_compiled
def gather_all(words, rows, out):  # type: ignore[no-untyped-def]
    """Add to every row of `out` (rows, post) the rows of a matrix (pre, post) whose bits are set in its words."""
    found = np.empty(64 * words.shape[1], np.int64)
    for m in range(out.shape[0]):
        count = listed(words[m], found)
        gather(out[m], rows, found, 0, count, 0)


@_reassociated
def masked_product(grad, rows, mask, out):  # type: ignore[no-untyped-def]
    """Write into `out` (rows, pre), where `mask` is not 0, `grad` (rows, post) times the transpose of `rows`."""
    found = np.empty(mask.shape[1] + 1, np.int64)
    for m in range(out.shape[0]):
        g = grad[m]
        for e in range(find(mask[m], found)):
            row = rows[found[e]]
            total = out[m, found[e]]
            for j in range(g.size):
                total += g[j] * row[j]
            out[m, found[e]] = total
