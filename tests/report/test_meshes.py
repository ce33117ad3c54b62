from __future__ import annotations

from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np

from spikewright.report.meshes import _window, cores_in_use, heat
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


def test_of_a_large_mesh_what_is_in_use_is_drawn() -> None:
    layout = Layout((64, 64), ((3, 60), (5, 63)), (0.5, 0.1), ("a", "b"))
    load = np.zeros((64, 64, 4))
    load[6, 63, 0] = 1.0
    costs = Costs(
        "chip", "quick", cores={"synaptic events": np.array([4, 7])}, links={"packets": load}
    )
    window = _window(layout, load)
    # a margin of one tile, and no tile beyond the mesh
    assert (window.left, window.right, window.top, window.bottom) == (2, 8, 59, 64)
    (drawing,) = heat(row(costs), layout)
    placed = cores_in_use(row(costs), layout)
    for made in (drawing, placed):
        assert made.caption.endswith(" The rest of the 64 by 64 tiles is empty.")
        # one polygon or line per tile of the window, not 4096
        assert made.svg.count("<path") < 200
    assert "2 cores in use on a mesh of 64 by 64" in placed.alternative
    small = Layout((3, 2), ((1, 1),), (0.5,), ("a",))
    assert _window(small).told == ""


def test_links_that_carry_nothing_are_not_drawn() -> None:
    layout = Layout((8, 8), ((0, 0),), (0.5,), ("a",))
    costs = Costs(
        "chip",
        "quick",
        cores={"synaptic events": np.array([4])},
        links={"packets": np.zeros((8, 8, 4))},
    )
    (drawing,) = heat(row(costs), layout)
    assert "No packets between cores." in drawing.caption
    assert "packets: none, no spike leaves its core" in drawing.alternative
    assert "packets on links" not in drawing.svg
