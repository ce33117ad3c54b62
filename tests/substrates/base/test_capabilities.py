from __future__ import annotations

from pathlib import Path

from spikewright import substrates
from spikewright.substrates.base import capability_table, load_chip


def test_rows_are_the_union_of_what_chips_name(tmp_path: Path) -> None:
    chips = []
    for name, lines in (("a", 'learning = true\nweights = "8 bit"'), ("b", "free_lunch = [1, 2]")):
        path = tmp_path / f"{name}.toml"
        path.write_text(f'name = "{name}"\ntitle = "Chip {name}"\n[capabilities]\n{lines}\n')
        chips.append(load_chip(path))
    assert capability_table(chips) == [
        ("", "Chip a", "Chip b"),
        ("learning", "yes", "?"),
        ("weights", "8 bit", "?"),
        ("free lunch", "?", "1, 2"),
    ]
    assert capability_table([]) == [("",)]


def test_every_installed_substrate_has_a_column() -> None:
    chips = substrates.chips()
    assert {"ideal", "loihi"} <= set(chips)
    assert all(chip.name == name for name, chip in chips.items())
