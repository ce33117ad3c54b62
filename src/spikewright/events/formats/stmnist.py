"""ST-MNIST: touches of a 10 x 10 tactile array as spikes, in MATLAB 5 files; input only.

The array `spiketrain` has one column per time: rows 0 to 99 are the taxels (1 pressed, -1 released, 0 nothing), row 100
the time in seconds.

Source
------
See, Lim, Li, Yeo, Chen, Basu, Orchard: ST-MNIST, the spiking tactile MNIST neuromorphic dataset, arXiv 2005.04319.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np

from spikewright.errors import FormatError, explain
from spikewright.events.formats.base import Format, Header, Options, sized
from spikewright.events.formats.rows import Columns, RowReader, microseconds
from spikewright.events.formats.source import Source

NAME = "spiketrain"
SIDE = 10
TAXELS = SIDE * SIDE
LARGEST = 1 << 28
"""Bytes of the largest file that is read: a touch of two seconds takes 40 kB."""


class StmnistReader(RowReader):
    """Reads `spiketrain`; y is the taxel's number divided by ten, x the rest."""

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        options.allow("stmnist")
        train = _train(source)
        taxel, column = np.nonzero(train[:TAXELS])
        order = np.argsort(column, kind="stable")
        taxel, column = taxel[order], column[order]
        t = microseconds(train[TAXELS], 6)[column]
        if (t == np.iinfo(np.int64).min).any():
            raise FormatError(explain(source.name, "a time is no number", expected="seconds"))
        y, x = np.divmod(taxel, SIDE)
        sign = train[taxel, column] > 0
        self._columns: Columns = t, x.astype(np.uint16), y.astype(np.uint16), sign.view(np.uint8)
        self.n = t.size
        note = "taxels counted row by row; the data set does not say"
        self.header = sized(Header("stmnist", SIDE, SIDE, notes=(note,)), options)

    def rows(self, first: int, last: int) -> Columns:
        """Return events."""
        t, x, y, p = self._columns
        return t[first:last], x[first:last], y[first:last], p[first:last]


def _train(source: Source):  # type: ignore[no-untyped-def]
    import warnings

    import scipy.io

    if source.size > LARGEST:
        raise FormatError(explain(source.name, "is too large", found=source.size, expected=LARGEST))
    raw = io.BytesIO(source.window(0, source.size).tobytes())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            shapes = {name: shape for name, shape, _ in scipy.io.whosmat(raw)}
            shape = shapes.get(NAME, ())
            fits = len(shape) == 2 and shape[0] == TAXELS + 1 and 0 <= math.prod(shape) < LARGEST
            raw.seek(0)
            train = scipy.io.loadmat(raw, variable_names=[NAME])[NAME] if fits else None
    except Exception as error:  # the parser raises whatever damaged bytes lead it to
        raise FormatError(
            explain(source.name, "cannot be read as a MATLAB file", found=str(error)[:200])
        ) from None
    if train is None or train.dtype.kind != "f":
        raise FormatError(
            explain(
                source.name,
                "holds no spikes of taxels",
                found=", ".join(f"{n} {s}" for n, s in shapes.items())[:200],
                expected=f"{NAME} of {TAXELS + 1} rows, floats",
            )
        )
    return train


def _detect(head: bytes, path: Path | None) -> bool:
    return head.startswith(b"MATLAB 5.0 MAT-file")


FORMAT = Format(
    name="stmnist",
    title="ST-MNIST",
    suffixes=(".mat",),
    detect=_detect,
    reader=StmnistReader,
)
