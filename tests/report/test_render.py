from __future__ import annotations

import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from spikewright.errors import FormatError
from spikewright.report import Comparison, html, render, table, write_html
from spikewright.report.figures import Drawing, drawings

VOID = {"meta", "br", "hr", "img", "link", "input"}
LOADING = {"src", "href", "xlink:href", "data", "poster", "srcset", "action"}


class Reader(HTMLParser):
    """Checks nesting, collects what is loaded, and what figures say."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.images: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.loaded += [v or "" for k, v in attrs if k in LOADING]
        if found.get("role") == "img":
            self.images.append(found.get("aria-label") or "")
        if "id" in found:
            self.ids.append(found["id"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def figures(comparison: Comparison) -> tuple[Drawing, ...]:
    return drawings(comparison)


@pytest.fixture(scope="module")
def bare(comparison: Comparison) -> Comparison:
    """Without rows, so without figures: quick to write."""
    return replace(comparison, rows=())


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> str:
    return html(comparison)


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_tags_are_nested_and_closed(read: Reader) -> None:
    assert read.open == []


def test_nothing_is_loaded_from_anywhere(read: Reader, page: str) -> None:
    assert all(place.startswith(("#", "data:image/png;base64,")) for place in read.loaded)
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert "@import" not in page
    assert "url(http" not in page


def test_ids_are_unique(read: Reader) -> None:
    assert len(read.ids) == len(set(read.ids))


def test_every_figure_has_a_text_alternative(read: Reader, figures: tuple[Drawing, ...]) -> None:
    n = len(figures)
    assert read.tags.count("figure") == read.tags.count("figcaption") == n
    assert len(read.images) == n
    assert all(len(text) > 40 for text in read.images)


def test_every_figure_is_there(figures: tuple[Drawing, ...]) -> None:
    names = [d.name for d in figures]
    assert names == [
        "score-energy",
        "energy-parts",
        "activity-0",
        "activity-1",
        "activity-2",
        "mesh-loihi",
        "heat-loihi",
        "mesh-pcm",
        "damage",
    ]


def test_figures_are_well_formed_and_hold_no_font(figures: tuple[Drawing, ...]) -> None:
    for drawing in figures:
        root = ElementTree.fromstring(drawing.svg)
        assert root.tag.endswith("svg")
        assert "<text" not in drawing.svg
        assert drawing.lines


def test_text_is_escaped(page: str) -> None:
    assert "toy &lt;1&gt;" in page
    assert "toy <1>" not in page


def test_everything_is_said(page: str, comparison: Comparison) -> None:
    for constants in comparison.constants.values():
        for _, constant in constants:
            assert constant.name in page
            assert constant.grade.value.replace("_", " ") in page
    for row in comparison.rows:
        for text in (*row.unpublished, *(c.by for c in row.changes)):
            assert render.escape(text) in page
    assert "not a device" in page
    assert "@media print" in page


def test_the_same_comparison_gives_the_same_page(page: str, figures: tuple[Drawing, ...]) -> None:
    assert all(d.svg in page for d in figures)  # drawn twice


def test_the_page_is_written_whole(bare: Comparison, tmp_path: Path) -> None:
    write_html(bare, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == html(bare)
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_a_missing_folder_is_named(bare: Comparison, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be written; found no such folder"):
        write_html(bare, tmp_path / "nowhere" / "a.html")


def test_the_table_fits_a_terminal_of_80_columns(comparison: Comparison) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(comparison))
    text = console.export_text()
    assert "…" not in text
    assert "not a device" in text
    assert "mm²" in text
