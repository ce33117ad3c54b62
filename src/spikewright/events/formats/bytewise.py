"""Records of a few bytes that stand anywhere, cut anywhere: how the decoders of ES, ATIS and AEDAT 1 and 2 see them.

A format gives a compiled function

    run(octets, end, whole, state, t, x, y, p, rows) -> bytes used

that decodes the records that begin before byte `end`, from where eight bytes can be loaded as one little-endian number,
and that end at byte `whole` or before; else it is as `decode` of `words`. Bytes of a record that the end of a window
cuts are held in the state until the next window brings the others.
"""

# mypy: disable-error-code="untyped-decorator,attr-defined"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from spikewright.events.formats.words import BASE, EVENTS, OWN, ROWS, Cursor, WordReader, as_words
from spikewright.events.irregular import Kind

HELD, HELD_BYTES = OWN, OWN + 1
"""Slots of the state: how many bytes are held, and which."""

FREE = OWN + 2
"""First slot that is a format's own."""

_intrinsic: Any = intrinsic


@_intrinsic
def load(context: Any, octets: Any, at: Any) -> Any:
    """Return eight bytes as a uint64, wherever they stand; the caller knows that they are there."""
    signature = types.uint64(octets, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        number = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        number.align = 1
        return number

    return signature, generate


def decoder(run: Callable[..., int], longest: int) -> Callable[..., int]:
    """Return a `decode` for `words.Coding`, whose records are of at most `longest` bytes, 8 at most."""

    def decode(
        words: NDArray[np.uint8],
        state: NDArray[np.int64],
        t: NDArray[np.int64],
        x: NDArray[np.uint16],
        y: NDArray[np.uint16],
        p: NDArray[np.uint8],
        rows: NDArray[np.int64],
    ) -> int:
        size, first = len(words), int(state[BASE])
        used = n = m = 0
        # what is held comes from a state, which may come from a file beside the recording
        held = max(0, min(int(state[HELD]), longest - 1))
        if held:
            before = int(state[HELD_BYTES]).to_bytes(8, "little", signed=True)[:held]
            octets = before + words[: longest - held].tobytes()
            state[BASE] = first - held
            taken = run(*_padded(octets), state, t, x, y, p, rows)
            n, m = int(state[EVENTS]), int(state[ROWS])
            if taken:
                used = taken - held
                state[HELD] = 0
            elif len(octets) < longest:
                _hold(state, octets)
                used = size
        if not (held and n + m == 0) and used + 8 <= size and t.size > n and rows.shape[0] > m:
            state[BASE] = first + used
            part = words[used:]
            used += run(part, len(part) - 7, len(part), state, t[n:], x[n:], y[n:], p[n:], rows[m:])
            n, m = n + int(state[EVENTS]), m + int(state[ROWS])
        if not state[HELD] and size - 8 < used < size and t.size > n and rows.shape[0] > m:
            state[BASE] = first + used
            octets = words[used:].tobytes()
            taken = run(*_padded(octets), state, t[n:], x[n:], y[n:], p[n:], rows[m:])
            n, m = n + int(state[EVENTS]), m + int(state[ROWS])
            used += taken
            if t.size > n and rows.shape[0] > m:
                _hold(state, octets[taken:])
                used = size
        state[BASE], state[EVENTS], state[ROWS] = first, n, m
        return used

    return decode


def _padded(octets: bytes) -> tuple[NDArray[np.uint8], int, int]:
    """Return bytes with others behind them that can be loaded too, and twice where they end."""
    padded = as_words(np.frombuffer(octets + bytes(8), np.uint8), np.uint8)
    return padded, len(octets), len(octets)


def _hold(state: NDArray[np.int64], octets: bytes) -> None:
    state[HELD] = len(octets)
    state[HELD_BYTES] = int.from_bytes(octets.ljust(8, b"\0"), "little", signed=True)


class ByteReader(WordReader):
    """Reads records of a few bytes; the words of its coding are bytes."""

    def _end(self, cursor: Cursor) -> None:
        self._tell(cursor.state)
        held = int(cursor.state[HELD])
        if held:
            place = cursor.offset - held
            self.irregularities.add(Kind.TRUNCATED, place, note=f"{held} bytes left over")
