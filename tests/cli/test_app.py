from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import spikewright
from spikewright.cli import main
from spikewright.errors import SpikewrightError

VERBS = ("compare", "run", "train", "compile", "show", "list", "verify", "convert")


def test_help_names_every_verb_and_the_statuses(call: Any) -> None:
    found = call("--help")
    assert found.status == 0
    assert all(verb in found.out for verb in VERBS)
    assert "Exit status" in found.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_json_and_says_its_statuses(call: Any, verb: str) -> None:
    found = call(f"{verb} --help")
    assert found.status == 0
    assert "--json" in found.out
    assert "Exit status" in found.out


def test_help_loads_neither_numpy_nor_anything_heavier() -> None:
    code = (
        "import sys\n"
        "from spikewright.cli import main\n"
        "for words in (['--help'], ['compare', '--help'], ['events', 'convert', '--help']):\n"
        "    if main(words): raise SystemExit('failed')\n"
        "heavy = {'numpy', 'torch', 'numba', 'scipy', 'matplotlib', 'h5py', 'sklearn', 'nir'}\n"
        "raise SystemExit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_version(call: Any) -> None:
    assert call("--version").out.strip() == f"spikewright {spikewright.__version__}"


def test_main_gives_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["list", "nothing"]) == 2
    assert main(["show", "nothing"]) == 2
    assert "spikewright: show 'nothing': neither a file" in capsys.readouterr().err


def test_errors_raised_on_purpose_are_one_message(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise SpikewrightError("here: what; found a, expected b — do c")

    monkeypatch.setattr(import_module("spikewright.cli.list"), "engines", fail)
    found = call("list engines")
    assert found.status == 2
    assert found.err == "spikewright: here: what; found a, expected b — do c\n"
    assert found.out == ""


def test_other_exceptions_are_not_swallowed(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(import_module("spikewright.cli.list"), "engines", fail)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        call("list engines")


def test_interrupted(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("spikewright.cli.list"), "engines", stop)
    found = call("list engines")
    assert found.status == 130
    assert "interrupted" in found.err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("no", name="h5py.h5"), "h5py.h5: needed here, but not installed — pip install 'h5py'"),
        (MemoryError("8 TiB"), "memory: not enough for this; found 8 TiB"),
    ],
)  # fmt: skip
def test_what_the_machine_lacks_is_one_message(
    call: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(import_module("spikewright.cli.list"), "engines", fail)
    found = call("list engines")
    assert (found.status, found.out) == (2, "")
    assert message in found.err
    assert len(found.err.splitlines()) == 1
