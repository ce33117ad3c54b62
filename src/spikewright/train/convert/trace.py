"""A torch module read as a graph of what a spiking network can do; everything else is refused by name."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from spikewright.errors import Problems, TrainError, explain
from spikewright.train.convert.qcfs import QCFS


class Kind(enum.Enum):
    """What a node does to its one input; `ADD` has two."""

    INPUT = "input"
    LINEAR = "linear"
    CONV = "convolution"
    NORM = "batch normalization"
    POOL = "average pooling"
    FLATTEN = "flattening"
    SAME = "nothing"
    ADD = "addition"
    RELU = "clipped or plain ReLU"
    QCFS = "QCFS"


ACTIVATIONS = (Kind.RELU, Kind.QCFS)
_SUPPORTED = (
    "Linear, Conv1d/2d, BatchNorm1d/2d, ReLU, ReLU6, Hardtanh from 0, QCFS, AvgPool1d/2d, AdaptiveAvgPool, "
    "Flatten, Dropout, Identity, Sequential, and sums"
)
_MAX_POOL = (
    "train with average pooling: spikes of one neuron cannot say which of several rates is largest"
)
_SIGNED = "train with ReLU or QCFS: a rate is never negative"
_CURES: dict[str, str] = {
    **dict.fromkeys(("MaxPool1d", "MaxPool2d", "AdaptiveMaxPool2d", "max_pool2d", "max_pool1d"), _MAX_POOL),
    **dict.fromkeys(
        ("Sigmoid", "Tanh", "GELU", "SiLU", "LeakyReLU", "ELU", "Softplus", "Mish", "tanh", "sigmoid", "gelu", "silu"),
        _SIGNED,
    ),
    **dict.fromkeys(("Softmax", "LogSoftmax", "softmax", "log_softmax"), "leave it out: it changes no decision"),
    **dict.fromkeys(("LayerNorm", "GroupNorm"), "train with batch normalization, which folds into weights"),
}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One operation of a module.

    Parameters
    ----------
    name : where it stands in the module ("features.0"), or what the tracer called it
    kind : what it does
    inputs : the nodes before it
    module : the module that does it, or None for a function
    cap : where a ReLU is clipped, or None
    fx : the node of the traced graph
    """

    name: str
    kind: Kind
    inputs: tuple[fx.Node, ...]
    module: nn.Module | None
    cap: float | None
    fx: fx.Node


@dataclass(frozen=True)
class Graph:
    """The operations in order, the last one, and the traced module, whose nodes they are."""

    nodes: tuple[Node, ...]
    last: fx.Node
    traced: fx.GraphModule


