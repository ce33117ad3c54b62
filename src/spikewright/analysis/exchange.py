"""Spikes and traces as Neo's objects, and the searches for patterns that Elephant has.

Both are optional: `pip install 'spikewright[analysis]'`. Neo (BSD-3) is what the field's tools for recorded data read;
Elephant (BSD-3) holds two searches that are used here and nowhere else: CAD (Russo and Durstewitz, "Cell assemblies at
multiple time scales with arbitrary lag constellations", eLife 6, 2017) and SPADE (Quaglio, Yegenoglu, Torre, Endres,
Gruen, "Detection and evaluation of spatio-temporal spike patterns in massively parallel spike train data with SPADE",
Front. Comput. Neurosci. 11, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.analysis.trains import Trains
from spikewright.engines.recording import Recording
from spikewright.errors import MissingExtra
from spikewright.units import pretty


@dataclass(frozen=True, eq=False)
class Pattern:
    """Neurons that fire one after the other, again and again.

    Parameters
    ----------
    neurons : int64 (k,)
    lags : s after the first of them, (k,)
    times : s, of the first one, one per occurrence
    p : of finding it by chance, as the search says; NaN where it does not
    """

    neurons: NDArray[np.int64]
    lags: NDArray[np.float64]
    times: NDArray[np.float64]
    p: float


def to_neo(recording: Recording, *, sample: int = 0) -> Any:
    """Return one sample of a recording as a `neo.Block` of one segment.

    Spikes are `SpikeTrain`s in s, annotated with `population` and `neuron`. Traces are `AnalogSignal`s where every step
    was kept, else `IrregularlySampledSignal`s; they are named "population.variable" and have units where Neo knows
    them. A row of a trace is the state at the end of its step.

    Raises
    ------
    MissingExtra : Neo is not installed
    """
    neo, pq = _neo("to_neo")
    block = neo.Block(name=recording.network.name, engine=recording.engine, seed=recording.seed)
    segment = neo.Segment(name=f"sample {sample}")
    dt = recording.network.dt
    for name in recording.spikes:
        segment.spiketrains += _spike_trains(
            Trains.from_recording(recording, name, sample=sample), name
        )
    for name, traces in recording.traces.items():
        steps = recording.trace_steps(name) + recording.first_step
        neurons = recording.trace_neurons(name)
        model = recording.network.populations[name].model
        for variable, values in traces.items():
            rows = np.asarray(values)[:, sample].reshape(len(steps), -1)
            known = variable in model.state and not model.integer
            unit = _unit(pq, pretty(model.dimensions[variable])) if known else pq.dimensionless
            more: dict[str, Any] = {
                "name": f"{name}.{variable}",
                "array_annotations": {"neuron": neurons},
                "population": name,
            }
            if len(steps) > 1 and np.all(np.diff(steps) == 1):
                signal = neo.AnalogSignal(
                    rows,
                    units=unit,
                    sampling_period=dt * pq.s,
                    t_start=(steps[0] + 1) * dt * pq.s,
                    **more,
                )
            else:
                signal = neo.IrregularlySampledSignal(
                    (steps + 1) * dt * pq.s, rows, units=unit, **more
                )
            (
                segment.analogsignals
                if isinstance(signal, neo.AnalogSignal)
                else segment.irregularlysampledsignals
            ).append(signal)
    block.segments.append(segment)
    return block


def trains_to_neo(trains: Trains, name: str = "") -> list[Any]:
    """Return trains as a list of `neo.SpikeTrain`, one per neuron.

    Raises
    ------
    MissingExtra : Neo is not installed
    """
    _neo("trains_to_neo")
    return _spike_trains(trains, name)


def cell_assemblies(
    trains: Trains, width: float, *, longest: int, alpha: float = 0.05, least: int = 3
) -> list[Pattern]:
    """Return assemblies that Elephant's CAD finds: synfire chains, for instance.

    It does not look at pairs of neurons that would meet five times or less by chance: too few spikes give nothing.

    Parameters
    ----------
    trains : Trains
    width : s, of a bin
    longest : bins that two of its neurons may be apart
    alpha : level of significance
    least : occurrences that it must have

    Raises
    ------
    MissingExtra : Elephant is not installed
    """
    conversion = _elephant("conversion", "cell_assemblies")
    detection = _elephant("cell_assembly_detection", "cell_assemblies")
    binned = conversion.BinnedSpikeTrain(
        trains_to_neo(trains), bin_size=_seconds(width), tolerance=1e-6
    )
    found = detection.cell_assembly_detection(
        binned, max_lag=longest, alpha=alpha, min_occurrences=least
    )
    return [
        _pattern(one["neurons"], one["lags"], one["times"], float(np.min(one["pvalue"])))
        for one in found
    ]


def patterns(
    trains: Trains, width: float, *, longest: int, neurons: int = 3, least: int = 3, **more: Any
) -> list[Pattern]:
    """Return patterns of spikes that Elephant's SPADE finds; without surrogates (`n_surr`), their p is NaN.

    Parameters
    ----------
    trains : Trains
    width : s, of a bin
    longest : bins that a pattern may last
    neurons, least : spikes and occurrences that it must have
    more : goes to `elephant.spade.spade`

    Raises
    ------
    MissingExtra : Elephant is not installed
    """
    spade = _elephant("spade", "patterns")
    found = spade.spade(
        trains_to_neo(trains),
        bin_size=_seconds(width),
        winlen=longest,
        min_spikes=neurons,
        min_occ=least,
        **more,
    )
    return [
        _pattern(one["neurons"], one["lags"], one["times"], one.get("pvalue", -1))
        for one in found["patterns"]
    ]


def _pattern(neurons: Any, lags: Any, times: Any, p: float) -> Pattern:
    """Return a pattern in the order of its lags; Elephant leaves out the first, which is 0, and says -1 for no p."""
    late = np.concatenate([[0.0], np.asarray(lags.rescale("s").magnitude, float).reshape(-1)])
    order = np.argsort(late, kind="stable")
    return Pattern(
        np.asarray(neurons, np.int64)[order],
        late[order] - late[order[0]],
        np.asarray(times.rescale("s").magnitude, float) + late[order[0]],
        float(p) if p is not None and p >= 0 else float("nan"),
    )


def _spike_trains(trains: Trains, name: str) -> list[Any]:
    neo, pq = _neo("to_neo")
    return [
        neo.SpikeTrain(
            np.clip(trains[j], trains.begin, trains.end) * pq.s,
            t_start=trains.begin * pq.s,
            t_stop=trains.end * pq.s,
            population=name,
            neuron=j,
        )
        for j in range(trains.n)
    ]


def _seconds(value: float) -> Any:
    return value * _neo("seconds")[1].s


def _unit(pq: Any, text: str) -> Any:
    """Return a unit of Neo; without dimension where it has none of that name."""
    try:
        return pq.Quantity(1.0, text.replace("^", "**"))
    except LookupError:
        return pq.dimensionless


def _neo(feature: str) -> tuple[Any, Any]:
    try:
        import neo
        import quantities
    except ImportError:
        raise MissingExtra(f"analysis.{feature}", "Neo", "analysis") from None
    return neo, quantities


def _elephant(module: str, feature: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"elephant.{module}")
    except ImportError:
        raise MissingExtra(f"analysis.{feature}", "Elephant", "analysis") from None
