"""Every example and every Python snippet of README and tutorials is run, in a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = [
    path
    for folder in ("examples", "examples/models", "examples/connectomes")
    for path in sorted((ROOT / folder).glob("*.py"))
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
TIME_LIMIT = 240  # s, per script; a script that hangs must not hang the tests

# a fence at any indent, closed by the same fence
BLOCK = re.compile(r"^( *)```python *\n(.*?)^\1``` *$", re.MULTILINE | re.DOTALL)


def as_script(page: str) -> str:
    """Return the Python blocks of a page as one script, each on the lines where the page has it.

    A fence that says Python in another way, or is not closed, is an error: it would not be run.
    """
    opened, closed = len(re.findall(r"^ *```py", page, re.MULTILINE)), len(BLOCK.findall(page))
    if opened != closed:
        raise ValueError(f"{opened} Python blocks begin, {closed} are written ```python ... ```")
    lines = [""] * len(page.splitlines())
    for block in BLOCK.finditer(page):
        first = page.count("\n", 0, block.start(2))
        indent = len(block.group(1))
        for offset, line in enumerate(block.group(2).splitlines()):
            lines[first + offset] = line[indent:]
    return "\n".join(lines).rstrip() + "\n"


def run(script: Path, folder: Path) -> None:
    """Run a script by itself, warnings being errors; if it fails, fail with what it wrote."""
    environment = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    # a page that uses recordings ends where they begin, on a machine that has none
    environment.setdefault("SPIKEWRIGHT_SHARED", str(ROOT.parent / "shared"))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{script.name} ended with {done.returncode}\n{done.stdout}{done.stderr}")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    run(example, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_snippets_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    script = tmp_path / f"{page.name}.py"  # a traceback shows the line of the page
    script.write_text(as_script(page.read_text(encoding="utf-8")), encoding="utf-8")
    run(script, tmp_path)


def test_snippets_keep_their_line_and_lose_their_indent() -> None:
    first = "Text\n```python\na = 1\n```\n"
    page = first + "- item\n\n  ```python\n  b = a\n  ```\n```console\n$ ls\n```\n"
    assert as_script(page) == "\n\na = 1\n\n\n\n\nb = a\n"


@pytest.mark.parametrize("page", ["```python\na = 1\n", "```py\na = 1\n```\n"])
def test_a_snippet_that_would_not_run_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="1 Python blocks begin, 0 are written"):
        as_script(page)


def test_a_failing_script_fails_with_what_it_wrote(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("print('so far')\nraise SystemExit('then this')\n", encoding="utf-8")
    with pytest.raises(
        pytest.fail.Exception, match=r"(?s)broken\.py ended with 1.*so far.*then this"
    ):
        run(script, tmp_path)