class _Tracer(fx.Tracer):
    """Treats as one node what PyTorch ships, and QCFS."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, QCFS) or super().is_leaf_module(m, module_qualified_name)


def read(module: nn.Module) -> Graph:
    """Return a module as operations; the module is not changed.

    Raises
    ------
    TrainError : every layer that cannot be converted, or a module whose course depends on its input
    """
    if isinstance(module, QCFS) or type(module).__module__.startswith("torch.nn.modules"):
        module = module if isinstance(module, nn.Sequential) else nn.Sequential(module)
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # the tracer runs the user's code, which may raise anything
        raise TrainError(
            explain(
                f"convert: {type(module).__name__}",
                "cannot be read as a graph",
                found=f"{type(error).__name__}: {error}",
                cure="take decisions that depend on the input out of forward(), or give a Sequential",
            )
        ) from error
    traced = fx.GraphModule(module, graph, class_name=type(module).__name__)
    problems = Problems()
    found: list[Node] = []
    last: fx.Node | None = None
    for node in graph.nodes:
        if node.op == "output":
            if isinstance(node.args[0], fx.Node):
                last = node.args[0]
            else:
                problems.add(
                    "convert: output", "must be one tensor", found=type(node.args[0]).__name__
                )
        elif node.op == "placeholder" and found:
            problems.add(f"convert: {node.name}", "must be one input", found="several")
        elif not _is_size(node):
            made = _node(node, traced, problems)
            found += [made] if made is not None else []
    problems.raise_as(TrainError)
    if last is None:
        raise TrainError(explain("convert: output", "there is none"))
    return Graph(tuple(found), last, traced)


def _node(node: fx.Node, traced: fx.GraphModule, problems: Problems) -> Node | None:
    given = (*node.args, *node.kwargs.values())
    inputs = tuple(a for a in given if isinstance(a, fx.Node) and not _is_size(a))
    if node.op == "placeholder":
        return Node(node.name, Kind.INPUT, (), None, None, node)
    if _overwrites(node, traced) and not _only_here(inputs[0], node):
        problems.add(
            f"convert: {node.name!r}",
            "changes its input in place, and that is used again",
            cure="use what it returns, or leave inplace away",
        )
        return None
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        for kinds, kind, check in _MODULES:
            if isinstance(module, kinds):
                wrong = check(module)
                if wrong:
                    problems.add(f"convert: layer {node.target!r} ({type(module).__name__})", wrong)
                    return None
                return Node(str(node.target), kind, inputs, module, _cap(module), node)
        _refuse(problems, f"layer {node.target!r}", type(module).__name__)
        return None
    if node.op in ("call_function", "call_method"):
        what = node.target if node.op == "call_method" else getattr(node.target, "__name__", "?")
        kind = _function(node)
        if kind is not None:
            return Node(node.name, kind, inputs, None, 6.0 if what == "relu6" else None, node)
        _refuse(problems, f"{node.name!r} in {type(traced).__name__}.forward", str(what))
        return None
    _refuse(problems, f"{node.target!r}", "a tensor that is not a layer's weight")
    return None


def _refuse(problems: Problems, where: str, what: str) -> None:
    problems.add(
        f"convert: {where}",
        "cannot be converted",
        found=what,
        expected=None if what in _CURES else _SUPPORTED,
        cure=_CURES.get(what),
    )


def _function(node: fx.Node) -> Kind | None:
    """Return what a function or method does, or None where that is not supported."""
    tensors = [a for a in node.args if isinstance(a, fx.Node)]
    if not tensors:
        return None
    if node.op == "call_function":
        if node.target in (operator.add, operator.iadd, torch.add) and len(tensors) == 2:
            return None if node.kwargs else Kind.ADD
        if node.target in (torch.relu, functional.relu, functional.relu6):
            return Kind.RELU
        if node.target is functional.dropout:
            return Kind.SAME
        if node.target is torch.flatten and _flattens(node):
            return Kind.FLATTEN
        return None
    if node.target in ("relu", "relu_"):
        return Kind.RELU
    if node.target in ("add", "add_") and len(tensors) == 2 and not node.kwargs:
        return Kind.ADD
    if node.target == "flatten" and _flattens(node):
        return Kind.FLATTEN
    rest = node.args[2:]
    if node.target in ("view", "reshape") and rest == (-1,):
        return Kind.FLATTEN
    return Kind.SAME if node.target == "contiguous" else None


def _overwrites(node: fx.Node, traced: fx.GraphModule) -> bool:
    """Return whether a node changes its first input."""
    if node.op == "call_module":
        return bool(getattr(traced.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op == "call_function":
        return node.target is operator.iadd or bool(node.kwargs.get("inplace"))
    return False


def _only_here(given: fx.Node, node: fx.Node) -> bool:
    """Return whether nothing after a node uses what it was given."""
    later = False
    for other in node.graph.nodes:
        if later and given in other.all_input_nodes and not _is_size(other):
            return False
        later = later or other is node
    return True


def _flattens(node: fx.Node) -> bool:
    start = node.args[1] if len(node.args) > 1 else node.kwargs.get("start_dim", 0)
    return start == 1 and len(node.args) <= 2 and node.kwargs.get("end_dim", -1) == -1


def _is_size(node: fx.Node) -> bool:
    """Return whether a node only asks how many samples there are, as in `x.view(x.size(0), -1)`."""
    if node.op == "call_method":
        return node.target == "size"
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] == "shape"
    if node.op == "call_function" and node.target is operator.getitem:
        return isinstance(node.args[0], fx.Node) and _is_size(node.args[0])
    return False


def _cap(module: nn.Module) -> float | None:
    return float(module.max_val) if isinstance(module, nn.Hardtanh) else None


def _fine(module: Any) -> str:
    return ""


def _convolution(module: Any) -> str:
    return "" if module.padding_mode == "zeros" else f"pads with {module.padding_mode!r}, not zeros"


def _norm(module: Any) -> str:
    return "" if module.running_var is not None else "keeps no running statistics to fold"


def _pool(module: Any) -> str:
    if module.ceil_mode:
        return "rounds its size up (ceil_mode)"
    if getattr(module, "divisor_override", None):
        return "divides by another number than the size of its window"
    size = module.padding if isinstance(module.padding, tuple) else (module.padding,)
    return "leaves padding out of the mean" if any(size) and not module.count_include_pad else ""


def _clipped(module: Any) -> str:
    return "" if module.min_val == 0 and module.max_val > 0 else "does not begin at 0"


def _flatten(module: Any) -> str:
    return (
        ""
        if module.start_dim == 1 and module.end_dim == -1
        else "does not join all axes but the batch"
    )


_MODULES: tuple[tuple[Any, Kind, Callable[[Any], str]], ...] = (
    (nn.Linear, Kind.LINEAR, _fine),
    ((nn.Conv1d, nn.Conv2d), Kind.CONV, _convolution),
    ((nn.BatchNorm1d, nn.BatchNorm2d), Kind.NORM, _norm),
    ((nn.AvgPool1d, nn.AvgPool2d), Kind.POOL, _pool),
    ((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), Kind.POOL, _fine),
    (nn.Flatten, Kind.FLATTEN, _flatten),
    ((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity), Kind.SAME, _fine),
    (nn.ReLU, Kind.RELU, _fine),
    (nn.Hardtanh, Kind.RELU, _clipped),  # ReLU6 is one
    (QCFS, Kind.QCFS, _fine),
)
