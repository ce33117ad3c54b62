"""Images `M C H W` in the two layouts that PyTorch has: rows of pixels, or channels innermost."""

from __future__ import annotations

import torch
from torch import Tensor


def is_last(images: Tensor) -> bool:
    """Return whether channels lie innermost."""
    return not images.is_contiguous() and images.is_contiguous(memory_format=torch.channels_last)


def format_of(last: bool) -> torch.memory_format:
    """Return PyTorch's name of a layout."""
    return torch.channels_last if last else torch.contiguous_format


def laid(images: Tensor, last: bool) -> Tensor:
    """Return images in a layout, copied where they lie otherwise."""
    return images.contiguous(memory_format=format_of(last))


def empty(like: Tensor, shape: tuple[int, ...], last: bool, kind: torch.dtype) -> Tensor:
    """Return new images of a shape on the device of others."""
    return torch.empty(shape, dtype=kind, device=like.device, memory_format=format_of(last))


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """Return one number, or one down and one across, as two."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
