import pytest

from spikewright import errors
from spikewright.errors import MissingExtra, NetworkError, Problems, SpikewrightError, explain


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "a: b"),
        ({"found": 1}, "a: b; found 1"),
        ({"found": 0, "expected": 2}, "a: b; found 0, expected 2"),
        ({"expected": 2, "cure": "do c"}, "a: b; expected 2 — do c"),
        ({"cure": "do c"}, "a: b — do c"),
    ],
)
def test_form_of_a_message(parts, text):
    assert explain("a", "b", **parts) == text


def test_problems_are_raised_together():
    problems = Problems()
    problems.raise_as(NetworkError)
    problems.add("a", "b")
    with pytest.raises(NetworkError, match=r"^a: b$"):
        problems.raise_as(NetworkError)
    problems.add("c", "d", found=1)
    with pytest.raises(NetworkError) as caught:
        problems.raise_as(NetworkError)
    assert str(caught.value) == "2 problems\n  1. a: b\n  2. c: d; found 1"


def test_missing_extra_is_an_import_error_with_its_cure():
    error = MissingExtra("engine 'gpu'", "PyTorch", "gpu")
    assert isinstance(error, ImportError)
    assert str(error) == "engine 'gpu' needs PyTorch — pip install 'spikewright[gpu]'"


def test_one_tree_and_its_drawing():
    found = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert all(issubclass(error, SpikewrightError) for error in found)
    assert all(error.__name__ in errors.__doc__ for error in found)
    assert all(error.__doc__ for error in found)
