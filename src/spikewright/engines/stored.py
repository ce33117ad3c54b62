"""Projections as the compiled engine stores them: by parts of their targets, each in the form that was planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.deliver import Form
from spikewright.network.rows import Rows


@dataclass(frozen=True)
class Stored:
    """One projection, stored for an engine with `len(parts)` parts of the target population.

    Parameters
    ----------
    form : how
    parts : for each part its arrays: "start", "target", "weight", "lag", "bits", as far as its form has them
    lag : steps from emission to arrival where all synapses share one, else 0
    shortest, longest : of all lags
    weight : where all synapses share one, else 0
    values : of weight codes, (256,)
    n : synapses
    exponent : by which sums of an integer network are shifted, left where it is positive
    """

    form: Form
    parts: tuple[dict[str, NDArray[Any]], ...]
    lag: int
    shortest: int
    longest: int
    weight: float
    values: NDArray[Any]
    n: int
    exponent: int = 0

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        return sum(a.nbytes for part in self.parts for a in part.values())

    def weights(self, part: dict[str, NDArray[Any]], here: slice) -> NDArray[np.float64]:
        """Return the weights of some synapses of a part; of rows."""
        if self.form.weight == "one":
            return np.full(len(part["target"][here]), self.weight)
        own = part["weight"][here]
        return np.asarray(self.values[own] if self.form.weight == "code" else own, np.float64)


def store(rows: list[Rows], form: Form, lag: int, n_pre: int, exponent: int = 0) -> Stored:
    """Return rows in a form; `lag` is what propagation adds to their delays, `exponent` the projection's."""
    number = np.dtype(form.number)
    delays = [np.asarray(r.delay) for r in rows]
    filled = [d for d, r in zip(delays, rows, strict=True) if r.n]
    shortest = lag + min((int(d.min()) for d in filled), default=0)
    longest = lag + max((int(d.max()) for d in filled), default=0)
    values = np.zeros(256, number)
    codes = _codes(rows, values) if form.weight == "code" else []
    weight = 0.0
    if form.weight == "one":
        weight = next((float(r.weight.flat[0]) for r in rows if r.n), 0.0)
    parts = []
    for i, (r, delay) in enumerate(zip(rows, delays, strict=True)):
        arrays: dict[str, NDArray[Any]] = {}
        if form.kind == "bitmap":
            arrays["bits"] = _bits(r, n_pre)
        elif form.kind == "matrix":
            kind = form.weight if form.number == "int64" else number
            plain = _whole(_plain(r), form).reshape(n_pre, r.hi - r.lo)
            arrays["weight"] = np.ascontiguousarray(plain, kind)
        else:
            arrays["start"] = r.start
            arrays["target"] = np.ascontiguousarray(r.target, form.target)
            if form.weight == "code":
                arrays["weight"] = codes[i]
            elif form.weight != "one":
                arrays["weight"] = np.ascontiguousarray(_whole(_plain(r), form), form.weight)
            if form.lag != "one":
                late = delay + np.asarray(lag, delay.dtype) if delay.ndim else delay + lag
                arrays["lag"] = np.ascontiguousarray(
                    np.broadcast_to(late, r.target.shape), form.lag
                )
        parts.append(arrays)
    shared = shortest if form.lag == "one" else 0
    return Stored(
        form,
        tuple(parts),
        shared,
        shortest,
        longest,
        weight,
        values,
        sum(r.n for r in rows),
        exponent + form.shift,
    )


def _whole(weight: NDArray[Any], form: Form) -> NDArray[Any]:
    """Return the weights of an integer network without the bits that its form takes out; others as they are."""
    return np.asarray(weight, np.int64) >> form.shift if form.shift else weight


def _codes(rows: list[Rows], values: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Return the weight code of every synapse, part by part, and fill in what codes stand for."""
    if all(r.values is not None for r in rows):
        known = rows[0].values
        values[: len(known)] = known  # type: ignore[arg-type]
        return [np.ascontiguousarray(r.weight, np.uint8) for r in rows]
    distinct = np.unique(np.concatenate([np.unique(_plain(r)) for r in rows]))
    values[: len(distinct)] = distinct
    return [np.searchsorted(distinct, _plain(r)).astype(np.uint8) for r in rows]


def _plain(r: Rows) -> NDArray[Any]:
    """Return the weight of every synapse."""
    if r.values is not None:
        coded: NDArray[Any] = r.values[r.weight]
        return coded
    return np.broadcast_to(np.asarray(r.weight), r.target.shape)


def _bits(r: Rows, n_pre: int) -> NDArray[np.uint64]:
    words = max(1, -(-(r.hi - r.lo) // 64))
    bits = np.zeros((n_pre, words * 64), np.uint8)
    source = np.repeat(np.arange(n_pre), np.diff(r.start))
    bits[source, r.target] = 1
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)


def has_repeats(rows: list[Rows]) -> bool:
    """Whether a source reaches a target twice."""
    for r in rows:
        pairs = np.repeat(np.arange(len(r.start) - 1), np.diff(r.start)) * (r.hi - r.lo) + r.target
        if len(np.unique(pairs)) != len(pairs):
            return True
    return False
