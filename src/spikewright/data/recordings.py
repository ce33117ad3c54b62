"""Recordings of event cameras as a data set: folders with one folder per class, or any sequence of events and labels.

Every recording becomes `steps` steps of `dt` from its own first event: in a step, a pixel spiked in a polarity or it
did not. What comes after the last step is left out, and counted in the data set's notes. A large set does not fit into
memory as numbers, so spikes are kept as bits, 24 in a float32, and unpacked batch by batch; the cache has them so too.

The defaults are those of N-MNIST, whose recordings take about 300 ms: three movements of the camera, 100 ms each.

Source
------
Orchard, Jayawant, Cohen, Thakor, "Converting static image datasets to spiking neuromorphic datasets using saccades",
2015, 10.3389/fnins.2015.00437 (duration, folders `Train` and `Test` with a folder for each class)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikewright.data.base import Dataset
from spikewright.data.recorded import (
    Steps,
    dataset_of,
    divided,
    fetched,
    keep,
    notes_of,
    spikes_of,
)
from spikewright.errors import DataError, explain
from spikewright.events.camera import CameraEvents

VERSION = 1
"""Part of the cache's key; raised when the same recordings begin to give other spikes."""
STEPS, DT = 20, 15e-3
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
"""Part -> what its folder may be called, in small letters."""
FIELDS = ("t", "x", "y", "p")


