"""CSV: one event per line between commas, as `text` reads it; written with a line of names and whole microseconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from spikewright.events.formats.base import Format, Header, Options
from spikewright.events.formats.source import Source
from spikewright.events.formats.text import TextReader, TextWriter
from spikewright.events.formats.text_sniff import sniff


class CsvWriter(TextWriter):
    """Writes `t,x,y,p`."""

    name = "csv"
    delimiter, decimals, first = ",", 0, b"t,x,y,p\n"


def _reader(source: Source, options: Options) -> TextReader:
    return TextReader(source, options, name="csv")


def _writer(path: str | os.PathLike[str], header: Header, **options: Any) -> CsvWriter:
    return CsvWriter(path, header, **options)


def _detect(head: bytes, path: Path | None) -> bool:
    layout = sniff(head, {})
    return layout is not None and (layout.named or layout.delimiter not in (32, 9))


FORMAT = Format(
    name="csv",
    title="CSV",
    suffixes=(".csv",),
    detect=_detect,
    reader=_reader,
    writer=_writer,
)
