"""SONATA configurations are files that verbs take."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.cli.documents import Kind, kind_of, read_network
from spikewright.errors import FormatError


def test_a_circuit_is_a_network(shared: Path) -> None:
    path = shared / "data/sonata/300_intfire/circuit_config.json"
    assert kind_of(path) is Kind.SONATA
    network, notes = read_network(path)
    assert network.n_neurons == 420
    assert any("engine='event'" in note for note in notes)


def test_another_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"a": 1}')
    with pytest.raises(FormatError, match="is no configuration of SONATA; found a"):
        read_network(path)
