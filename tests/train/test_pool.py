"""`MaxPool` against PyTorch's own: values, gradients, layouts, and what it keeps."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from spikewright.errors import TrainError  # noqa: E402
from spikewright.train import MaxPool  # noqa: E402
from spikewright.train.pool import sum_pool  # noqa: E402

WINDOWS = {
    "tiles": (2, None, 0),
    "tiles, oblong": ((3, 2), None, 0),
    "apart": (2, 3, 0),
    "padded": (3, 2, 1),
}


def images(shape, *, last: bool, spikes: bool, kind=torch.float32):
    """Return images `T B C H W`: spikes, of which many are equal, or numbers of both signs."""
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(shape, generator=draw, dtype=kind)
    x = (x < 0.2).to(kind) if spikes else x - 2.0
    if last:
        x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, shape[:2])
    return x.requires_grad_()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("spikes", [True, False], ids=["spikes", "numbers"])
@pytest.mark.parametrize(("size", "stride", "padding"), WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize(("height", "width"), [(11, 30), (30, 31), (4, 5)])
def test_values_and_gradients_are_those_of_pytorch(
    height, width, size, stride, padding, spikes, last, threads
):
    x = images((2, 3, 5, height, width), last=last, spikes=spikes)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = MaxPool(size, stride, padding)(x)
        g = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
        (grad,) = torch.autograd.grad(found, x, g)
    finally:
        torch.set_num_threads(before)
    expected = functional.max_pool2d(x.flatten(0, 1), size, stride, padding)
    (expected_grad,) = torch.autograd.grad(expected, x, g.flatten(0, 1))
    assert torch.equal(found.flatten(0, 1), expected)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-6, atol=1e-6)
    assert grad.flatten(0, 1).is_contiguous(memory_format=torch.channels_last) == last


def test_double_precision():
    x = images((2, 1, 3, 8, 8), last=False, spikes=False, kind=torch.float64)
    assert torch.equal(MaxPool(2)(x)[:, 0], functional.max_pool2d(x[:, 0], 2))


@pytest.mark.parametrize("last", [False, True])
def test_what_is_no_number_shows(last):
    x = images((1, 2, 3, 6, 6), last=last, spikes=False).detach()
    x[0, 1, 2, 3, 2], x[0, 0, 0, 0, 0] = float("nan"), -float("inf")
    for size, stride in ((2, 2), (2, 3)):
        expected = functional.max_pool2d(x[0], size, stride)
        assert torch.equal(
            torch.nan_to_num(MaxPool(size, stride)(x)[0]), torch.nan_to_num(expected)
        )


def test_one_byte_per_maximum_is_kept_for_the_backward_pass():
    kept = []

    def pack(x):
        kept.append(x.numel() * x.element_size())
        return x

    x = images((2, 2, 4, 8, 8), last=False, spikes=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        y = MaxPool(2)(x)
    assert sum(kept) == y.numel()


def test_it_is_an_operator():
    for last in (False, True):
        x = images((1, 3, 4, 8, 8), last=last, spikes=False)[0].detach().requires_grad_()
        torch.library.opcheck(
            torch.ops.spikewright.max_pool.default, (x, [3, 3, 2, 2, 1, 1]), raise_exception=True
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "at least 1"),
        ((2, 0), "at least 1"),
        ((16,), "at most 255 entries"),
        ((2, 2, 2), "more than half a window"),
        ((2, 2, -1), "more than half a window"),
    ],
)
def test_windows_that_cannot_be_are_refused(arguments, said):
    with pytest.raises(TrainError, match=said):
        MaxPool(*arguments)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 1, 1, 8)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(TrainError, match="no images that a window fits in"):
        MaxPool(2)(torch.zeros(shape))
    with pytest.raises(TrainError, match="int64"):
        MaxPool(2)(torch.zeros((1, 1, 8, 8), dtype=torch.int64))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize(("high", "wide"), [(2, 2), (3, 2)])
@pytest.mark.parametrize(("height", "width"), [(9, 40), (4, 5), (3, 2)])
def test_sums_and_their_gradients_are_those_of_pytorch(height, width, high, wide, last, threads):
    x = images((2, 3, 5, height, width), last=last, spikes=False)[0].detach().requires_grad_()
    expected = functional.avg_pool2d(x, (high, wide), divisor_override=1)
    g = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = sum_pool(x, high, wide)
        (grad,) = torch.autograd.grad(found, x, g)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, expected)
    assert torch.equal(grad, torch.autograd.grad(expected, x, g)[0])


def test_the_sum_is_an_operator():
    x = images((1, 3, 4, 8, 8), last=False, spikes=False)[0].detach().requires_grad_()
    torch.library.opcheck(torch.ops.spikewright.sum_pool.default, (x, 2, 2))
