"""The Python blocks of the substrates' pages run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import spikewright.substrates

FOLDER = Path(spikewright.substrates.__file__).parent
PAGES = sorted(FOLDER.glob("*/README.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.parent.name)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(script))


def test_every_substrate_has_its_four_files() -> None:
    for page in PAGES:
        names = {path.name for path in page.parent.iterdir()}
        assert {"README.md", "chip.toml", "model.py", "substrate.py"} <= names
