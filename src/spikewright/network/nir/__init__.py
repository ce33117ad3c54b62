"""NIR, the exchange format of the field: in, out, and a report of what was exact, changed or refused."""

from spikewright.network.nir.document import Document, Graph, Node, read_document, write_document
from spikewright.network.nir.exporter import Exported, to_nir, write_nir
from spikewright.network.nir.importer import Current, IfInput, Imported, from_nir
from spikewright.network.nir.report import Finding, Report, Status

__all__ = [
    "Current",
    "Document",
    "Exported",
    "Finding",
    "Graph",
    "IfInput",
    "Imported",
    "Node",
    "Report",
    "Status",
    "from_nir",
    "read_document",
    "to_nir",
    "write_document",
    "write_nir",
]
