from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from spikewright import engines
from spikewright.errors import UsageError
from spikewright.events import Events, argmax_count
from spikewright.network import LIF, Input, Network, Population
from spikewright.report import Comparison, compare, compare_network, run_samples, to_json
from spikewright.report.compare import Prepared, chip_seed
from spikewright.report.targets import Target, targets
from spikewright.substrates.base import Substrate


def test_every_substrate_and_variant_has_a_row(comparison: Comparison) -> None:
    assert [r.label for r in comparison.rows] == ["ideal", "loihi", "pcm", "pcm, plain"]
    assert [r.score.n for r in comparison.rows] == [2, 2, 4, 4]
    assert comparison.failed == {}


def test_the_ideal_row_is_what_the_engine_gives(
    comparison: Comparison, task: Any, toy: Network
) -> None:
    inputs = task.test.batch(np.arange(task.test.n), seed=0)
    recording = engines.run(toy, {"input": inputs}, engine="reference")
    right = argmax_count(recording.dense("output")) == task.test.labels
    assert comparison.row("ideal").score.runs[0] == pytest.approx(right.mean())


def test_the_ideal_row_has_no_price(comparison: Comparison) -> None:
    ideal = comparison.row("ideal")
    assert not ideal.is_priced
    assert (ideal.device, ideal.system, ideal.latency, ideal.area) == (None, None, None, None)


def test_the_band_of_a_row_holds_all_price_lists(comparison: Comparison) -> None:
    loihi = comparison.row("loihi")
    assert [c.preset for c in loihi.prices] == ["davies", "nahuku"]
    system = loihi.system
    assert system is not None
    for costs in loihi.prices:
        assert system.low <= costs.system.low <= costs.system.high <= system.high
    assert system.value == loihi.prices[0].system.value


def test_a_row_trained_through_a_substrate_says_so(comparison: Comparison) -> None:
    assert comparison.row("pcm").training == "through pcm"
    assert comparison.row("pcm, plain").training == "plain"
    assert comparison.row("pcm").options["time"] == "1 year"
    assert "seed 0 cached" in comparison.about["training"]


def test_damage_is_measured_where_it_is_asked_for(comparison: Comparison) -> None:
    whole, hurt = comparison.row("ideal").damage
    assert whole == (0.0, pytest.approx(comparison.row("ideal").score.mean))
    assert hurt[0] == 0.5


def test_it_is_plain_data(comparison: Comparison) -> None:
    data = json.loads(to_json(comparison))
    assert data["rows"][0]["totals"]["system_energy"] is None
    assert data["rows"][1]["totals"]["system_energy"]["value"] > 0
    assert data["rows"][1]["grade"]


def test_the_same_seed_gives_the_same_comparison(task: Any, trainer: Any) -> None:
    a, b = (
        compare(task, trainer, substrates=["ideal", "pcm"], seeds=1, instances=2, seed=4)
        for _ in range(2)
    )
    assert a.rows == b.rows
    assert a.row("pcm").score.n == 2


def test_pieces_give_what_one_run_gives(
    task: Any, trainer: Any, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("spikewright.report.compare"), "BATCH", 7)
    pieces = compare(task, trainer, substrates=["ideal", "pcm"], seeds=2, instances=2)
    for label in ("ideal", "pcm"):
        whole = comparison.row(label)
        assert pieces.row(label).score.runs == pytest.approx(whole.score.runs)
        assert pieces.row(label).activity.spikes == pytest.approx(whole.activity.spikes)
    found, wanted = pieces.row("pcm").system, comparison.row("pcm").system
    assert found is not None
    assert wanted is not None
    assert found.value == pytest.approx(wanted.value)


def test_a_substrate_that_cannot_take_the_network_is_named_with_its_reason(task: Any) -> None:
    from spikewright.network import AdEx, chain, dense, neurons, source

    def trainer(seed: int, line: Target, chip: Substrate | None) -> Prepared:
        net = chain(source(12), dense(3), neurons(AdEx), dt=1e-4, seed=seed)
        return Prepared(net, "trained")

    found = compare(task, trainer, substrates=["ideal", "loihi"], seeds=1)
    assert [r.label for r in found.rows] == ["ideal"]
    assert "AdEx" in found.failed["loihi"]


def test_a_training_can_refuse_a_chip_and_bring_its_own_data(task: Any, toy: Network) -> None:
    def trainer(seed: int, line: Target, chip: Substrate | None) -> Prepared:
        if chip is not None:
            chip.check_preset("none")
        return Prepared(toy, "trained", data=other, note="other samples")

    other = replace(task, test=replace(task.test, name="other"))
    found = compare(task, trainer, substrates=["ideal", "pcm"], seeds=1, instances=1)
    assert [r.label for r in found.rows] == ["ideal", "pcm, plain"]
    assert "no preset" in found.failed["pcm"]
    assert found.about["note on plain"] == "other samples"
    inputs = other.test.batch(np.arange(30), seed=0)
    counts = run_samples(toy, inputs).dense(toy.outputs[0])
    right = np.mean(argmax_count(counts.reshape(*counts.shape[:2], -1)) == other.test.labels)
    assert found.row("ideal").score.runs == (pytest.approx(right),)


def test_interrupted_between_trainings_keeps_what_the_trainer_kept(task: Any, toy: Network) -> None:
    done = []

    def trainer(seed: int, line: Target, chip: Substrate | None) -> Prepared:
        if done:
            raise KeyboardInterrupt
        done.append(seed)
        return Prepared(toy, "trained")

    with pytest.raises(KeyboardInterrupt):
        compare(task, trainer, substrates=["ideal"], seeds=2)
    assert done == [0]


def test_a_network_is_compared_by_agreement_with_ideal(toy: Network) -> None:
    events = Events(np.arange(40) * 500, np.arange(40) % 12, (12,), tick=1e-6)
    found = compare_network(toy, {"input": events}, substrates=["pcm", "ideal"], instances=2)
    assert found.measure == "agreement"
    assert found.row("ideal").score.runs == (1.0,)
    assert found.row("pcm").training == "as given"
    assert 0 <= found.row("pcm").score.mean <= 1


def test_chip_instances_differ_by_training_and_number() -> None:
    assert len({chip_seed(s, i) for s in range(5) for i in range(10)}) == 50


def test_unknown_substrates_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"substrates: unknown; found nope, expected some of ideal"
    ):
        targets(["nope"])


def test_no_substrates_are_refused() -> None:
    with pytest.raises(UsageError, match="substrates: none is named"):
        targets([])


@pytest.mark.parametrize("name", ["seeds", "instances"])
def test_counts_must_be_positive(task: Any, trainer: Any, name: str) -> None:
    with pytest.raises(UsageError, match=f"compare: {name}: too few; found 0, expected 1 or more"):
        compare(task, trainer, **{name: 0})


def test_a_network_with_two_inputs_cannot_take_samples() -> None:
    net = Network(
        dt=1e-3,
        populations={"a": Population(Input, 2), "b": Population(Input, 2), "c": Population(LIF, 1)},
    )
    with pytest.raises(UsageError, match="needs one input and one output population"):
        run_samples(net, np.zeros((1, 1, 2)))
