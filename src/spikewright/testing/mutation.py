"""Damaged files for readers to refuse: random bytes, a cut, a run of noise, flipped bits; all seeded."""

from __future__ import annotations

import numpy as np

from spikewright import rng


def mutated(data: bytes, seed: int) -> bytes:
    """Return damaged bytes; the same for the same seed."""
    draw = rng.stream(seed, "testing/mutation")
    bad = bytearray(data)
    if seed % 4 == 0:
        for _ in range(draw.integers(1, 8)):
            bad[draw.integers(len(bad))] = draw.integers(256)
    elif seed % 4 == 1:
        bad = bad[: draw.integers(len(bad))]
    elif seed % 4 == 2:
        start = draw.integers(len(bad))
        noise = draw.integers(0, 256, draw.integers(1, 64), dtype=np.uint8).tobytes()
        bad[start : start + len(noise)] = noise
    else:
        used = np.flatnonzero(np.frombuffer(data, np.uint8))
        for place in draw.choice(used, draw.integers(1, 30)):
            bad[place] ^= 1 << draw.integers(8)
    return bytes(bad)
