"""The table of substrates: found by name, imported when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spikewright import substrates
from spikewright.errors import SubstrateError
from spikewright.substrates.ideal.substrate import Ideal


def test_a_substrate_is_made_by_name_and_options() -> None:
    assert substrates.get("ideal") == Ideal()
    assert substrates.get("loihi", preset="nahuku").presets()[0] == "davies"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SubstrateError) as caught:
        substrates.get("brain")
    known = ", ".join(sorted(substrates.available()))
    assert str(caught.value) == f"substrate 'brain': not installed; expected {known}"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(
        SubstrateError, match="substrate 'ideal': bad option; found colour='red', expected none"
    ):
        substrates.get("ideal", colour="red")


def test_chip_files_are_read_without_importing_a_substrate() -> None:
    code = (
        "import sys; from spikewright import substrates; print(sorted(substrates.chips()));"
        "print([m for m in sys.modules if m.endswith('.substrate') and 'base' not in m])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    assert "loihi" in found[0]
    assert found[1] == "[]"
