from __future__ import annotations

from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np

from spikewright.report.meshes import heat
from spikewright.report.result import Layout, Row, Score
from spikewright.substrates.base import Costs

LAYOUT = Layout((3, 2), ((0, 0), (0, 0), (2, 1)), (0.5, 0.5, 0.1), ("a", "a", "b"))
LINKS = np.zeros((3, 2, 4))
LINKS[0, 0, 0] = LINKS[1, 0, 0] = 6.0
LINKS[2, 0, 2] = 2.5
COSTS = Costs(
    "chip",
    "quick",
    cores={"energy (J)": np.array([1e-9, 3e-9, 0.0]), "synaptic events": np.array([4, 0, 7])},
    links={"packets": LINKS},
)


def row(*costs: Costs) -> Row:
    return Row("a chip", "chip", "Chip", {}, "none", Score((1.0,)), costs, None)  # type: ignore[arg-type]


def test_a_heat_map_says_what_it_shows() -> None:
    (drawing,) = heat(row(Costs("chip", "other"), COSTS), LAYOUT)
    assert drawing.name == "heat-a-chip"
    assert drawing.title == "Heat maps of a chip, price list quick"
    assert drawing.alternative == (
        "Where a run on a chip spends: energy (J): most on core 1, 3 nJ; synaptic events: most on core 2, 7; "
        "packets: 6 on the busiest link, 14.5 in all."
    )
    assert drawing.header == ("core", "tile", "energy (J)", "synaptic events")
    assert drawing.lines == (
        ("0", "(0, 0)", "1 nJ", "4"),
        ("1", "(0, 0)", "3 nJ", "0"),
        ("2", "(2, 1)", "0 J", "7"),
    )


class Ids(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.update(v or "" for k, v in attrs if k == "id")


def test_bars_that_look_alike_have_ids_of_their_own() -> None:
    (drawing,) = heat(row(COSTS), LAYOUT)
    assert ElementTree.fromstring(drawing.svg).tag.endswith("svg")
    ids = Ids()
    ids.feed(drawing.svg)
    assert max(ids.found.values()) == 1


def test_other_meshes_are_drawn_by_tile_and_maps_of_other_cores_are_left_out() -> None:
    five = replace(
        COSTS, links={"packets": np.ones((3, 2, 5))}, cores={"busy time (s)": np.ones(9)}
    )
    (drawing,) = heat(row(five), LAYOUT)
    assert drawing.header == ("core", "tile")
    assert "packets: 1 on the busiest link, 30 in all" in drawing.alternative


def test_links_of_a_triangular_torus_are_drawn_each() -> None:
    load = np.zeros((3, 2, 6))
    load[0, 0, 4] = 2.0
    (one,) = heat(row(replace(COSTS, links={"packets": load}, cores={})), LAYOUT)
    load[1, 1, 5] = 2.0
    (two,) = heat(row(replace(COSTS, links={"packets": load}, cores={})), LAYOUT)
    assert "packets: 2 on the busiest link, 4 in all" in two.alternative
    assert two.svg.count("<path") == one.svg.count("<path") + 1


def test_without_maps_there_is_no_figure() -> None:
    assert heat(row(Costs("chip", "quick")), LAYOUT) == []
    assert heat(row(), LAYOUT) == []
    assert heat(row(replace(COSTS, links={}, cores={"x": np.ones(9)})), LAYOUT) == []
