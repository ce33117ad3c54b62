"""Trained models of other libraries as Networks: `from_snntorch(module)`, `from_spikingjelly(module)`.

No library is imported: a layer is known by the name of its class and read through its attributes.
"""

from collections.abc import Callable

from spikewright.network.graph import Network
from spikewright.train.importers.snntorch import from_snntorch
from spikewright.train.importers.spikingjelly import from_spikingjelly

IMPORTERS: dict[str, Callable[..., Network]] = {
    "snntorch": from_snntorch,
    "spikingjelly": from_spikingjelly,
}
"""Library -> importer."""

__all__ = ["IMPORTERS", "from_snntorch", "from_spikingjelly"]
