"""Vectors of events: bit masks taken apart eight bits at a time, without a branch per event.

A mask of eight bits is looked up in a table of the places of its set bits; all eight places are stored at once and only
as many kept as there are bits. So up to MARGIN positions after the last event are overwritten, and columns need that
much room.
"""

# mypy: disable-error-code="untyped-decorator,attr-defined"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from spikewright.events.formats.words import compiled, inlined

_intrinsic: Any = intrinsic  # loops of eight stores stay eight stores; vectors are one or two

MARGIN = 8
"""Positions after the last event that may be overwritten."""

FEW = 32
"""Words that are decoded in the slow way where the fast one stops: mostly a vector that the end of a piece cuts."""

_bits = (np.arange(256)[:, None] >> np.arange(8)) & 1

COUNT = _bits.sum(axis=1)
"""Mask of eight bits -> how many are set."""

PLACES = np.argsort(1 - _bits, axis=1, kind="stable").astype(np.uint16).ravel()
"""Eight numbers for each mask of eight bits: the places of those that are set, then of the others."""


@_intrinsic
def fill(context: Any, array: Any, at: Any, value: Any) -> Any:
    """Store eight copies of a number from position `at` on; the caller knows that there is room."""
    signature = types.void(array, types.uint64, array.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _store(
            context,
            builder,
            signature.args[0],
            arguments[0],
            arguments[1],
            _copies(builder, arguments[2]),
        )
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def fill_places(context: Any, array: Any, at: Any, value: Any, table: Any, place: Any) -> Any:
    """Store `value` plus each of eight numbers of `table` from `place` on; else as `fill`."""
    signature = types.void(array, types.uint64, array.dtype, table, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, value, table, place = arguments
        first = context.make_array(signature.args[3])(context, builder, table).data
        places = builder.load(_eight(builder, builder.gep(first, [place])))
        places.align = 2
        _store(
            context,
            builder,
            signature.args[0],
            array,
            at,
            builder.add(_copies(builder, value), places),
        )
        return context.get_dummy_value()

    return signature, generate


def _eight(builder: Any, pointer: Any) -> Any:
    """Return a pointer to eight numbers, of one to the first."""
    return builder.bitcast(pointer, ir.VectorType(pointer.type.pointee, 8).as_pointer())


def _copies(builder: Any, value: Any) -> Any:
    """Return a vector of eight copies of a number."""
    empty = ir.Constant(ir.VectorType(value.type, 8), ir.Undefined)
    first = builder.insert_element(empty, value, ir.IntType(32)(0))
    return builder.shuffle_vector(
        first, empty, ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
    )


def _store(context: Any, builder: Any, kind: Any, array: Any, at: Any, vector: Any) -> None:
    first = context.make_array(kind)(context, builder, array).data
    store = builder.store(vector, _eight(builder, builder.gep(first, [at])))
    store.align = 1


@inlined
def put_mask(
    mask: int, now: int, column: int, row: int, sign: int, n: int, t: Any, x: Any, y: Any, p: Any
) -> Any:
    """Store the events of 8 bits, bit 0 at `column`, from position `n` on; return the next position."""
    at = np.uint64(n)
    fill(t, at, now)
    fill_places(x, at, np.uint16(column), PLACES, np.uint64(mask) << np.uint64(3))
    fill(y, at, np.uint16(row))
    fill(p, at, np.uint8(sign))
    return n + COUNT[np.uint64(mask)]


@inlined
def put_masks(
    mask: int, now: int, column: int, row: int, sign: int, n: int, t: Any, x: Any, y: Any, p: Any
) -> Any:
    """Store the events of 32 bits, as `put_mask` does."""
    n = put_mask(mask & 255, now, column, row, sign, n, t, x, y, p)
    n = put_mask((mask >> 8) & 255, now, column + 8, row, sign, n, t, x, y, p)
    n = put_mask((mask >> 16) & 255, now, column + 16, row, sign, n, t, x, y, p)
    return put_mask((mask >> 24) & 255, now, column + 24, row, sign, n, t, x, y, p)


@compiled
def is_odd(t: Any, x: Any, y: Any, last: int, width: int, height: int) -> Any:
    """Tell whether any event lies outside the sensor, or before the one before; `last` is the time before the first."""
    if not len(t):
        return False
    column, row = np.uint16(0), np.uint16(0)
    for k in range(len(x)):
        column = max(column, x[k])
    for k in range(len(y)):
        row = max(row, y[k])
    back = np.uint8(0)
    earlier, later = t[: len(t) - 1], t[1:]
    for k in range(len(earlier)):
        back |= np.uint8(later[k] < earlier[k])
    return t[0] < last or back > 0 or column >= width or row >= height
