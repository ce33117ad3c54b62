"""One training run by several processes, as `torchrun` starts them: each takes a share of every batch.

    torchrun --nproc-per-node 4 train.py

Every process does the same from the same seed. Of each batch it runs its share, and gradients are added up. So all hold
the same weights, which are those of one process but for the order of sums. What has to be agreed on travels over gloo,
gradients on GPUs over NCCL.

A process that fails leaves its message in the group's store and closes its connections: what the others are waiting for
then fails at once, and they raise the message.
"""

from __future__ import annotations

import atexit
import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikewright.errors import SpikewrightError, TrainError, explain
from spikewright.train.run import Run

Value = TypeVar("Value")

TIMEOUT = 600.0
"""Seconds that a process waits for another. One that fails is noticed at once; this is for one that hangs."""

_opened = itertools.count()
"""Training runs of this process: messages of one must not be read by the next."""


class Ranks(ABC):
    """The processes of a training run. Abstract; `Alone` is one process, `Group` several."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def share(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
        """Return this process's share of the samples of a batch, and the place of its first one in the batch."""
        low, high = _bounds(len(chosen), self.rank, self.size)
        return chosen[low:high], low

    @abstractmethod
    def use(self, device: torch.device) -> None:
        """Get ready to add up gradients on a device."""

    @abstractmethod
    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of all processes' numbers."""

    @abstractmethod
    def any(self, flag: bool) -> bool:
        """Return whether it is so in any process."""

    @abstractmethod
    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace gradients by their sums over all processes."""

    @abstractmethod
    def whole(self, n: int) -> Callable[[Run], Run]:
        """Return what makes the run of a batch of n samples from that of this process's share."""

    @abstractmethod
    def from_first(self, make: Callable[[], Value]) -> Value:
        """Return what the first process makes."""

    @abstractmethod
    def check_same(self, what: str, value: str) -> None:
        """Raise TrainError where processes have different values."""


class Alone(Ranks):
    """One process."""

    rank, size = 0, 1

    def use(self, device: torch.device) -> None:
        return None

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        return values

    def any(self, flag: bool) -> bool:
        return flag

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        return None

    def whole(self, n: int) -> Callable[[Run], Run]:
        return lambda run: run

    def from_first(self, make: Callable[[], Value]) -> Value:
        return make()

    def check_same(self, what: str, value: str) -> None:
        return None