class Labeled(Protocol):
    """What data sets of tonic are, and lists of pairs: a number of samples, each events and a label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


# -- folders --------------------------------------------------------------------------------------------


def load(
    folder: Path | None = None,
    *,
    steps: int = STEPS,
    dt: float = DT,
    size: tuple[int, int] | None = None,
    shrink: int = 1,
    source: str = "recordings in a folder",
    license: str = "not stated",
) -> Dataset:
    """Read recordings from folders: one for each class, maybe in folders for training and test.

    Parameters
    ----------
    folder : holds a folder for each class, or `train` and `test` (and `validation`) with one for each class
    steps : T
    dt : float, s
    size : width, height of the sensor; None takes the largest that a recording has
    shrink : pixels along each side that become one
    source, license : of the data set

    Returns
    -------
    Dataset : shape (2, rows, columns), OFF first

    Raises
    ------
    DataError : no folder, no classes, or a class without a recording in some part
    FormatError : a file is no recording
    """
    if folder is None or not folder.is_dir():
        raise DataError(
            explain(
                "data set 'recordings'", "needs a folder",
                found="none" if folder is None else f"no folder {str(folder)!r}",
                expected="a folder for each class, or train and test with these",
            )
        )  # fmt: skip
    classes, listed = _listed(folder)
    paths = [path for part in listed.values() for path, _ in part]
    labels = np.array([label for part in listed.values() for _, label in part], np.int64)
    checksum, largest = _looked_at(paths, folder, sized=size is None)
    how = Steps(steps, dt, size or largest, shrink)
    parts = divided(labels, {name: len(part) for name, part in listed.items()})
    address = f"{VERSION}/{how!r}/{classes!r}/{checksum}"
    damaged: list[str] = []

    def each() -> Iterator[CameraEvents]:
        from spikewright.events.formats import read

        for path in paths:
            loaded = read(path)
            if loaded.irregularities.harmful:
                damaged.append(f"{path.relative_to(folder)}: {loaded.irregularities.harmful[0]}")
            yield loaded.events

    inputs, lost = spikes_of(address, len(paths), how, each())
    notes = notes_of(lost, how)
    if damaged:
        notes.append(f"{len(damaged)} recordings are damaged, the first: {damaged[0]}")
    return dataset_of(
        "recordings", inputs, labels, parts, classes, how, notes, source, license, checksum
    )


def _listed(folder: Path) -> tuple[tuple[str, ...], dict[str, list[tuple[Path, int]]]]:
    """Return names of classes, and for each part its recordings with their labels."""
    inner = {each.name.lower(): each for each in folder.iterdir() if each.is_dir()}
    homes = {
        part: next(inner[name] for name in names if name in inner)
        for part, names in PARTS.items()
        if any(name in inner for name in names)
    }
    divided = "train" in homes and "test" in homes
    homes = homes if divided else {"all": folder}
    found = {part: _classes(home) for part, home in homes.items()}
    classes = sorted({name for each in found.values() for name in each}, key=_in_order)
    if not classes:
        raise DataError(
            explain(
                f"data set 'recordings': {folder}", "holds no folders with recordings",
                expected="a folder for each class",
            )
        )  # fmt: skip
    for part, home in homes.items():
        missing = [name for name in classes if not found[part].get(name)]
        if missing:
            raise DataError(
                explain(
                    f"data set 'recordings': {home}", "has no recordings of a class",
                    found=", ".join(missing[:5]), cure="add some, or take the class out",
                )
            )  # fmt: skip
    return tuple(classes), {
        part: [(path, k) for k, name in enumerate(classes) for path in found[part][name]]
        for part in homes
    }


def _classes(home: Path) -> dict[str, list[Path]]:
    return {
        each.name: [
            path
            for path in sorted(each.iterdir())
            # an index beside a recording is none
            if path.is_file() and not path.name.startswith(".") and path.suffix != ".evidx"
        ]
        for each in home.iterdir()
        if each.is_dir() and not each.name.startswith(".")
    }


def _in_order(name: str) -> tuple[int, int, str]:
    # class 10 comes after class 9
    return (0, int(name), name) if name.isdecimal() and len(name) < 10 else (1, 0, name)


def _looked_at(paths: Sequence[Path], folder: Path, *, sized: bool) -> tuple[str, tuple[int, int]]:
    """Return a checksum of all files, and the largest sensor of them where that is asked for."""
    from spikewright.events.formats import open_recording

    total = hashlib.sha256()
    width = height = 1
    for path in paths:
        total.update(str(path.relative_to(folder)).encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
        if sized:
            with open_recording(path) as reader:
                width = max(width, reader.header.width)
                height = max(height, reader.header.height)
    return total.hexdigest(), (width, height)


# -- sequences ------------------------------------------------------------------------------------------


def of_samples(
    train: Labeled,
    test: Labeled | None = None,
    validation: Labeled | None = None,
    *,
    steps: int = STEPS,
    dt: float = DT,
    size: tuple[int, int] | None = None,
    shrink: int = 1,
    classes: Sequence[str] | None = None,
    cache_as: str | None = None,
    name: str = "recordings",
    source: str = "samples",
    license: str = "not stated",
) -> Dataset:
    """Make a data set of anything that has a length and gives (events, label): a tonic data set, a list of clips.

    Parameters
    ----------
    train, test, validation : events are `CameraEvents`, or a structured array with t (us), x, y, p as tonic's; without
        y every event is in row 0. Without a test part, or without validation, samples of `train` are set aside
    steps : T
    dt : float, s
    size : width, height; None takes what `train` says (its `sensor_size`, or the first sample)
    shrink : pixels along each side that become one
    classes : names; None takes those of `train`, or the labels
    cache_as : name under which spikes are kept and found again without reading a sample. It must say all that the
        samples depend on, because nothing else is compared. None: nothing is kept
    name, source, license : of the data set

    Returns
    -------
    Dataset : shape (2, rows, columns), OFF first

    Raises
    ------
    DataError : samples that are no events, labels that are no classes, or a part that is empty
    """
    given = {"train": train, "validation": validation, "test": test}
    listed = {part: each for part, each in given.items() if each is not None}
    counts = {part: len(each) for part, each in listed.items()}
    if not counts["train"]:
        raise DataError(explain(f"data set {name!r}: train", "has no samples"))
    how = Steps(steps, dt, size or _size_of(train, name), shrink)
    names = None if classes is None and not hasattr(train, "classes") else tuple(
        map(str, classes if classes is not None else train.classes)  # type: ignore[attr-defined]
    )  # fmt: skip
    n = sum(counts.values())
    labels = np.zeros(n, np.int64)
    found: list[Any] = []

    def each() -> Iterator[CameraEvents]:
        for part, samples in listed.items():
            for k in range(counts[part]):
                events, label = samples[k]
                found.append(label.item() if isinstance(label, np.generic) else label)
                yield _events(events, how.size or (0, 0), f"data set {name!r}: {part}[{k}]")

    address = None if cache_as is None else f"{VERSION}/{how!r}/{counts!r}/{names!r}/{cache_as}"
    stored = fetched(address, n, how)
    if stored is not None:
        inputs, lost, labels = stored
        names = names or _counted(labels)
    else:
        inputs, lost = spikes_of(None, n, how, each())
        labels, known = _numbered(found, names, name)
        # what the classes are called is not kept, so it must be known without reading
        if address is not None and (names is not None or known == _counted(labels)):
            keep(address, inputs, lost, labels)
        names = known
    order = [part for part in ("train", "validation", "test") if part in listed]
    parts = divided(labels, {part: counts[part] for part in order})
    total = hashlib.sha256(inputs.data)
    total.update(labels.data)
    return dataset_of(
        name, inputs, labels, parts, names, how, notes_of(lost, how), source, license,
        total.hexdigest(),
    )  # fmt: skip


def _size_of(train: Labeled, name: str) -> tuple[int, int]:
    declared = getattr(train, "sensor_size", None)
    if declared is not None:
        return int(declared[0]), int(declared[1])
    events = train[0][0]
    if isinstance(events, CameraEvents):
        return events.width, events.height
    raise DataError(
        explain(f"data set {name!r}: size", "is not known", cure="say size=(width, height)")
    )


def _events(given: Any, size: tuple[int, int], where: str) -> CameraEvents:
    if isinstance(given, CameraEvents):
        return given
    names = getattr(getattr(given, "dtype", None), "names", None) or ()
    if not {"t", "x"} <= set(names) or given.ndim != 1:
        raise DataError(
            explain(
                where, "is not events", found=f"fields {names}" if names else type(given).__name__,
                expected="CameraEvents, or a structured array with t, x, y, p",
            )
        )  # fmt: skip
    columns = []
    for field in FIELDS:
        column = given[field] if field in names else np.full(len(given), field == "p", np.uint8)
        if column.dtype.kind == "f":
            if not (np.isfinite(column).all() and (column == np.floor(column)).all()):
                raise DataError(
                    explain(
                        f"{where}: {field}", "is not whole numbers",
                        expected="us and pixels", cure="scale and round them first",
                    )
                )  # fmt: skip
            column = column.astype(np.int64)
        if column.dtype.kind not in "iub":
            raise DataError(explain(f"{where}: {field}", "is no number", found=column.dtype))
        columns.append(column)
    t, x, y, p = columns
    # tonic's older readers say -1 for OFF
    return CameraEvents(t.astype(np.int64), x, y, (p > 0).astype(np.uint8), *size)


def _numbered(
    found: list[Any], names: tuple[str, ...] | None, name: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as numbers, and the names of the classes."""
    if all(isinstance(label, int) and not isinstance(label, bool) for label in found):
        labels = np.array(found, np.int64)
        if labels.min() >= 0 and int(labels.max()) < len(names or _counted(labels)):
            return labels, names or _counted(labels)
    elif all(isinstance(label, str) for label in found):
        known = names or tuple(sorted(set(found)))
        place = {each: k for k, each in enumerate(known)}
        if set(found) <= set(place):
            return np.array([place[label] for label in found], np.int64), known
    strange = sorted({repr(label) for label in found})[:5]
    raise DataError(
        explain(
            f"data set {name!r}: labels", "are not classes", found=", ".join(strange),
            expected=f"names or numbers of {len(names)} classes" if names else "numbers or names",
        )
    )  # fmt: skip


def _counted(labels: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(str(k) for k in range(int(labels.max()) + 1))
