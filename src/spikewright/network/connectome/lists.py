"""Lists of neurons and edges: ids, where they stand, edges in order, what is there twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import NetworkError, Problems, explain

DUPLICATES = ("error", "sum")
MAX_NEURONS = 2**31 - 1


def names_of(ids: ArrayLike) -> NDArray[Any]:
    """Return ids as int64 or texts, (n,)."""
    found = np.asarray(ids)
    if found.ndim == 0:
        found = found.reshape(1)
    if found.dtype.kind in "iu":
        return found.astype(np.int64)
    if found.dtype.kind == "f":
        whole = np.isfinite(found) & (found == np.rint(found)) & (np.abs(found) < 2**53)
        if not np.all(whole):
            raise NetworkError(
                explain(
                    "ids",
                    "not whole numbers",
                    found=found[~whole][0],
                    cure="large numbers lose digits as floats: read them as text or int64",
                )
            )
        return found.astype(np.int64)
    return found.astype(str) if found.size else np.zeros(0, np.int64)


def places_of(
    names: NDArray[Any],
    order: NDArray[np.int64],
    wanted: NDArray[Any],
    where: str,
    problems: Problems,
) -> NDArray[np.int64]:
    """Return where `wanted` stand in `names`, and note those that do not."""
    if not len(wanted):
        return np.zeros(0, np.int64)
    if (names.dtype.kind == "U") != (wanted.dtype.kind == "U"):
        kinds = {"U": "texts", "i": "numbers"}
        problems.add(
            where,
            "ids of another kind",
            found=kinds[wanted.dtype.kind],
            expected=kinds[names.dtype.kind],
        )
        return np.zeros(len(wanted), np.int64)
    if not len(names):
        problems.add(
            where, f"id {wanted[0]} is not known", expected="ids of neurons; there are none"
        )
        return np.zeros(len(wanted), np.int64)
    place = np.minimum(np.searchsorted(names, wanted, sorter=order), len(names) - 1)
    found = order[place]
    bad = names[found] != wanted
    if np.any(bad):
        unknown = np.unique(wanted[bad])
        listed = ", ".join(str(x) for x in unknown[:6]) + (", ..." if len(unknown) > 6 else "")
        problems.add(
            where, f"{len(unknown)} id(s) are not known", found=listed, expected=f"one of {len(names)} ids",
        )  # fmt: skip
    return found.astype(np.int64)


def sorted_edges(
    ids: NDArray[Any],
    pre: NDArray[np.int64],
    post: NDArray[np.int64],
    count: NDArray[Any],
    sign: NDArray[np.int8],
    kind: NDArray[np.int8],
    kinds: tuple[str, ...],
    duplicates: str,
    name: str,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any], NDArray[np.int8], NDArray[np.int8]]:
    """Sort the edges, and join or refuse those that are there twice."""
    if duplicates not in DUPLICATES:
        raise NetworkError(
            explain(
                f"{name}: duplicates",
                "unknown",
                found=repr(duplicates),
                expected=" or ".join(DUPLICATES),
            )
        )
    if len(ids) > MAX_NEURONS:
        raise NetworkError(explain(name, "too many neurons", found=len(ids), expected=MAX_NEURONS))
    key = (pre * len(ids) + post) * len(kinds) + kind
    order = np.argsort(key, kind="stable")
    key = key[order]
    new = np.ones(len(key), np.bool_)
    new[1:] = key[1:] != key[:-1]
    first = np.flatnonzero(new)
    if len(first) < len(key):
        if duplicates == "error":
            k = int(np.flatnonzero(~new)[0])
            at = order[k]
            of = f" ({kinds[kind[at]]})" if kinds[kind[at]] else ""
            raise NetworkError(
                explain(
                    name, f"the edge {ids[pre[at]]} -> {ids[post[at]]}{of} is there twice",
                    found=f"{len(key) - len(first)} such edges", cure="duplicates='sum' adds their counts",
                )
            )  # fmt: skip
        signs = sign[order]
        mixed = np.flatnonzero(~new & (signs != np.roll(signs, 1)))
        if len(mixed):
            at = order[mixed[0]]
            raise NetworkError(
                explain(
                    name, f"the edge {ids[pre[at]]} -> {ids[post[at]]} is there with both signs"
                )
            )
    # sums of counts of any kind: whole numbers stay whole
    counted = count[order]
    if len(first) < len(key):
        counted = np.add.reduceat(
            counted.astype(np.float64 if count.dtype.kind == "f" else np.int64), first
        )
    at = order[first]
    return pre[at].astype(np.int32), post[at].astype(np.int32), counted, sign[at], kind[at]


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the different values, ascending; sorted, which for tens of millions is far faster than hashing them."""
    found = np.sort(values)
    new = np.ones(len(found), np.bool_)
    new[1:] = found[1:] != found[:-1]
    return found[new]


def runs_of(at: NDArray[np.int64]) -> list[list[int]]:
    """Return ascending places as runs [first, end)."""
    breaks = np.flatnonzero(np.diff(at) != 1)
    first = at[np.concatenate([[0], breaks + 1])] if len(at) else at
    end = at[np.concatenate([breaks, [len(at) - 1]])] + 1 if len(at) else at
    return [[int(a), int(b)] for a, b in zip(first, end, strict=True)]
