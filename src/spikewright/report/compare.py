"""The main job: one task, or one network, on several substrates, in one table.

For each seed a network is trained (or found trained in the cache), for each substrate it is compiled, the
held-out samples run on the engine `cpu`, and the answer is the output neuron with most spikes. Costs come from
the same runs. Substrates whose devices vary are drawn several times: an instance is a seed.

Longer than most files: it tells the main job in one place, from the task to the rows of the table.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikewright import engines
from spikewright.engines.recording import Recording
from spikewright.errors import LimitError, SubstrateError, UsageError, explain
from spikewright.events import argmax_count
from spikewright.network.graph import Network
from spikewright.report import resilience
from spikewright.report.cost import mean_costs
from spikewright.report.metrics import Activity, SynapticOperations, activity, agreement
from spikewright.report.pictures import layout, most_active, picture
from spikewright.report.progress import Progress, Silent
from spikewright.report.result import Comparison, Row, Score
from spikewright.report.targets import Target, show_options, targets, varies
from spikewright.rng import key
from spikewright.substrates.base import Compiled, Constant, Costs, Substrate

BATCH = 512
"""Samples that run together; the result does not depend on it."""
KEPT = 2**28
"""Bytes of encoded samples up to which they are kept between runs."""


@dataclass(frozen=True)
class Prepared:
    """A trained network.

    Parameters
    ----------
    network : as it was trained
    word : how it came about, for instance "cached"
    data : the data set as this network takes it; None: as the comparison was given it
    note : what is particular about the network or its data; it stands with the table
    """

    network: Network
    word: str
    data: Any = None
    note: str = ""


class Trainer(Protocol):
    """Gives the network for a task."""

    def __call__(self, seed: int, line: Target, chip: Substrate | None) -> Prepared:
        """Return a network that was trained for a chip, with its neurons and through its passes; None: for none."""


@dataclass(frozen=True)
class _Labeled:
    """Held-out samples, encoded piece by piece."""

    samples: Any
    n: int
    seed: int
    kept: dict[int, Any] = field(default_factory=dict)

    def piece(self, low: int) -> tuple[Any, Any]:
        """Return the samples from `low` on, at most BATCH, as `T B N`, and their labels."""
        index = np.arange(low, min(low + BATCH, self.n))
        labels = np.asarray(self.samples.labels)[index]
        if low in self.kept:
            return self.kept[low], labels
        inputs = self.samples.batch(index, seed=self.seed)
        if inputs.nbytes * math.ceil(self.n / BATCH) <= KEPT:
            self.kept[low] = inputs
        return inputs, labels


@dataclass(frozen=True)
class _Given:
    """Inputs without labels, and what the ideal substrate does with them."""

    inputs: Mapping[str, Any]
    ideal: Recording


@dataclass(frozen=True)
class _Task:
    """What is run and how it is judged."""

    what: _Labeled | _Given
    engine: str
    seed: int
    damage: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Run:
    score: float
    costs: tuple[Costs, ...]
    activity: Activity
    compiled: Compiled
    damage: tuple[float, ...]


def compare(
    dataset: Any,
    trainer: Trainer,
    *,
    substrates: Sequence[str] | None = None,
    seeds: int = 3,
    instances: int = 10,
    seed: int = 0,
    samples: int | None = None,
    engine: str = "auto",
    damage: Sequence[float] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Compare substrates on a task.

    Parameters
    ----------
    dataset : with a `test` part and its `classes`; see `spikewright.data`
    trainer : gives the network for a seed and a line of the table
    substrates : names; default: every one that is installed
    seeds : trainings, with the seeds `seed`, `seed + 1`, ...
    instances : chip instances per training, on substrates whose devices vary
    samples : of the test part, from the start; default: all
    engine : name of the engine
    damage : shares of synapses to kill, to see how accuracy falls
    progress : who is told

    Returns
    -------
    Comparison : a substrate that cannot take the network stands in `failed` with its reason

    Raises
    ------
    UsageError : an unknown substrate, or a number that is too small
    """
    told: Progress = progress or Silent()
    _check_counts(seeds=seeds, instances=instances)
    lines = targets(substrates)
    all_seeds = tuple(range(seed, seed + seeds))
    started = time.monotonic()
    networks, refused, words = _train(trainer, lines, all_seeds, told)
    trained = time.monotonic()
    n = dataset.test.n if samples is None else min(samples, dataset.test.n)
    task = _Task(_Labeled(dataset.test, n, seed), engine, seed, tuple(damage))
    rows, failed = _rows(lines, networks, refused, all_seeds, instances, task, told)
    first = next(iter(networks.values())).network
    about = {
        "data": f"{dataset.name}: {dataset.train.n} training, {dataset.validation.n} validation, "
        f"{n} held-out samples ({dataset.source})",
        "license of the data": dataset.license,
        "network": _describe(first),
        "training": "; ".join(words),
        "decision": "output neuron with most spikes; among equals the first to spike",
        "time": f"training {trained - started:.0f} s, compiling and running "
        f"{time.monotonic() - trained:.0f} s",
    }
    about |= {f"note {i}": text for i, text in enumerate(dataset.notes, start=1)}
    about |= {f"note on {way}": p.note for (way, _), p in networks.items() if p.note}
    return Comparison(
        dataset.name,
        "accuracy",
        rows,
        all_seeds,
        n,
        about,
        _constants(lines),
        failed,
        _version(),
    )


