from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.errors import ConstantError
from spikewright.substrates.base import Grade, load_chip, read_constant

GOOD = {"value": "23.6 pJ", "source": "Author 2018, table 2", "grade": "measured"}
HEAD = 'name = "tiny"\ntitle = "Tiny"\n'


def chip_file(folder: Path, text: str) -> Path:
    path = folder / "chip.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_value_is_si_and_the_band_collapses_without_one() -> None:
    constant = read_constant("e", GOOD, "chip.toml: energy")
    assert (constant.value, constant.unit) == (23.6e-12, "J")
    assert (constant.low, constant.high) == (constant.value, constant.value)
    assert constant.grade is Grade.MEASURED
    assert str(constant) == "e = 23.6 pJ (measured: Author 2018, table 2)"


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("0.469 mm^2", 0.469e-6, "m^2"),
        ("104.4 mW", 0.1044, "W"),
        ("23.6pJ", 23.6e-12, "J"),
        ("128", 128.0, "1"),
        (128, 128.0, "1"),
        ("1.7e-3 s", 1.7e-3, "s"),
    ],
)
def test_units_lose_their_prefix(text: object, value: float, unit: str) -> None:
    constant = read_constant("x", GOOD | {"value": text}, "here")
    assert constant.value == pytest.approx(value, rel=1e-12)
    assert constant.unit == unit


def test_band_is_read_in_the_unit_of_the_value() -> None:
    constant = read_constant("p", GOOD | {"value": "65 mW", "band": ["60 mW", "0.07 W"]}, "here")
    assert (constant.low, constant.high) == pytest.approx((0.06, 0.07))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "much"}, "here.e: bad value: quantity 'much': not a number with a unit"),
        ({"value": True}, "here.e: bad value: True is not a quantity such as '23.6 pJ'"),
        ({"value": float("nan")}, "here.e: bad value: nan is not a number"),
        ({"value": "3 parsecs"}, "here.e: bad value: unit 'parsecs': unknown symbol"),
        ({"value": "1e400 pJ"}, "here.e: bad value: '1e400 pJ' is beyond every number"),
        ({"band": ["1 pJ"]}, "here.e: bad value: not enough values to unpack"),
        ({"band": ["1 s", "2 s"]}, "here.e: bad value: quantity '1 s': wrong dimension; found s"),
        ({"band": ["30 pJ", "40 pJ"]}, "here.e: the value lies outside its band; found 2.36e-11"),
        (
            {"band": [20, 30]},
            "here.e: bad value: quantity '20': wrong dimension; found 1, expected J",
        ),
        ({"source": " "}, "here.e: has no source — name the paper and the place in it"),
        ({"grade": "sure"}, "here.e: has no valid grade; found sure, expected measured, publ"),
        ({"grade": ["measured"]}, "here.e: has no valid grade"),
        ({"colour": "red"}, "here.e: unknown keys; found colour, expected band, grade, note"),
    ],
)
def test_a_bad_constant_is_explained(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConstantError) as caught:
        read_constant("e", GOOD | change, "here")
    assert message in str(caught.value)


def test_a_bare_number_is_refused() -> None:
    with pytest.raises(ConstantError) as caught:
        read_constant("e", 3, "here")
    assert str(caught.value) == (
        'here.e: a number without a source; found 3, expected { value = "23.6 pJ", source = "paper, place", '
        'grade = "measured" }'
    )


def test_chip_file_is_read_table_by_table(tmp_path: Path) -> None:
    constant = '{ value = "2", source = "s", grade = "vendor" }'
    chip = load_chip(
        chip_file(
            tmp_path,
            f'{HEAD}unpublished = ["x"]\n[capabilities]\nlearning = "-"\n[limits]\ncores = {constant}\n'
            f'[energy.one]\nspike = {constant}\n[[passes]]\nkind = "retime"\n',
        )
    )
    assert (chip.name, chip.title, chip.description) == ("tiny", "Tiny", "")
    assert chip.limit("cores") == 2
    assert list(chip.tables) == ["energy.one"]
    assert [(table, c.name) for table, c in chip.constants()] == [
        ("limits", "cores"),
        ("energy.one", "spike"),
    ]
    assert chip.unpublished == ("x",)
    assert chip.passes == ({"kind": "retime"},)
    assert chip.capabilities["learning"] == "-"


def test_every_problem_of_a_file_is_listed(tmp_path: Path) -> None:
    path = chip_file(
        tmp_path,
        'name = "tiny"\nunpublished = "nothing"\nspeed = 3\n[energy]\nspike = 5\n'
        'hop = { source = "s", grade = "vendor" }\n',
    )
    with pytest.raises(ConstantError) as caught:
        load_chip(path)
    text = str(caught.value)
    assert text.startswith("5 problems")
    for part in (
        "chip.toml: needs 'title', a text",
        "chip.toml: unpublished: not a list of texts; found 'nothing'",
        "chip.toml: speed: not a table of constants",
        "chip.toml: energy.spike: a number without a source; found 5",
        "chip.toml: energy.hop: bad value",
    ):
        assert part in text, part


def test_what_is_no_chip_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConstantError, match=r"absent\.toml: cannot be read: No such file"):
        load_chip(tmp_path / "absent.toml")
    with pytest.raises(ConstantError, match=r"chip\.toml: not TOML"):
        load_chip(chip_file(tmp_path, "name = "))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ConstantError, match=r"binary\.toml: not TOML"):
        load_chip(binary)


def test_grades_are_ordered_from_measured_to_assumed() -> None:
    assert Grade.weakest([]) is None
    assert Grade.weakest([Grade.MEASURED, Grade.FITTED, Grade.VENDOR]) is Grade.FITTED
    assert [g.rank for g in Grade] == list(range(7))
