"""Eight change events of .es at once: 40 bytes become four columns by vector instructions, on any processor.

LLVM is told what each lane is made of, and chooses the instructions; Numba itself has no way to say a shuffle.
"""

# mypy: disable-error-code="untyped-decorator,attr-defined"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_intrinsic: Any = intrinsic

LANES, RECORD = 8, 5
I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
LOADS = ((0, (0, 1, 2)), (15, (3, 4, 5)), (24, (6, 7)))
"""Where 16 bytes are loaded, and which records are taken from them; none of them reaches past the 40 bytes."""


@_intrinsic
def eight(
    context: Any, octets: Any, at: Any, now: Any, width: Any, height: Any, flip: Any, add: Any,
    t: Any, x: Any, y: Any, p: Any, n: Any,
) -> Any:  # fmt: skip
    """Decode the eight records at byte `at` into the columns at `n`; return the time of the last, or -1.

    -1: not all of them are events inside the sensor; what was written is then of no use. The caller knows that 40
    bytes and eight places are there. A row becomes ``(row ^ flip) + add``; `now` is the time before, width, height,
    flip and add are numbers of 16 bits (65536 for the size leaves every event inside).
    """
    signature = types.int64(
        octets, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64, t, x, y, p, types.uint64,
    )  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = [
            context.make_array(signature.args[k])(context, builder, arguments[k]).data
            for k in (0, 7, 8, 9, 10)
        ]
        source = builder.gep(places[0], [arguments[1]])
        columns = [builder.gep(place, [arguments[11]]) for place in places[1:]]
        pieces = []
        for offset, _ in LOADS:
            place = builder.gep(source, [I64(offset)])
            pieces.append(_load(builder, place, ir.VectorType(I8, 16)))
        heads = builder.and_(_lanes(builder, pieces, (0, 0)), _splat(I16, 0xFF))
        column, row = _lanes(builder, pieces, (1, 2)), _lanes(builder, pieces, (3, 4))

        wide = ir.VectorType(I32, LANES)
        bad = builder.icmp_unsigned(">=", heads, _splat(I16, 0xFE))
        for value, limit in ((column, arguments[3]), (row, arguments[4])):
            bound = _spread(builder, builder.trunc(limit, I32), LANES)
            outside = builder.icmp_unsigned(">=", builder.zext(value, wide), bound)
            bad = builder.or_(bad, outside)

        passed = builder.lshr(heads, _splat(I16, 1))
        for step in (1, 2, 4):
            # lane k gets what lane k - step holds, the first ones 0
            zeros = _splat(I16, 0)
            moved = ir.Constant(
                ir.VectorType(I32, LANES),
                [I32(k - step if k >= step else LANES) for k in range(LANES)],
            )
            passed = builder.add(passed, builder.shuffle_vector(passed, zeros, moved))
        long = ir.VectorType(I64, LANES)
        times = builder.add(builder.zext(passed, long), _spread(builder, arguments[2], LANES))
        turned = builder.add(
            builder.xor(row, _spread(builder, builder.trunc(arguments[5], I16), LANES)),
            _spread(builder, builder.trunc(arguments[6], I16), LANES),
        )
        polarity = builder.trunc(builder.and_(heads, _splat(I16, 1)), ir.VectorType(I8, LANES))
        for value, place in zip((times, column, turned, polarity), columns, strict=True):
            stored = builder.store(value, builder.bitcast(place, value.type.as_pointer()))
            stored.align = 1
        last = builder.extract_element(times, I32(LANES - 1))
        any_bad = builder.icmp_unsigned("!=", builder.bitcast(bad, I8), I8(0))
        return builder.select(any_bad, I64(-1), last)

    return signature, generate


def _load(builder: Any, place: Any, kind: Any) -> Any:
    value = builder.load(builder.bitcast(place, kind.as_pointer()))
    value.align = 1
    return value


def _splat(kind: Any, number: int) -> Any:
    return ir.Constant(ir.VectorType(kind, LANES), [kind(number)] * LANES)


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    """Return a vector that holds a number in every lane."""
    kind = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, I32(0))
    zeros = ir.Constant(ir.VectorType(I32, lanes), [I32(0)] * lanes)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)


def _lanes(builder: Any, pieces: list[Any], which: tuple[int, int]) -> Any:
    """Return eight numbers of 16 bits from the two bytes `which` of every record."""
    masks: list[list[int]] = []
    for offset, records in LOADS:
        mask = [-1] * 2 * LANES
        for record in records:
            for k, byte in enumerate(which):
                mask[2 * record + k] = RECORD * record + byte - offset
        masks.append(mask)
    # bytes of the first and second piece side by side, then those of the third between them
    both = [
        a if a >= 0 else b + 16 if b >= 0 else 0 for a, b in zip(masks[0], masks[1], strict=True)
    ]
    joined = builder.shuffle_vector(pieces[0], pieces[1], _mask(both))
    last = [c + 16 if c >= 0 else k for k, c in enumerate(masks[2])]
    joined = builder.shuffle_vector(joined, pieces[2], _mask(last))
    return builder.bitcast(joined, ir.VectorType(I16, LANES))


def _mask(lanes: list[int]) -> Any:
    return ir.Constant(ir.VectorType(I32, len(lanes)), [I32(lane) for lane in lanes])
