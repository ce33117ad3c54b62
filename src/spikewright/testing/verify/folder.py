"""Walk a folder of `.npz` vectors: one Case per file, whatever is in it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SpikewrightError, VerifyError, explain
from spikewright.testing.verify.case import Case

ASIDE = frozenset(
    {"README.md", "index.json", "manifest.json", "SHA256SUMS", "LICENSE", "LICENSE.txt"}
)
"""Files that belong to a folder of vectors and hold none."""


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an `.npz` file; nothing in it is executed.

    Raises
    ------
    VerifyError : not an `.npz` file, or damaged
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise VerifyError(explain(path.name, f"not a readable .npz file: {error}")) from None


def cases_of(
    folder: Path,
    compare: Callable[[Mapping[str, NDArray[Any]]], str],
    *,
    equal: str = "equal bit for bit",
) -> list[Case]:
    """Return one Case per file; `compare` returns "" or the first difference.

    Raises
    ------
    VerifyError : the folder is not there, or holds no vectors
    """
    if not folder.is_dir():
        raise VerifyError(explain(str(folder), "no such folder"))
    cases = []
    for path in sorted(folder.iterdir()):
        if path.name in ASIDE:
            continue
        if path.suffix != ".npz":
            cases.append(Case(path.name, False, "not recognised"))
            continue
        try:
            difference = compare(read_npz(path))
        except (SpikewrightError, ValueError) as error:
            difference = str(error)
        except KeyError as error:
            difference = f"lacks {error}"
        cases.append(Case(path.name, not difference, difference or equal))
    if not any(case.name.endswith(".npz") for case in cases):
        raise VerifyError(explain(str(folder), "holds no vectors", expected=".npz files"))
    return cases
