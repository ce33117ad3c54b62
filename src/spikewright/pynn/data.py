"""Recorded data: a light stand-in for neo's Block, with the attributes that scripts use, and the way to neo itself.

Where the package neo is installed, `get_data` returns neo's own objects; else these. Times are in ms.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.files import replacing


class _Signal(np.ndarray):
    """An array with a name, units and notes."""

    name: str
    units: str
    annotations: dict[str, Any]

    def __array_finalize__(self, other: Any) -> None:
        if other is not None:
            self.__dict__.update(getattr(other, "__dict__", {}))

    def __reduce__(self) -> Any:
        return _restore, (type(self), np.asarray(self), dict(self.__dict__))

    @property
    def magnitude(self) -> NDArray[np.float64]:
        """The plain numbers."""
        return np.asarray(self)


class SpikeTrain(_Signal):
    """Spike times of one neuron, ms, from `t_start` to `t_stop`."""

    t_start: float
    t_stop: float

    @property
    def times(self) -> NDArray[np.float64]:
        """The plain numbers."""
        return np.asarray(self)


class AnalogSignal(_Signal):
    """A variable over time, (samples, neurons), every `sampling_period` ms from `t_start` on."""

    t_start: float
    sampling_period: float
    array_annotations: dict[str, Any]

    @property
    def times(self) -> NDArray[np.float64]:
        """When each row was taken, ms."""
        return self.t_start + np.arange(len(self)) * self.sampling_period

    @property
    def t_stop(self) -> float:
        """The end of the last row's step, ms."""
        return self.t_start + len(self) * self.sampling_period

    @property
    def sampling_rate(self) -> float:
        """Rows per ms."""
        return 1.0 / self.sampling_period

    @property
    def channel_index(self) -> NDArray[np.int64]:
        """Index of the neuron of each column."""
        return np.asarray(self.array_annotations["channel_index"])


def _restore(kind: type, values: NDArray[Any], notes: dict[str, Any]) -> Any:
    made = values.view(kind)
    made.__dict__.update(notes)
    return made


class Segment:
    """What was recorded between two resets."""

    def __init__(self, name: str, annotations: dict[str, Any]) -> None:
        self.name, self.annotations = name, annotations
        self.spiketrains: list[SpikeTrain] = []
        self.analogsignals: list[AnalogSignal] = []

    def filter(self, name: str | None = None, **_: Any) -> list[AnalogSignal]:
        """Return the signals of a name."""
        return [s for s in self.analogsignals if name is None or s.name == name]


class Block:
    """All that was recorded of some neurons, segment by segment."""

    def __init__(self, name: str, annotations: dict[str, Any]) -> None:
        self.name, self.annotations = name, annotations
        self.segments: list[Segment] = []

    def annotate(self, **notes: Any) -> None:
        """Add notes."""
        self.annotations |= notes


def spike_train(
    times: NDArray[np.float64], t_stop: float, notes: dict[str, Any], t_start: float = 0.0
) -> SpikeTrain:
    """Return a train of spikes."""
    found = {"name": "spikes", "units": "ms", "annotations": notes}
    return _restore(SpikeTrain, times, found | {"t_start": t_start, "t_stop": t_stop})


def analog_signal(
    values: NDArray[np.float64],
    name: str,
    units: str,
    period: float,
    t_start: float,
    index: NDArray[np.int64],
    notes: dict[str, Any],
) -> AnalogSignal:
    """Return a variable over time."""
    found = {"name": name, "units": units, "sampling_period": period, "t_start": t_start}
    return _restore(
        AnalogSignal, values, found | {"annotations": notes, "array_annotations": {"channel_index": index}}
    )  # fmt: skip


def merged(blocks: Iterable[Block], name: str, annotations: dict[str, Any]) -> Block:
    """Return one block with the signals of all, segment by segment."""
    made = Block(name, annotations)
    for block in blocks:
        for k, segment in enumerate(block.segments):
            if k == len(made.segments):
                made.segments.append(Segment(segment.name, dict(segment.annotations)))
            made.segments[k].spiketrains += segment.spiketrains
            made.segments[k].analogsignals += segment.analogsignals
    return made


def with_neo(block: Block) -> Any:
    """Return a block as neo's where neo is installed, else as it is."""
    try:
        import neo
        import quantities as pq
    except ImportError:
        return block
    made = neo.Block(name=block.name, **block.annotations)
    for segment in block.segments:
        own = neo.Segment(name=segment.name, **segment.annotations)
        own.spiketrains = _neo_trains(segment.spiketrains, neo, pq)
        for signal in segment.analogsignals:
            own.analogsignals.append(
                neo.AnalogSignal(
                    signal.magnitude,
                    units=signal.units or "dimensionless",
                    name=signal.name,
                    t_start=signal.t_start * pq.ms,
                    sampling_period=signal.sampling_period * pq.ms,
                    array_annotations=signal.array_annotations,
                    **signal.annotations,
                )
            )
        made.segments.append(own)
    return made


def _neo_trains(trains: list[SpikeTrain], neo: Any, pq: Any) -> Any:
    """Return trains as neo's list, which makes its trains when they are asked for: thousands cost seconds."""
    if not trains:
        return []
    notes = {
        name: [t.annotations[name] for t in trains]
        for name in ("channel_id", "source_id", "source_index")
    }
    ids = np.array(notes["channel_id"])
    return neo.core.spiketrainlist.SpikeTrainList.from_spike_time_array(
        np.concatenate([t.magnitude for t in trains]),
        np.repeat(ids, [len(t) for t in trains]),
        all_channel_ids=ids,
        t_stop=max(t.t_stop for t in trains),
        units="ms",
        t_start=0.0 * pq.ms,
        source_population=[t.annotations["source_population"] for t in trains],
        source_id=notes["source_id"],
        source_index=notes["source_index"],
    )


def write(block: Any, target: Any) -> None:
    """Write a block to a file or a neo IO.

    Parameters
    ----------
    block : as `with_neo` returns it
    target : a neo IO; or a file name: .pkl is pickled, .npz holds arrays, others are neo's where it is installed

    Raises
    ------
    FormatError : the kind of file is not known, or it cannot be written
    """
    if hasattr(target, "write_block") or hasattr(target, "write"):
        writer = getattr(target, "write_block", None) or target.write
        writer(block)
        return
    path = Path(target)
    if path.suffix == ".pkl":
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(pickle.dumps(block))
    elif path.suffix == ".npz":
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **_arrays(block))
    else:
        _by_neo(block, path)


def _by_neo(block: Any, path: Path) -> None:
    known = ".pkl, .npz"
    try:
        import neo.io
    except ImportError:
        raise FormatError(
            explain(
                str(path),
                "no such format without neo",
                expected=known,
                cure="pip install neo, or name one of these",
            )
        ) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        writer = neo.io.get_io(str(path))
    except Exception as error:  # neo raises what its readers happen to raise
        raise FormatError(
            explain(str(path), f"neo has no such format: {error}", expected=known)
        ) from error
    writer.write_block(block)


def _arrays(block: Any) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for k, segment in enumerate(block.segments):
        trains = [np.asarray(t.magnitude) for t in segment.spiketrains]
        index = [int(t.annotations["source_index"]) for t in segment.spiketrains]
        found[f"{k}/spikes/time"] = np.concatenate([*trains, np.zeros(0)])
        found[f"{k}/spikes/neuron"] = np.repeat(index, [len(t) for t in trains]).astype(np.int64)
        for m, signal in enumerate(segment.analogsignals):
            found[f"{k}/{signal.name}/{m}"] = np.asarray(signal.magnitude)
    return found
