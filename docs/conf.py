"""Sphinx settings. Pages are Markdown (MyST); warnings are errors, see `check`."""

from __future__ import annotations

from importlib.metadata import version as installed_version

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
