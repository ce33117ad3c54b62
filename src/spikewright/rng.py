"""Named random streams, and counter-based draws that depend on nothing but their address.

`stream(seed, "population/hidden/v")` is a NumPy generator for work done once (weights, splits, chip variation).
Streams are keyed by name: adding one changes no other. Inside engines a draw is a pure function of
(seed, stream, neuron, step): `uniform(key, neuron, step)`, by Philox 4x32-10.

Source
------
Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox, 10 rounds).
"""

from __future__ import annotations

import hashlib

import numpy as np

PHILOX_M0, PHILOX_M1 = 0xD2511F53, 0xCD9E8D57
PHILOX_W0, PHILOX_W1 = 0x9E3779B9, 0xBB67AE85
PHILOX_ROUNDS = 10


def key(seed: int, name: str) -> int:
    """Return the 64-bit key of a named stream."""
    digest = hashlib.sha256(f"{int(seed)}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of a named stream: same seed and name, same numbers, whatever else is drawn.

    Examples
    --------
    >>> bool(stream(1, "a").random() == stream(1, "a").random())
    True
    >>> bool(stream(1, "a").random() == stream(1, "b").random())
    False
    """
    digest = hashlib.sha256(f"{int(seed)}/{name}".encode()).digest()
    words = np.frombuffer(digest, dtype=np.uint32)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(w) for w in words])))


def philox(
    stream_key: int, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return four uint32 words (held in uint64 arrays) per pair of 64-bit counters, elementwise."""
    mask = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    low, high = np.broadcast_arrays(np.asarray(low, np.uint64), np.asarray(high, np.uint64))
    c0, c1 = low & mask, low >> shift
    c2, c3 = high & mask, high >> shift
    k0, k1 = stream_key & 0xFFFFFFFF, stream_key >> 32
    for _ in range(PHILOX_ROUNDS):
        p0, p1 = np.uint64(PHILOX_M0) * c0, np.uint64(PHILOX_M1) * c2
        c0, c1, c2, c3 = (
            (p1 >> shift) ^ c1 ^ np.uint64(k0),
            p1 & mask,
            (p0 >> shift) ^ c3 ^ np.uint64(k1),
            p0 & mask,
        )
        k0, k1 = (k0 + PHILOX_W0) & 0xFFFFFFFF, (k1 + PHILOX_W1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniform(stream_key: int, neuron: np.ndarray, step: np.ndarray | int) -> np.ndarray:
    """Return float64 draws in [0, 1), one per (neuron, step), with 53 random bits."""
    w0, w1, _, _ = philox(stream_key, neuron, np.asarray(step))
    return ((w0 >> np.uint64(5)) * 67108864.0 + (w1 >> np.uint64(6))) * 2.0**-53


def second_uniform(stream_key: int, neuron: np.ndarray, step: np.ndarray | int) -> np.ndarray:
    """Return a second, independent float64 draw in [0, 1) of the same (neuron, step)."""
    _, _, w2, w3 = philox(stream_key, neuron, np.asarray(step))
    return ((w2 >> np.uint64(5)) * 67108864.0 + (w3 >> np.uint64(6))) * 2.0**-53
