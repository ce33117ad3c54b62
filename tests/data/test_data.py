"""The one door: data sets by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spikewright.data import DATASETS, load
from spikewright.errors import DataError


def test_unknown_names_and_options() -> None:
    with pytest.raises(
        DataError,
        match="data set 'cifar': is not known; expected digits, fashion_mnist, fsdd, mnist",
    ):
        load("cifar")
    with pytest.raises(
        DataError, match="'digits': has no option colour, size; expected encoding, steps, dt"
    ):
        load("digits", size=3, colour="red")


@pytest.mark.parametrize("name", DATASETS)
def test_every_name_leads_to_a_function(name: str) -> None:
    if name == "digits":
        assert load(name).name == name
    else:
        with pytest.raises(DataError, match=f"data set '{name}': needs a folder"):
            load(name)


def test_import_loads_numpy_and_nothing_heavier() -> None:
    heavy = "{'sklearn', 'scipy', 'torch', 'numba', 'h5py', 'matplotlib'}"
    code = f"import sys, spikewright.data; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
