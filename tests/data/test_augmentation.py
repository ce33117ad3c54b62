"""Augmentations: nothing at amount zero, the known move for a known draw, no new brightness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.data import Affine, Slide
from spikewright.data import augmentation as module
from spikewright.data.encoding import Draw
from spikewright.errors import DataError

IMAGES = np.random.default_rng(5).random((4, 9, 9), dtype=np.float32)


def draw(seed: int = 0, epoch: int = 0, n: int = 4) -> Draw:
    return Draw(seed, "train", epoch, np.arange(n))


def fixed(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """Let every sample draw these numbers, -1 to 1."""
    monkeypatch.setattr(
        module, "_draws", lambda draw, name, n: np.tile(values, (len(draw.samples), 1))
    )


def test_mirror_exchanges_left_and_right_of_its_share() -> None:
    moved = Affine(mirror=0.5).apply(np.repeat(IMAGES[:1], 400, 0), draw(n=400))
    same = np.array([np.allclose(m, IMAGES[0], atol=1e-6) for m in moved])
    turned = np.array([np.allclose(m, IMAGES[0, :, ::-1], atol=1e-6) for m in moved])
    assert np.all(same != turned)
    assert 150 < same.sum() < 250


def test_amount_zero_changes_nothing() -> None:
    assert np.array_equal(Affine().apply(IMAGES, draw()), IMAGES)
    assert np.array_equal(Slide().apply(IMAGES, draw()), IMAGES)


@given(st.integers(0, 99), st.floats(0, 12), st.floats(0, 4), st.floats(0, 0.9), st.floats(0, 0.9))
def test_affine_invents_no_brightness(
    seed: int, shift: float, rotate: float, zoom: float, shear: float
) -> None:
    moved = Affine(shift, rotate, zoom, shear).apply(IMAGES, draw(seed))
    assert moved.shape == IMAGES.shape
    assert moved.dtype == np.float32
    assert moved.min() >= 0
    assert moved.max() <= IMAGES.max() + 1e-6


def test_a_whole_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed(monkeypatch, 1, -1, 0, 0, 0)
    moved = Affine(shift=2.0).apply(IMAGES, draw())
    expected = np.zeros_like(IMAGES)
    expected[:, :7, 2:] = IMAGES[:, 2:, :7]
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_a_shift_out_of_the_picture_is_black(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed(monkeypatch, 1, 1, 0, 0, 0)
    assert not Affine(shift=30.0).apply(IMAGES, draw()).any()


def test_a_quarter_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed(monkeypatch, 0, 0, 1, 0, 0)
    moved = Affine(rotate=np.pi / 2).apply(IMAGES, draw())
    quarters = [np.rot90(IMAGES, k, axes=(1, 2)) for k in (1, 3)]
    assert min(np.abs(moved - quarter).max() for quarter in quarters) < 1e-5


def test_zoom_and_shear_follow_a_straight_ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[-10.0:11, -10.0:11]
    ramp = (0.5 + 0.02 * x)[None].astype(np.float32)
    inner = (slice(None), slice(6, 15), slice(6, 15))
    fixed(monkeypatch, 0, 0, 0, 1, 0)
    zoomed = Affine(zoom=0.25).apply(ramp, draw(n=1))
    np.testing.assert_allclose(zoomed[inner], (0.5 + 0.02 * x / 1.25)[None][inner], atol=1e-6)
    fixed(monkeypatch, 0, 0, 0, 0, 1)
    leaning = Affine(shear=0.5).apply(ramp, draw(n=1))
    np.testing.assert_allclose(leaning[inner], (0.5 + 0.02 * (x + 0.5 * y))[None][inner], atol=1e-6)


def test_planes_move_together() -> None:
    colored = np.stack([IMAGES, IMAGES / 2], axis=1)
    moved = Affine(1.0, 0.3, 0.1, 0.1).apply(colored, draw())
    np.testing.assert_allclose(moved[:, 0], 2 * moved[:, 1], atol=1e-6)
    np.testing.assert_array_equal(moved[:, 0], Affine(1.0, 0.3, 0.1, 0.1).apply(IMAGES, draw()))


@pytest.mark.parametrize("change", [Affine(shift=1.0), Slide(steps=3, gain=0.2)])
def test_draws_follow_seed_and_epoch(change: Affine | Slide) -> None:
    base = change.apply(IMAGES, draw(1, 1))
    assert np.array_equal(base, change.apply(IMAGES, draw(1, 1)))
    assert not np.array_equal(base, change.apply(IMAGES, draw(2, 1)))
    assert not np.array_equal(base, change.apply(IMAGES, draw(1, 2)))


def test_a_slide(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed(monkeypatch, 1, -1, 1)
    moved = Slide(steps=2, channels=1, gain=0.5).apply(IMAGES, draw())
    expected = np.zeros_like(IMAGES)
    expected[:, 2:, :8] = 1.5 * IMAGES[:, :7, 1:]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_slides_of_every_length_come() -> None:
    marked = np.zeros((400, 9, 1), np.float32)
    marked[:, 4] = 1
    place = Slide(steps=2).apply(marked, draw(n=400)).argmax(axis=1)
    assert set(place.ravel()) == {2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("kind", "amounts", "words"),
    [
        (
            Affine,
            {"shift": -1.0},
            "Affine: shift: is not an amount; found -1.0, expected 0 or more",
        ),
        (Affine, {"zoom": 1.0}, "Affine: zoom: is not an amount; found 1.0, expected 0 to below 1"),
        (Affine, {"rotate": float("inf")}, "Affine: rotate: is not an amount"),
        (Slide, {"gain": float("nan")}, "Slide: gain: is not an amount"),
    ],
)
def test_amounts_that_are_none(kind: Any, amounts: dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=f"augmentation {words}"):
        kind(**amounts)


def test_samples_of_the_wrong_kind() -> None:
    with pytest.raises(DataError, match=r"Affine: needs images; found shape \(4, 9\)"):
        Affine(shift=1.0).apply(IMAGES[:, 0], draw())
    with pytest.raises(DataError, match=r"Slide: needs time series; found shape \(4, 9\)"):
        Slide(steps=1).apply(IMAGES[:, 0], draw())
