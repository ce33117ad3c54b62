"""What all tests share: the folder of reference data, and how long hypothesis may think."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# machines are shared and kernels compile on first use, so a deadline would measure the neighbors
settings.register_profile("spikewright", deadline=None)
settings.load_profile("spikewright")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference vectors and recordings; skips where this machine has none."""
    folder = Path(os.environ.get("SPIKEWRIGHT_SHARED") or ROOT.parent / "shared").resolve()
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set SPIKEWRIGHT_SHARED to the folder")
    return folder
