"""Compare this installation with folders of reference vectors, one line per case."""

from __future__ import annotations

import importlib
from pathlib import Path

from spikewright.errors import VerifyError, explain
from spikewright.testing.verify.case import Case

__all__ = ["KINDS", "Case", "verify"]

KINDS: dict[str, str] = {
    "audio": "spikewright.testing.verify.audio",
    "nir": "spikewright.testing.verify.nir",
    "events": "spikewright.testing.verify.events",
    "neurobench": "spikewright.testing.verify.neurobench",
    "lif": "spikewright.testing.verify.lif",
    "loihi": "spikewright.testing.verify.loihi",
    "nengo_loihi": "spikewright.testing.verify.nengo_loihi",
    "sanafe": "spikewright.testing.verify.sanafe",
    "anchors": "spikewright.testing.verify.anchors",
    "device_noise_aihwkit": "spikewright.testing.verify.device_noise",
    "truenorth": "spikewright.testing.verify.truenorth",
    "tile_io_aihwkit": "spikewright.testing.verify.tile_io",
    "sonata": "spikewright.testing.verify.sonata",
    "xylo": "spikewright.testing.verify.xylo",
}
"""Kind of folder -> module with `verify(folder) -> list[Case]`."""


def verify(kind: str, folder: Path) -> list[Case]:
    """Return the result of every case in a folder laid out like `vectors/<kind>`.

    Raises
    ------
    VerifyError : the kind is not known, or the folder is missing or holds no vectors
    """
    if kind not in KINDS:
        raise VerifyError(
            explain("verify: kind", "unknown", found=repr(kind), expected=", ".join(sorted(KINDS)))
        )
    return importlib.import_module(KINDS[kind]).verify(Path(folder))
