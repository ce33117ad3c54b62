import os
import subprocess
import sys
from pathlib import Path

import pytest

from spikewright.engines import compiled
from spikewright.engines.compiled import load
from spikewright.errors import FormatError

TEXT = """\
# a kernel that does nothing
from numba import cfunc
from spikewright.engines.intrinsics import KERNEL


@cfunc(KERNEL, cache=True, nopython=True)
def advance(table, sample, part, worker, k, steps):
    pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "kernels"))
    compiled._load.cache_clear()
    yield tmp_path / "kernels"
    compiled._load.cache_clear()


def test_a_kernel_is_a_file_with_a_name_and_its_content(folder):
    module = load("nothing", TEXT)
    (path,) = folder.glob("*.py")
    assert path.name.startswith("nothing_")
    assert path.read_text() == TEXT
    assert module.advance.address
    assert Path(module.__file__) == path
    assert load("nothing", TEXT) is module
    other = load("nothing", TEXT + "# more\n")
    assert other is not module
    assert len(list(folder.glob("*.py"))) == 2


def test_a_damaged_file_is_written_again(folder):
    load("nothing", TEXT)
    (path,) = folder.glob("*.py")
    for damaged in (TEXT[:40], "", TEXT + "\nraise SystemExit\n", "\xff\x00"):
        path.write_text(damaged)
        compiled._load.cache_clear()
        load("nothing", TEXT)
        assert path.read_text() == TEXT


def test_damaged_machine_code_is_compiled_again(folder):
    load("nothing", TEXT)
    for end in ("nbi", "nbc"):
        damaged = list(folder.rglob(f"*.{end}"))
        assert damaged
        for path in damaged:
            path.write_bytes(path.read_bytes()[:40])
        compiled._load.cache_clear()
        assert load("nothing", TEXT).advance.address
        assert all(len(path.read_bytes()) > 40 for path in folder.rglob(f"*.{end}"))


def test_a_folder_that_cannot_be_used_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "file"))
    assert compiled.folder() != tmp_path / "file"
    assert compiled.folder().is_dir()


def test_a_file_that_cannot_be_written_goes_elsewhere(folder, monkeypatch):
    real = compiled.replacing

    def full(path, *more, **options):
        if path.parent == folder:
            raise FormatError("no space left")
        return real(path, *more, **options)

    monkeypatch.setattr(compiled, "replacing", full)
    module = load("elsewhere", TEXT)
    assert module.advance.address
    assert folder not in Path(module.__file__).parents


def test_an_error_of_the_text_is_not_hidden(folder):
    with pytest.raises(ZeroDivisionError):
        load("wrong", "1 / 0\n")


def test_a_second_process_compiles_nothing(folder):
    script = """
import numpy as np
import numba.core.event as event
from spikewright.engines.cpu import Cpu
from spikewright.network import *
net = Network(
    dt=1e-3,
    populations={"in": Population(Input, 3), "p": Population(LIF, 3)},
    projections={
        "a": Projection("in", "p", Dense(np.ones((3, 3)) + np.eye(3)), delay=1e-3),
    },
)
with event.install_recorder("numba:compile") as record:
    Cpu().run(net, steps=3)
    Cpu().run(net, steps=3, batch=3, threads=2)
print(len(record.buffer))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    counts = [
        int(
            subprocess.run(
                [sys.executable, "-c", script], env=environment, capture_output=True, check=True
            ).stdout
        )
        for _ in range(2)
    ]
    assert counts[0] > 0
    assert counts[1] == 0


def test_what_is_compiled_into_kernels_is_in_their_text():
    """A change of a module that kernels inline makes them other kernels."""
    import ast

    engines = Path(compiled.__file__).parent
    inlined, todo = set(), ["generate", "deliver", "rule_source", "lazy_source"]
    texts = " ".join(engines.joinpath(f"{n}.py").read_text() for n in todo)
    for name in (p.stem for p in engines.glob("*.py")):
        if f"from spikewright.engines.{name} import" in texts and name not in IN_PYTHON:
            inlined.add(name)
    todo = list(inlined)
    while todo:  # what those import in turn, of the modules that hold compiled functions
        tree = ast.parse(engines.joinpath(f"{todo.pop()}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "spikewright.engines."
            ):
                name = node.module.split(".")[2]
                if "njit" in engines.joinpath(f"{name}.py").read_text() and name not in inlined:
                    inlined.add(name)
                    todo.append(name)
    assert {n for n in inlined if "njit" in engines.joinpath(f"{n}.py").read_text()} <= set(
        compiled._PARTS
    )


IN_PYTHON = {
    "compiled",
    "program",
    "source",
    "discretize",
    "deliver",
    "generate",
    "synapses",
    "rule_source",
}


def test_loading_leaves_the_sources_alone(folder):
    load("nothing", TEXT)
    assert not list(Path(compiled.__file__).parent.glob("nothing_*"))
