"""A fingerprint of a network: equal where everything that a run depends on is equal, bit for bit.

Names of populations, projections and drives belong to it, since they are part of what is drawn; the name of the
network, its metadata, and where its models come from do not.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from spikewright.network.graph import Network
from spikewright.network.model import NeuronModel
from spikewright.network.synapse import SynapseModel

_ASIDE = frozenset({"name", "metadata"})
_UNORDERED = frozenset({"params", "initial"})
"""Fields of populations and rules whose order says nothing; that of populations, projections and drives does."""


def fingerprint(network: Network) -> str:
    """Return 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, {f.name: getattr(network, f.name) for f in _fields(network, _ASIDE)})
    return digest.hexdigest()


def _fields(value: Any, aside: frozenset[str] = frozenset()) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(value) if f.name not in aside and f.compare]


def _feed(digest: Any, value: Any) -> None:
    def put(*parts: object) -> None:
        for part in parts:
            text = str(part).encode("utf-8", "surrogatepass")
            digest.update(len(text).to_bytes(8, "little") + text)

    match value:
        case enum.Enum():
            put("enum", type(value).__name__, value.value)
        case None | bool() | int() | float() | str():
            put(type(value).__name__, repr(value))
        case np.ndarray() | np.generic():
            array = np.ascontiguousarray(value)
            put("array", array.dtype.str, np.shape(value))
            digest.update(array.reshape(-1).view(np.uint8).data)
        case NeuronModel() | SynapseModel():
            put(type(value).__name__)
            _feed(digest, {k: v for k, v in value.as_dict().items() if k != "source"})
        case Mapping():
            put("mapping", len(value))
            for key in value:
                _feed(digest, key)
                _feed(digest, value[key])
        case list() | tuple():
            put("list", len(value))
            for item in value:
                _feed(digest, item)
        case _ if dataclasses.is_dataclass(value):
            put("value", type(value).__qualname__)
            for f in _fields(value):
                part = getattr(value, f.name)
                put(f.name)
                _feed(digest, dict(sorted(part.items())) if f.name in _UNORDERED else part)
        case _:
            raise TypeError(f"{type(value).__name__} has no fingerprint")
