"""The folder of generated kernels: their text, and the machine code that Numba keeps beside it.

Files lie in `$SPIKEWRIGHT_CACHE` (default `~/.cache/spikewright/kernels`) as `<name>_<hash of the text>.py`. The text
in memory is what runs, under the file's name, so that a debugger finds it; nothing from the folder is executed
unchecked.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import os
import shutil
import sys
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from spikewright.errors import FormatError
from spikewright.files import replacing

_PARTS = (
    "kernels",
    "single",
    "blocks",
    "intrinsics",
    "layout",
    "drives",
    "history",
    "decay",
    "lazy_source",
)
"""Modules that are compiled into generated kernels."""


@cache
def kernels_version() -> str:
    """Return what the machine code of every generated kernel depends on besides its own text."""
    import numba

    digest = hashlib.sha256()
    for name in _PARTS:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return f"{digest.hexdigest()[:16]}, numba {numba.__version__}"


def folder() -> Path:
    """Return the folder of generated kernels; one for this process only where it cannot be written."""
    named = os.environ.get("SPIKEWRIGHT_CACHE")
    path = Path(named) if named else Path.home() / ".cache" / "spikewright" / "kernels"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary()
    return path if os.access(path, os.W_OK) else _temporary()


@cache
def _temporary() -> Path:
    import atexit

    path = Path(tempfile.mkdtemp(prefix="spikewright-kernels-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def load(name: str, text: str) -> Any:
    """Return the module of a kernel, its functions machine code; from the folder where that is there and intact."""
    return _load(name, text, folder())


@lru_cache(maxsize=512)
def _load(name: str, text: str, place: Path) -> Any:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    module_name = f"{name}_{digest}"
    path = place / f"{module_name}.py"
    try:
        intact = path.read_bytes() == text.encode()
    except OSError:
        intact = False
    if not intact:
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(text.encode())
        except FormatError:
            if place == _temporary():
                raise
            return _load(name, text, _temporary())
    try:
        return _execute(module_name, text, path)
    except Exception:  # whatever unpickling a damaged file raises; a second failure is not caught
        for machine_code in path.parent.glob(f"__pycache__/{module_name}.*"):
            machine_code.unlink(missing_ok=True)
        return _execute(module_name, text, path)


def _execute(module_name: str, text: str, path: Path) -> Any:
    loader = _TextLoader(text, path)
    spec = importlib.util.spec_from_loader(f"spikewright_kernel_{module_name}", loader)
    module: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where Numba looks when it loads machine code
    loader.exec_module(module)
    return module


class _TextLoader(importlib.abc.InspectLoader):
    def __init__(self, text: str, path: Path) -> None:
        self.source, self.path = text, path

    def get_source(self, fullname: str) -> str:
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.source, str(self.path))
