"""One line of a verification: a case, whether it passed, and what was compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """The result of comparing one case with its stored vectors.

    Parameters
    ----------
    name : the case (a file, or a file and a part of it)
    passed : whether it is equal within its tolerance
    detail : "equal" and the tolerance, or the first difference and its size
    """

    name: str
    passed: bool
    detail: str
