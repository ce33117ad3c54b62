"""Recipes as plain data and arrays, for files."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, explain
from spikewright.network.connectivity.chance import (
    Bernoulli,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    PowerLaw,
)
from spikewright.network.connectivity.distribution import Distribution, from_dict
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.connectivity.regular import AllToAll, SmallWorld
from spikewright.network.connectivity.space import DistanceDependent

RECIPES: Mapping[str, type[Recipe]] = {
    r.kind: r
    for r in (
        AllToAll, Bernoulli, DistanceDependent, FixedInDegree, FixedOutDegree, FixedTotal, PowerLaw, SmallWorld,
    )
}  # fmt: skip


def to_plain(recipe: Recipe) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a recipe's fields: those that JSON can say, and those that are arrays."""
    plain: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for field in fields(recipe):  # type: ignore[arg-type]
        value = getattr(recipe, field.name)
        if isinstance(value, np.ndarray) and value.ndim:
            arrays[field.name] = value
        elif isinstance(value, Distribution):
            plain[field.name] = value.as_dict()
        elif isinstance(value, enum.Enum):
            plain[field.name] = value.value
        elif isinstance(value, np.generic):
            plain[field.name] = value.item()
        else:
            plain[field.name] = list(value) if isinstance(value, tuple) else value
    return plain, arrays


def from_plain(kind: str, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Recipe:
    """Return the recipe of `to_plain`.

    Raises
    ------
    NetworkError : not such a recipe
    """
    names = {field.name for field in fields(RECIPES[kind])}  # type: ignore[arg-type]
    given = set(plain) | set(arrays)
    if given != names:
        raise NetworkError(
            explain(
                kind,
                "other fields than the recipe has",
                found=", ".join(sorted(given)),
                expected=", ".join(sorted(names)),
            )
        )
    values: dict[str, Any] = dict(plain) | dict(arrays)
    if isinstance(values["weights"], Mapping):
        values["weights"] = from_dict(values["weights"])
    return RECIPES[kind](**values)
