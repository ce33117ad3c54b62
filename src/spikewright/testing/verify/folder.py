"""Walk a folder of `.npz` vectors: Cases for every file, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spikewright.errors import FormatError, SpikewrightError, VerifyError, explain
from spikewright.files import read_arrays
from spikewright.testing.verify.case import Case

Arrays = Mapping[str, NDArray[Any]]
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
        return read_arrays(path)
    except FormatError as error:
        raise VerifyError(str(error)) from None


def cases_in(folder: Path, compare: Callable[[str, Arrays], list[Case]]) -> list[Case]:
    """Return the cases of every file; `compare` takes a file's name and arrays. Other files are reported, not skipped.

    Raises
    ------
    VerifyError : the folder is missing or holds no vectors
    """
    if not folder.is_dir():
        raise VerifyError(explain(str(folder), "no such folder"))
    files = [path for path in sorted(folder.iterdir()) if path.name not in ASIDE]
    if not any(path.suffix == ".npz" for path in files):
        raise VerifyError(explain(str(folder), "holds no vectors", expected=".npz files"))
    cases: list[Case] = []
    for path in files:
        if path.suffix != ".npz":
            cases.append(Case(path.name, False, "not recognized"))
            continue
        try:
            cases += compare(path.name, read_npz(path))
        except (SpikewrightError, ValueError, TypeError, IndexError) as error:
            cases.append(Case(path.name, False, str(error)))
        except KeyError as error:
            cases.append(Case(path.name, False, f"lacks {error}"))
    return cases


def cases_of(
    folder: Path, compare: Callable[[Arrays], str], *, equal: str = "equal bit for bit"
) -> list[Case]:
    """Return one Case per file; `compare` takes its arrays and returns "" or the first difference."""

    def one(name: str, arrays: Arrays) -> list[Case]:
        difference = compare(arrays)
        return [Case(name, not difference, difference or equal)]

    return cases_in(folder, one)