class Group(Ranks):
    """Several processes; all have to call the same methods in the same order."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._talk: Any = dist.new_group(backend="gloo", timeout=timedelta(seconds=TIMEOUT))
        self._fast = self._talk
        self._store = dist.PrefixStore(
            f"spikewright/{next(_opened)}", dist.distributed_c10d._get_default_store()
        )

    def use(self, device: torch.device) -> None:
        has_nccl = device.type == "cuda" and dist.is_nccl_available() and _own_gpus(self.size)
        # asking is a meeting, too: a process without its GPU has failed by now, and a group is not waited for
        if not self.any(not has_nccl):
            self._fast = dist.new_group(backend="nccl", timeout=timedelta(seconds=TIMEOUT))

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        total = torch.tensor(values)
        self._do(dist.all_reduce, total, group=self._talk)
        return total.numpy()

    def any(self, flag: bool) -> bool:
        return bool(self.sum(np.array([float(flag)]))[0])

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        self._do(dist.all_reduce, flat, group=self._fast)
        for g, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            g.copy_(summed.view_as(g))

    def whole(self, n: int) -> Callable[[Run], Run]:
        sizes = [high - low for low, high in (_bounds(n, r, self.size) for r in range(self.size))]

        def join(x: Tensor) -> Tensor:
            return _Joined.apply(x, self, sizes)

        def make(run: Run) -> Run:
            return replace(
                run,
                sent=_Whole(run.sent, join),
                traces={v: _Whole(kept, join) for v, kept in run.traces.items()},
                # every process finds the whole gradient of what depends on weights alone; their sum is to be that
                weights={n: _Scaled.apply(w, 1.0 / self.size) for n, w in run.weights.items()},
            )

        return make

    def from_first(self, make: Callable[[], Value]) -> Value:
        given = [make() if self.is_first else None]
        self._do(dist.broadcast_object_list, given, src=0, group=self._talk)
        found: Any = given[0]
        return found

    def check_same(self, what: str, value: str) -> None:
        values: list[str | None] = [None] * self.size
        self._do(dist.all_gather_object, values, value, group=self._talk)
        if len(set(values)) != 1:
            raise TrainError(
                explain(
                    what,
                    "is not the same in all processes",
                    found=", ".join(f"rank {k}: {v}" for k, v in enumerate(values)),
                    cure="give every process the same network, data and settings; ranks share each batch by themselves",
                )
            )

    def gather(self, x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
        """Return the tensors of all processes, `T b *shape` with the b of each."""
        found = []
        for rank, b in enumerate(sizes):
            # a process without a sample of its own runs one that does not count
            part = x[:, :b].contiguous() if rank == self.rank else None
            if part is None:
                part = x.new_empty((x.shape[0], b, *x.shape[2:]))
            if b:
                self._do(dist.broadcast, part, src=rank, group=self._fast)
            found.append(part)
        return found

    def _do(self, collective: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            collective(*args, **kwargs)
        except RuntimeError as error:
            raise TrainError(self._why(error)) from error

    def _why(self, error: RuntimeError) -> str:
        try:
            if self._store.check(["failed"]):
                return self._store.get("failed").decode()
        except RuntimeError:  # the store went with the process that held it
            pass
        return explain(
            f"rank {self.rank} of {self.size}",
            "another process is gone, or did not answer in time",
            found=str(error).splitlines()[0],
            expected=f"an answer within {TIMEOUT:g} s",
            cure="look at what the other processes wrote",
        )

    def fail(self, error: BaseException) -> None:
        """Tell the others why this process stops."""
        said = str(error) if isinstance(error, SpikewrightError) else repr(error)
        try:
            if not self._store.check(["failed"]):
                self._store.set("failed", f"rank {self.rank} of {self.size} stopped: {said}")
        except RuntimeError:  # nobody is left to be told
            pass

    def close(self) -> None:
        """Close the connections: what others are waiting for fails at once."""
        for group in {id(g): g for g in (self._fast, self._talk)}.values():
            dist.destroy_process_group(group)
        # connections live as long as the last reference
        self._fast = self._talk = None


ALONE = Alone()


@contextmanager
def ranks() -> Iterator[Ranks]:
    """Give the processes of this training run: several under `torchrun`, else one."""
    if not _is_one_of_several():
        yield ALONE
        return
    try:
        if not dist.is_initialized():
            dist.init_process_group("gloo", timeout=timedelta(seconds=TIMEOUT))
            atexit.register(_end)
        group = Group()
    except (RuntimeError, ValueError) as error:
        raise TrainError(
            explain(
                "torchrun",
                "the processes have not found each other",
                found=str(error).splitlines()[0],
                cure="look at what the other processes wrote",
            )
        ) from error
    try:
        yield group
    except BaseException as error:
        group.fail(error)
        raise
    finally:
        group.close()


def local_device(device: torch.device) -> torch.device:
    """Return the GPU that `torchrun` has given to this process, where `device` only says "cuda"."""
    local = os.environ.get("LOCAL_RANK")
    if device.type == "cuda" and device.index is None and local is not None:
        return torch.device("cuda", int(local) % max(torch.cuda.device_count(), 1))
    return device


def _is_one_of_several() -> bool:
    if not dist.is_available():
        return False
    if dist.is_initialized():
        return dist.get_world_size() > 1
    return dist.is_torchelastic_launched() and int(os.environ.get("WORLD_SIZE", "1")) > 1


def _own_gpus(size: int) -> bool:
    """Return whether every process of this machine has a GPU of its own, as NCCL needs."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    return local <= torch.cuda.device_count()


def _end() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _bounds(n: int, rank: int, size: int) -> tuple[int, int]:
    """Return where a share begins and ends: sizes differ by one at most."""
    return rank * n // size, (rank + 1) * n // size


class _Whole(Mapping[str, Tensor]):
    """Tensors of a whole batch, each fetched from all processes when it is first looked at."""

    def __init__(self, own: Mapping[str, Tensor], join: Callable[[Tensor], Tensor]) -> None:
        self._own, self._join = own, join
        self._found: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._found:
            self._found[name] = self._join(self._own[name])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


class _Joined(torch.autograd.Function):
    """Joins the shares of a batch. Every process finds the gradient of the whole, and takes that of its own share."""

    @staticmethod
    def forward(ctx, x, group, sizes):  # type: ignore[no-untyped-def]
        """Return `T B *shape`."""
        ctx.shape, ctx.rank, ctx.sizes = x.shape, group.rank, sizes
        return torch.cat(group.gather(x, sizes), dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Return the part of the gradient that belongs to this share."""
        own = grad.new_zeros(ctx.shape)
        low = sum(ctx.sizes[: ctx.rank])
        own[:, : ctx.sizes[ctx.rank]] = grad[:, low : low + ctx.sizes[ctx.rank]]
        return own, None, None


class _Scaled(torch.autograd.Function):
    """A value whose gradient counts less."""

    @staticmethod
    def forward(ctx, x, factor):  # type: ignore[no-untyped-def]
        """Return the value."""
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Return the smaller gradient."""
        return grad * ctx.factor, None
