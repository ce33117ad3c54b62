"""Free Spoken Digit Dataset: recordings `{digit}_{speaker}_{index}.wav`, as log-mel time series.

Parts: index 0 to 4 of each digit and speaker is test (official), 5 to 9 validation (ours), 10 and above train. Or one
speaker is test, which shows how new voices are understood: index 5 to 9 of the others is validation then, others train.
Every feature comes from its own recording alone, so nothing of a test recording enters training.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewright.data import cache
from spikewright.data.base import Dataset, Samples
from spikewright.data.encoding import Above, Encoding
from spikewright.data.melspectrum import LogMel, log_mel
from spikewright.data.wav import decode, read_bytes
from spikewright.errors import DataError, explain

FEATURES_VERSION = 1
"""Part of the cache's key; raised when the same settings begin to give other numbers."""
NAME = re.compile(r"^(\d)_([A-Za-z][A-Za-z0-9-]*)_(\d{1,4})\.wav$")
FIRST_VALIDATION, FIRST_TRAIN = 5, 10
LEVELS = (0.5, 0.75)
"""30 and 15 dB below the loudest cell: the best of the encodings tried, by validation accuracy of a readout."""
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset"
CUT_SHARE = 0.01
"""Share of its power that a recording may lose before it counts as cut."""


def load(
    folder: Path | None = None,
    *,
    encoding: Encoding | None = None,
    features: LogMel | None = None,
    left_out: str | None = None,
) -> Dataset:
    """Read spoken digits from a folder of recordings.

    Parameters
    ----------
    folder : holds the recordings, or a folder `recordings` with them
    encoding : of time series; default `Above(LEVELS)`, `Stream()` gives the analog features as currents
    features : settings of the front end; default `LogMel()`. Its `hop` is dt, its `steps` are T.
    left_out : a speaker who is the test part; default: the official parts

    Returns
    -------
    Dataset : series of n_mels numbers from 0 to 1 per step; shape as the encoding makes it

    Raises
    ------
    DataError : the folder, a part or the speaker is missing, or a file is damaged or foreign
    """
    settings = LogMel() if features is None else features
    how = Above(LEVELS) if encoding is None else encoding
    if not how.is_series:
        raise DataError(
            explain(
                f"data set 'fsdd': encoding {type(how).__name__}",
                "does not take time series",
                cure="use Stream, LevelCrossing or Above",
            )
        )
    paths = _recordings(folder)
    contents, lines = [], []
    for path in paths:
        content, digest = read_bytes(path)
        contents.append(content)
        lines.append(f"{digest}  {path.name}\n")
    checksum = hashlib.sha256("".join(lines).encode()).hexdigest()
    series, outside, was_kept = _features(paths, contents, checksum, settings)

    named = [NAME.match(path.name) for path in paths]
    labels = np.array([int(match[1]) for match in named if match], np.int64)
    index = np.array([int(match[3]) for match in named if match], np.int64)
    voice = np.array([match[2] for match in named if match])
    speakers = sorted(set(voice))
    validation = (index >= FIRST_VALIDATION) & (index < FIRST_TRAIN)
    test = index < FIRST_VALIDATION if left_out is None else voice == left_out
    if left_out is not None and left_out not in speakers:
        raise DataError(
            explain(
                "data set 'fsdd': left_out", "no such speaker", found=repr(left_out),
                expected=", ".join(speakers),
            )
        )  # fmt: skip
    chosen = {"train": ~validation & ~test, "validation": validation & ~test, "test": test}
    for part, mask in chosen.items():
        if not mask.any():
            raise DataError(
                explain(
                    f"data set 'fsdd': {folder}",
                    f"has no recording of the {part} part",
                    found=f"index {index.min()} to {index.max()}",
                    expected="index 0-4 test, 5-9 validation, 10 and above train",
                    cure=f"fetch the whole data set from {URL}",
                )
            )
    parts = {
        part: Samples(
            series[mask],
            labels[mask],
            how,
            settings.steps,
            settings.hop,
            part,
            numbers=np.flatnonzero(mask),
        )
        for part, mask in chosen.items()
    }
    cut = int((outside > CUT_SHARE).sum())
    official = (
        f"speakers {', '.join(speakers)}: all of them in every part, so this does not test new voices",
        f"official test part, index 0-4; index 5-9 of the training part is validation ({len(paths)} files)",
    )
    unheard = (
        f"speaker {left_out} is the test part, {', '.join(n for n in speakers if n != left_out)} are not in it",
        f"index 5-9 of the others is validation, the rest of them train ({len(paths)} files)",
    )
    notes = [
        *(official if left_out is None else unheard),
        f"{settings.steps} frames about the center of energy: {cut} of {len(paths)} recordings lose more "
        f"than {CUT_SHARE:.0%} of their power, none is left out",
    ]
    if not was_kept:
        notes.append(
            f"features could not be stored in {cache.folder()}; they are computed each time"
        )
    return Dataset(
        name="fsdd",
        **parts,
        classes=tuple(str(n) for n in range(10)),
        shape=parts["train"].shape,
        steps=settings.steps,
        dt=settings.hop,
        source=f"Z. Jackson and others, Free Spoken Digit Dataset, {URL}",
        license="CC BY-SA 4.0",
        checksum=checksum,
        notes=tuple(notes),
    )


def _recordings(folder: Path | None) -> list[Path]:
    cure = f"fetch {URL} and give its folder, the one with 'recordings' in it"
    if folder is None or not folder.is_dir():
        raise DataError(
            explain(
                "data set 'fsdd'",
                "needs a folder of recordings",
                found="no folder" if folder is None else f"no folder {str(folder)!r}",
                cure=cure,
            )
        )
    inner = folder / "recordings"
    paths = sorted((inner if inner.is_dir() else folder).glob("*.wav"))
    if not paths:
        raise DataError(explain(f"data set 'fsdd': {folder}", "holds no wav files", cure=cure))
    foreign = [path.name for path in paths if not NAME.match(path.name)]
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise DataError(
            explain(
                f"data set 'fsdd': {paths[0].parent}",
                "holds recordings that are not of this data set",
                found=", ".join(foreign[:3]) + more,
                expected="{digit}_{speaker}_{index}.wav, for instance 7_jackson_32.wav",
                cure="take them out of the folder",
            )
        )
    return paths


def _features(
    paths: list[Path], contents: list[bytes], checksum: str, settings: LogMel
) -> tuple[NDArray[np.float32], NDArray[np.float64], bool]:
    """Return features B T n_mels, the share of power outside them, and whether they are in the cache."""
    address = hashlib.sha256(f"{FEATURES_VERSION}/{settings!r}/{checksum}".encode()).hexdigest()
    name = f"fsdd-{address[:32]}"
    n = len(paths)
    stored = cache.fetch(
        name,
        {"series": ((n, settings.steps, settings.n_mels), "float32"), "outside": ((n,), "float64")},
    )
    if stored is not None:
        return stored["series"], stored["outside"], True
    series = np.zeros((n, settings.steps, settings.n_mels), np.float32)
    outside = np.zeros(n)
    for k, (path, content) in enumerate(zip(paths, contents, strict=True)):
        series[k], outside[k] = log_mel(decode(path, content, rate=settings.rate), settings)
    return series, outside, cache.keep(name, {"series": series, "outside": outside})
