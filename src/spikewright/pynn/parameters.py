"""Values of parameters, as PyNN scripts give them: a number, a list, a distribution, a function, a text with `d`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import ModelError, explain


class Sequence:
    """A row of numbers that is one value, such as the spike times of one neuron.

    Examples
    --------
    >>> Sequence([1.0, 2.5]).max()
    2.5
    """

    def __init__(self, value: Any) -> None:
        self.value = np.asarray(getattr(value, "value", value), np.float64)

    def max(self) -> float:
        """Return the greatest number."""
        return float(self.value.max())

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return np.array(self.value, dtype) if copy else np.asarray(self.value, dtype)

    def __add__(self, number: Any) -> Sequence:
        return Sequence(self.value + number)

    def __sub__(self, number: Any) -> Sequence:
        return Sequence(self.value - number)

    def __mul__(self, number: Any) -> Sequence:
        return Sequence(self.value * number)

    def __truediv__(self, number: Any) -> Sequence:
        return Sequence(self.value / number)

    def __eq__(self, other: object) -> bool:
        return is_sequence(other) and np.array_equal(self.value, other.value)  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Sequence({self.value})"


def is_sequence(value: Any) -> bool:
    """Whether it is a `Sequence`, ours or PyNN's."""
    return isinstance(getattr(value, "value", None), np.ndarray) and not is_drawn(value)


def is_drawn(value: Any) -> bool:
    """Whether it is a random distribution, ours or PyNN's."""
    return callable(getattr(value, "next", None)) and not isinstance(value, np.ndarray)


def is_lazy(value: Any) -> bool:
    """Whether it is an array that is worked out when its size is known (package lazyarray)."""
    return hasattr(value, "evaluate") and hasattr(value, "base_value")


def of_index(function: Callable[[Any], Any], n: int) -> Any:
    """Return what a function of the index gives for each of `n`; one that takes an array only gets an array."""
    try:
        return [function(i) for i in range(n)]
    except (TypeError, AttributeError):
        return function(np.arange(n))


def one_each(value: Any, n: int, where: str) -> NDArray[np.float64]:
    """Return the value of each of `n` neurons, (n,).

    Raises
    ------
    ModelError : not numbers, or not as many as neurons
    """
    if is_drawn(value):
        value = value.next(n)
    elif is_lazy(value):
        lazy = copy.deepcopy(value)
        lazy.shape = (n,)
        value = lazy.evaluate(simplify=False)
    elif callable(value):
        value = of_index(value, n)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ModelError(
            explain(where, "not a number", found=repr(value), expected=f"a number, or {n}")
        ) from None
    if array.ndim == 0:
        return np.full(n, float(array))
    if array.shape != (n,):
        raise ModelError(
            explain(where, "as many values as neurons", found=array.shape, expected=f"({n},)")
        )
    return array.copy()


def one_row_each(value: Any, n: int, where: str) -> list[NDArray[np.float64]]:
    """Return the row of numbers of each of `n` neurons.

    Raises
    ------
    ModelError : not rows of numbers, or not as many as neurons
    """
    if is_lazy(value):
        lazy = copy.deepcopy(value)
        lazy.shape = (n,)
        value = list(lazy.evaluate(simplify=False))
    if callable(value) and not is_drawn(value):
        value = of_index(value, n)
    if is_sequence(value):
        rows = [value.value] * n
    else:
        listed = list(np.atleast_1d(value)) if isinstance(value, int | float) else list(value)
        nested = [is_sequence(x) or np.ndim(x) > 0 for x in listed]
        if not any(nested):
            rows = [listed] * n
        elif all(nested) and len(listed) == n:
            rows = [x.value if is_sequence(x) else x for x in listed]
        else:
            raise ModelError(
                explain(where, "one row per neuron", found=f"{len(listed)} rows", expected=f"{n}")
            )
    try:
        made = [np.sort(np.array(row, np.float64)) for row in rows]
    except (TypeError, ValueError):
        raise ModelError(explain(where, "not rows of numbers", found=repr(value)[:80])) from None
    for row in made:
        if row.size and not np.all(np.isfinite(row)):
            raise ModelError(explain(where, "not finite", found=row[~np.isfinite(row)][0]))
    return made


_NUMPY = (
    "abs", "arccos", "arcsin", "arctan", "arctan2", "ceil", "cos", "cosh", "e", "exp", "fabs", "floor", "fmod", "hypot",
    "log", "log10", "logical_and", "logical_or", "maximum", "minimum", "pi", "power", "sin", "sinh", "sqrt", "tan",
    "tanh", "where",
)  # fmt: skip


def expression(text: str, where: str) -> Callable[[Any], NDArray[Any]]:
    """Return a text with `d` (distance, or displacement `d[0]`, `d[1]`, `d[2]`) as a function of arrays.

    Raises
    ------
    ModelError : not an expression, or it uses another name than `d` and numpy's functions
    """
    known = {name: getattr(np, name) for name in _NUMPY}
    try:
        code = compile(text, where, "eval")
    except (SyntaxError, ValueError) as error:
        raise ModelError(
            explain(where, "not an expression", found=repr(text), expected="e.g. 'exp(-d/100.0)'")
        ) from error
    unknown = sorted(set(code.co_names) - set(known) - {"d"})
    if unknown:
        raise ModelError(
            explain(
                where,
                f"unknown name {unknown[0]!r} in {text!r}",
                expected="d, and " + ", ".join(_NUMPY),
            )
        )

    def function(d: Any) -> NDArray[Any]:
        # names were checked: no attribute, no builtin, nothing but numpy's arithmetic
        return np.asarray(eval(code, {"__builtins__": {}}, known | {"d": d}))

    return function


def n_arguments(function: Callable[..., Any]) -> int:
    """Return how many arguments a function takes without default."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    return sum(p.default is p.empty and p.kind in (0, 1) for p in found)
