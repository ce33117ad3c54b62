"""How recordings of event cameras become the samples of a data set: steps, what is left out, the cache, the parts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.data import cache
from spikewright.data.base import Dataset, Samples
from spikewright.data.packed import PackedSpikes, pack, words
from spikewright.data.split import stratified
from spikewright.errors import DataError, Problems
from spikewright.events.camera import CameraEvents

SHARES = (0.7, 0.15, 0.15)
"""Of training, validation and test, where nothing divides the recordings."""
HELD_BACK = 0.15
"""Share of the training part that is validation, where only training and test are divided."""


@dataclass(frozen=True)
class Steps:
    """How a recording becomes steps.

    Parameters
    ----------
    steps : T
    dt : float, s
    size : width, height of the sensor; None where it is not known yet
    shrink : pixels along each side that become one
    """

    steps: int
    dt: float
    size: tuple[int, int] | None
    shrink: int

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("steps", "shrink"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                problems.add(
                    f"recordings: {name}", "is out of range", found=value, expected="1 or more"
                )
        if not (1e-6 <= self.dt < 1e6):
            problems.add("recordings: dt", "is out of range", found=self.dt, expected="s, >= 1 us")
        if self.size is not None and not (
            len(self.size) == 2 and all(0 < side <= 65536 for side in self.size)
        ):
            problems.add(
                "recordings: size", "is no sensor", found=self.size, expected="width, height"
            )
        problems.raise_as(DataError)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of what enters a network: polarity, rows, columns."""
        width, height = self.size or (0, 0)
        return 2, -(-height // self.shrink), -(-width // self.shrink)

    def packed(self, events: CameraEvents, lost: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the spikes of a recording, packed; events left out are added to `lost`: late, outside, all."""
        from spikewright.events.bins import Overflow
        from spikewright.events.views.frames import spike_tensor

        width, height = self.size or (0, 0)
        first = int(events.t.min()) if events.n else 0
        inside = (events.x < width) & (events.y < height)
        late = events.t - first >= math.ceil(round(self.steps * self.dt * 1e6, 3))
        lost += (int((late & inside).sum()), int((~inside).sum()), events.n)
        kept = events if inside.all() else events[inside]
        _, rows, columns = self.shape
        small = CameraEvents(
            kept.t, kept.x // self.shrink, kept.y // self.shrink, (kept.p != 0).astype(np.uint8),
            columns, rows,
        )  # fmt: skip
        return pack(
            spike_tensor(small, self.dt, steps=self.steps, start=first, overflow=Overflow.DROP)
        )


def spikes_of(
    address: str | None, n: int, how: Steps, recordings: Iterable[CameraEvents]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return packed spikes B T K and what was left out, from the cache or from the recordings."""
    stored = fetched(address, n, how)
    if stored is not None:
        return stored[:2]
    inputs = np.zeros((n, how.steps, words(how.shape)), np.float32)
    lost = np.zeros(3, np.int64)
    for k, events in enumerate(recordings):
        inputs[k] = how.packed(events, lost)
    if address is not None:
        keep(address, inputs, lost, np.zeros(n, np.int64))
    return inputs, lost


def _place(address: str) -> str:
    return f"recordings-{hashlib.sha256(address.encode()).hexdigest()[:32]}"


def fetched(
    address: str | None, n: int, how: Steps
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]] | None:
    """Return what `keep` stored, or None: packed spikes, what was left out, labels."""
    if address is None:
        return None
    shape = (n, how.steps, words(how.shape))
    like = {"inputs": (shape, "float32"), "lost": ((3,), "int64"), "labels": ((n,), "int64")}
    stored = cache.fetch(_place(address), like)
    return None if stored is None else (stored["inputs"], stored["lost"], stored["labels"])


def keep(
    address: str, inputs: NDArray[Any], lost: NDArray[np.int64], labels: NDArray[np.int64]
) -> None:
    """Store what was made of recordings under all that it depends on."""
    cache.keep(_place(address), {"inputs": inputs, "lost": lost, "labels": labels})


def divided(labels: NDArray[np.int64], counts: dict[str, int]) -> dict[str, NDArray[np.int64]]:
    """Return the numbers of the samples of each part; what is not divided already is divided by class."""
    bounds = np.cumsum([0, *counts.values()])
    parts = {
        part: np.arange(low, high)
        for part, low, high in zip(counts, bounds[:-1], bounds[1:], strict=True)
    }
    if "test" not in parts and "validation" not in parts:
        whole = parts.popitem()[1]
        three = stratified(labels[whole], SHARES, name="recordings")
        return dict(zip(("train", "validation", "test"), three, strict=True))
    for missing in {"validation", "test"} - set(parts):
        whole = parts["train"]
        kept, aside = stratified(labels[whole], (1 - HELD_BACK, HELD_BACK), name="recordings")
        parts["train"], parts[missing] = whole[kept], whole[aside]
    return parts


def notes_of(lost: NDArray[np.int64], how: Steps) -> list[str]:
    """Return what a reader of results must know of the steps, and of what is not in them."""
    late, outside, total = (int(n) for n in lost)
    notes = [f"{how.steps} steps of {how.dt * 1e3:g} ms from each recording's first event"]
    if late:
        notes.append(f"{late} of {total} events came after the last step and are left out")
    if outside:
        notes.append(f"{outside} of {total} events lay outside the sensor and are left out")
    return notes


def dataset_of(
    name: str,
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    parts: dict[str, NDArray[np.int64]],
    classes: tuple[str, ...],
    how: Steps,
    notes: list[str],
    source: str,
    license: str,
    checksum: str,
) -> Dataset:
    """Make a data set of the packed spikes of all its parts."""
    encoding = PackedSpikes(how.shape)
    made = {
        part: Samples(
            inputs[chosen], labels[chosen], encoding, how.steps, how.dt, part, numbers=chosen
        )
        for part, chosen in parts.items()
    }
    return Dataset(
        name=name,
        train=made["train"],
        validation=made["validation"],
        test=made["test"],
        classes=classes,
        shape=how.shape,
        steps=how.steps,
        dt=how.dt,
        source=source,
        license=license,
        checksum=checksum,
        notes=tuple(notes),
    )