def compare_network(
    network: Network,
    inputs: Mapping[str, Any],
    *,
    substrates: Sequence[str] | None = None,
    instances: int = 10,
    seed: int = 0,
    steps: int | None = None,
    engine: str = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Compare substrates on what a network already is: how far output spike counts agree with the ideal substrate.

    Parameters
    ----------
    network : as it is; it is not trained
    inputs : population -> array `T B *shape`, Events, or a list of Events
    steps : of the run; default: as long as the inputs
    substrates, instances, seed, engine, progress : as in `compare`
    """
    told: Progress = progress or Silent()
    _check_counts(instances=instances)
    lines = targets(substrates, train=False)
    started = time.monotonic()
    ideal = engines.run(network, inputs, engine=engine, seed=seed, steps=steps)
    if ideal.steps == 0:
        raise UsageError(
            explain("compare", "there is nothing to compare", found="0 steps", expected="1 or more")
        )
    task = _Task(_Given(dict(inputs), ideal), engine, seed)
    given = {("as given", seed): Prepared(network, "")}
    rows, failed = _rows(lines, given, {}, (seed,), instances, task, told)
    about = {
        "network": _describe(network),
        "input": f"{ideal.batch} sample(s) of {ideal.steps} steps",
        "training": "none: the network is compared as it was given",
        "agreement": "1 - sum |a - b| / sum (a + b) over the spike counts of output neurons, against ideal",
        "time": f"{time.monotonic() - started:.0f} s",
    }
    constants = _constants(lines)
    return Comparison(
        network.name, "agreement", rows, (seed,), ideal.batch, about, constants, failed, _version()
    )


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise UsageError(
                explain(f"compare: {name}", "too few", found=value, expected="1 or more")
            )


def _way(target: Target) -> str:
    return f"through {target.substrate}" if target.aware else "plain"


def _train(
    trainer: Trainer, lines: Sequence[Target], seeds: Sequence[int], told: Progress
) -> tuple[dict[tuple[str, int], Prepared], dict[str, str], list[str]]:
    """Return the networks by way and seed, why there are none for some ways, and a word on each way."""
    ways: dict[str, Target] = {}
    for line in lines:
        ways.setdefault(_way(line), line)
    told.stage("training", len(ways) * len(seeds))
    networks, refused, words = {}, {}, []
    for way, line in ways.items():
        said = []
        for seed in seeds:
            try:
                prepared = trainer(seed, line, line.make() if line.aware else None)
            except (LimitError, SubstrateError) as error:
                refused[way] = str(error)
                told.advance(len(seeds) - len(said))
                break
            networks[way, seed] = prepared
            said.append(prepared.word)
            told.note(f"training {way}, seed {seed}: {prepared.word}")
            told.advance()
        text = ", ".join(f"seed {s} {w}" for s, w in zip(seeds, said, strict=False))
        words.append(f"{way}: {text or 'refused'}")
    return networks, refused, words


def _rows(
    lines: Sequence[Target],
    networks: Mapping[tuple[str, int], Prepared],
    refused: Mapping[str, str],
    seeds: Sequence[int],
    instances: int,
    task: _Task,
    told: Progress,
) -> tuple[tuple[Row, ...], dict[str, str]]:
    rows: list[Row] = []
    failed: dict[str, str] = {}
    pieces: dict[int, _Labeled] = {}
    per_line = {line.label: instances if varies(line.make()) else 1 for line in lines}
    told.stage("compiling and running", sum(per_line.values()) * len(seeds))
    for line in lines:
        way = "as given" if ("as given", seeds[0]) in networks else _way(line)
        if way in refused:
            failed[line.label] = refused[way]
            told.advance(per_line[line.label] * len(seeds))
            continue
        runs = []
        try:
            for seed in seeds:
                prepared = networks[way, seed]
                own = _task_of(prepared, task, pieces)
                for instance in range(per_line[line.label]):
                    runs.append(_run(line, prepared.network, seed, instance, own))
                    told.advance()
        except (LimitError, SubstrateError) as error:
            failed[line.label] = str(error)
            told.note(f"{line.label}: {error}")
            told.advance(per_line[line.label] * len(seeds) - len(runs))
            continue
        first = networks[way, seeds[0]]
        own = _task_of(first, task, pieces)
        rows.append(_row(line, way, runs, per_line[line.label], first.network, own))
    return tuple(rows), failed


def _task_of(prepared: Prepared, task: _Task, known: dict[int, _Labeled]) -> _Task:
    """Return the task with the data as a network takes it; `known` keeps what is encoded already."""
    if prepared.data is None or isinstance(task.what, _Given):
        return task
    place = id(prepared.data)
    if place not in known:
        test = prepared.data.test
        known[place] = _Labeled(test, min(test.n, task.what.n), task.what.seed)
    return replace(task, what=known[place])


def chip_seed(seed: int, instance: int) -> int:
    """Return the seed of a chip instance: another one for every training, the same in every run.

    Examples
    --------
    >>> chip_seed(0, 1) == chip_seed(0, 1), chip_seed(0, 1) == chip_seed(1, 1)
    (True, False)
    """
    return key(seed, f"chip/{instance}") >> 33


def _run(line: Target, network: Network, seed: int, instance: int, task: _Task) -> _Run:
    lists = line.price_lists()
    chip = chip_seed(seed, instance)
    compiled = lists[0].compile(network, seed=chip)
    if isinstance(task.what, _Given):
        recording = engines.run(
            compiled.network,
            task.what.inputs,
            engine=task.engine,
            seed=task.seed,
            steps=task.what.ideal.steps,
        )
        costs = tuple(s.cost(compiled, recording) for s in lists)
        score = agreement(recording, task.what.ideal)
        return _Run(score, costs, activity(recording), compiled, ())
    right, pieces, counts, sizes = 0.0, [], [], []
    for recording, correct in _answers(compiled.network, task.what, task):
        right += float(correct.sum())
        pieces.append([s.cost(compiled, recording) for s in lists])
        counts.append(activity(recording))
        sizes.append(float(recording.batch))
    costs = tuple(mean_costs([p[i] for p in pieces], sizes) for i in range(len(lists)))
    damage: tuple[float, ...] = ()
    if task.damage and instance == 0:
        labeled = task.what
        damage = resilience.sweep(
            compiled.network,
            task.damage,
            lambda hurt: sum(float(c.sum()) for _, c in _answers(hurt, labeled, task)) / labeled.n,
            seed=chip,
        )
    return _Run(right / task.what.n, costs, mean_activity(counts, sizes), compiled, damage)


def _answers(
    network: Network, labeled: _Labeled, task: _Task
) -> Iterator[tuple[Recording, NDArray[np.bool_]]]:
    for low in range(0, labeled.n, BATCH):
        inputs, labels = labeled.piece(low)
        recording = run_samples(
            network, inputs, engine=task.engine, seed=task.seed, first_sample=low
        )
        dense = recording.dense(network.outputs[0])
        yield recording, argmax_count(dense.reshape(*dense.shape[:2], -1)) == labels


def held_out_accuracy(
    network: Network, dataset: Any, *, engine: str = "auto", seed: int = 0
) -> float:
    """Return the accuracy of a network, as it is, on the held-out part of a data set."""
    labeled = _Labeled(dataset.test, dataset.test.n, seed)
    task = _Task(labeled, engine, seed)
    return sum(float(c.sum()) for _, c in _answers(network, labeled, task)) / labeled.n


def run_samples(
    network: Network, inputs: Any, *, engine: str = "auto", seed: int = 0, first_sample: int = 0
) -> Recording:
    """Run samples, array `T B N`, through the one input of a network.

    Raises
    ------
    UsageError : the network has not exactly one input and one output
    """
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UsageError(
            explain(
                f"network {network.name!r}",
                "a comparison on data needs one input and one output population",
                found=f"inputs {network.inputs}, outputs {network.outputs}",
                cure="name outputs=(...,) when making the network",
            )
        )
    return engines.run(
        network,
        {network.inputs[0]: inputs},
        engine=engine,
        seed=seed,
        first_sample=first_sample,
    )


def mean_activity(counts: Sequence[Activity], weights: Sequence[float] | None = None) -> Activity:
    """Return the mean of several runs' counts; `weights` are for instance their samples."""

    def mean(name: str) -> float:
        return float(np.average([getattr(c, name) for c in counts], weights=weights))

    def mean_operations(name: str) -> float:
        return float(np.average([getattr(c.operations, name) for c in counts], weights=weights))

    return Activity(
        mean("spikes"),
        mean("input_spikes"),
        SynapticOperations(
            *(mean_operations(name) for name in ("accumulates", "multiplies", "dense"))
        ),
        mean("updates"),
        mean("activation_sparsity"),
        mean("connection_sparsity"),
        round(mean("footprint")),
    )


def _row(
    line: Target, way: str, runs: Sequence[_Run], instances: int, network: Network, task: _Task
) -> Row:
    first = runs[0].compiled
    lists = range(len(runs[0].costs))
    shown = _shown(network)
    if isinstance(task.what, _Given):
        inputs = {n: _first(v) for n, v in task.what.inputs.items()}
        steps: int | None = task.what.ideal.steps
    else:
        inputs, steps = {first.network.inputs[0]: task.what.piece(0)[0][:, :1]}, None
    how: dict[str, Any] = {"engine": task.engine, "seed": task.seed, "steps": steps}
    chosen = most_active(network, shown, inputs, **how)
    hurt = [r.damage for r in runs if r.damage]
    return Row(
        line.label,
        line.substrate,
        line.make().chip.title,
        show_options(line.options),
        way,
        Score(tuple(r.score for r in runs)),
        # heat maps belong to one placement: that of the first run, which is shown
        tuple(
            replace(
                mean_costs([r.costs[i] for r in runs]),
                cores=runs[0].costs[i].cores,
                links=runs[0].costs[i].links,
            )
            for i in lists
        ),
        mean_activity([r.activity for r in runs]),
        first.changes,
        layout(first.placement),
        picture(first.network, shown, chosen, inputs, **how),
        instances,
        tuple(
            (share, float(np.mean([damage[i] for damage in hurt])))
            for i, share in enumerate(task.damage)
        ),
    )


def _first(value: Any) -> Any:
    """Return the first sample of an input."""
    if isinstance(value, list | tuple):
        return list(value[:1])
    return value[:, :1] if isinstance(value, np.ndarray) else value


def _shown(network: Network) -> tuple[str, ...]:
    """Return populations worth a picture: inputs, up to two that spike in between, outputs."""
    between = [
        n
        for n, p in network.populations.items()
        if p.model.is_spiking and n not in network.outputs and n not in network.inputs
    ]
    return tuple(dict.fromkeys((*network.inputs[:1], *between[:2], *network.outputs[:1])))


def _describe(network: Network) -> str:
    path = ", ".join(
        f"{name} ({p.model.name} {'x'.join(map(str, p.shape))})"
        for name, p in network.populations.items()
    )
    return f"{path}; {network.n_weights} weights, dt {network.dt * 1e3:g} ms"


def _constants(lines: Sequence[Target]) -> dict[str, tuple[tuple[str, Constant], ...]]:
    return {line.substrate: tuple(line.make().chip.constants()) for line in lines}


def _version() -> str:
    from spikewright import __version__

    return __version__
