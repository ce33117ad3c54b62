"""Sphinx settings. Pages are Markdown (MyST); warnings are errors, see `check`."""

from __future__ import annotations

from importlib.metadata import version as installed_version

from sphinx.application import Sphinx

from spikewright.substrates import chips
from spikewright.substrates.base import capability_table

project = "Spikewright"
author = "The Spikewright authors"
copyright = "2026, The Spikewright authors"
release = version = installed_version("spikewright")

extensions = ["myst_parser", "sphinx.ext.doctest"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "Spikewright"

# Only blocks marked as doctest are run here; ```python blocks are run by tests/test_examples.py.
doctest_test_doctest_blocks = ""

CAPABILITIES = "<!-- capabilities -->"


def write_capabilities(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the table of what substrates can do, read from their chip files, where a page asks for it."""
    if CAPABILITIES not in source[0]:
        return
    head, *rows = capability_table(chips().values())
    lines = [head, ("---",) * len(head), *rows]
    table = "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
    source[0] = source[0].replace(CAPABILITIES, table)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the hook."""
    app.connect("source-read", write_capabilities)
    return {"parallel_read_safe": True}
