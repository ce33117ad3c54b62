from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.filters import Keep, Mask, crop, decimate, drop, mask, polarity

G = np.random.default_rng(0)
EVENTS = CameraEvents(
    np.arange(500), G.integers(0, 12, 500), G.integers(0, 9, 500), G.integers(0, 2, 500), 12, 9
)


def test_polarities_part_a_recording_and_swapping_exchanges_them() -> None:
    on, off = polarity(EVENTS, keep=Keep.ON), polarity(EVENTS, keep=Keep.OFF)
    assert len(on) + len(off) == len(EVENTS)
    assert on.p.all()
    assert not off.p.any()
    swapped = polarity(EVENTS, keep=Keep.SWAP)
    assert polarity(swapped, keep=Keep.OFF).t.tolist() == on.t.tolist()
    assert polarity(swapped, keep=Keep.SWAP).same_as(EVENTS)


def test_a_crop_keeps_exactly_the_rectangle() -> None:
    inside = (EVENTS.x >= 3) & (EVENTS.x < 8) & (EVENTS.y >= 2) & (EVENTS.y < 4)
    still = crop(EVENTS, x=3, y=2, width=5, height=2, shift=False)
    assert still.same_as(EVENTS[inside])
    moved = crop(EVENTS, x=3, y=2, width=5, height=2)
    assert (moved.width, moved.height) == (5, 2)
    assert moved.t.tolist() == still.t.tolist()
    assert (moved.x + 3).tolist() == still.x.tolist()
    moved.check()


def test_a_mask_of_an_array_of_a_list_and_of_a_file(tmp_path: Path) -> None:
    kept = G.random((9, 12)) < 0.7
    want = EVENTS[kept[EVENTS.y, EVENTS.x]]
    assert mask(EVENTS, kept).same_as(want)
    assert Mask.of(kept)(EVENTS).same_as(want)
    np.save(tmp_path / "kept.npy", kept)
    assert Mask(file=str(tmp_path / "kept.npy"))(EVENTS).same_as(want)


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(
        EventError, match=r"mask: not a bitmap of the sensor; found shape \(12, 9\)"
    ):
        mask(EVENTS, np.ones((12, 9), bool))
    np.save(tmp_path / "counts.npy", np.ones((9, 12)))
    with pytest.raises(EventError, match=r"expected bool of shape \(9, 12\)"):
        Mask(file=str(tmp_path / "counts.npy"))(EVENTS)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(EventError, match="cannot be read"):
        Mask(file=str(tmp_path / "broken.npy"))(EVENTS)


def test_decimate_counts_from_the_first() -> None:
    assert decimate(EVENTS, every=7).t.tolist() == list(range(0, 500, 7))
    assert decimate(EVENTS, every=1).same_as(EVENTS)


def test_drop_has_its_rate_its_seed_and_no_pattern() -> None:
    many = CameraEvents(np.arange(20_000), *np.zeros((3, 20_000), int), 1, 1)
    kept = drop(many, chance=0.25, seed=4)
    assert abs(len(kept) - 15_000) < 5 * (20_000 * 0.25 * 0.75) ** 0.5
    assert drop(many, chance=0.25, seed=4).same_as(kept)
    assert not drop(many, chance=0.25, seed=5).same_as(kept)
