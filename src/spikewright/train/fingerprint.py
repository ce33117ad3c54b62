"""Fingerprints: the same run has the same one, whatever the order of a dictionary or the address of an object."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from spikewright.network.graph import Network
from spikewright.network.model import NeuronModel


def fingerprint(*things: Any) -> str:
    """Return 16 hexadecimal digits that depend on what the things say.

    Arrays by their numbers, frozen values by their fields, networks by their content, functions by their code and what
    they close over.
    """
    digest = hashlib.sha256()
    _feed(digest, things, 0)
    return digest.hexdigest()[:16]


def _feed(digest: Any, thing: Any, depth: int) -> None:
    def put(*parts: object) -> None:
        for part in parts:
            text = str(part).encode()
            digest.update(len(text).to_bytes(8, "little") + text)

    def go(value: Any) -> None:
        if depth < DEPTH:
            _feed(digest, value, depth + 1)

    if isinstance(thing, enum.Enum):
        put(type(thing).__qualname__, thing.name)
    elif thing is None or isinstance(thing, bool | int | float | str | bytes):
        put(type(thing).__name__, repr(thing))
    elif isinstance(thing, np.ndarray | np.generic):
        array = np.ascontiguousarray(thing)
        put("array", array.dtype.str, array.shape)
        digest.update(array.tobytes())
    elif isinstance(thing, NeuronModel):
        put("model")
        go({k: v for k, v in thing.as_dict().items() if k != "source"})
    elif isinstance(thing, Network):
        put("network")
        go({f.name: getattr(thing, f.name) for f in dataclasses.fields(thing) if f.name != "name"})
    elif isinstance(thing, Mapping):
        put("mapping", len(thing))
        for name in sorted(thing, key=str):
            put(name)
            go(thing[name])
    elif isinstance(thing, list | tuple | set | frozenset):
        items = sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing
        put("list", len(items))
        for item in items:
            go(item)
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        put("value", type(thing).__module__, type(thing).__qualname__)
        go({f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)})
    elif isinstance(thing, functools.partial):
        put("partial")
        go([thing.func, thing.args, thing.keywords])
    elif isinstance(thing, types.FunctionType):
        put("function", thing.__module__, thing.__qualname__)
        _code(put, go, thing.__code__)
        go([thing.__defaults__, thing.__kwdefaults__])
        go([cell.cell_contents for cell in thing.__closure__ or ()])
    elif isinstance(thing, types.MethodType):
        put("method", thing.__func__.__qualname__)
        go(thing.__self__)
    elif isinstance(thing, type | types.BuiltinFunctionType | types.ModuleType):
        put(
            "name", getattr(thing, "__module__", ""), getattr(thing, "__qualname__", thing.__name__)
        )
    else:
        put("object", type(thing).__module__, type(thing).__qualname__)
        go(getattr(thing, "__dict__", {}))


def _code(put: Any, go: Any, code: types.CodeType) -> None:
    put(code.co_code.hex(), code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _code(put, go, constant)
        else:
            go(constant)


DEPTH = 12
"""How deep values are followed."""
