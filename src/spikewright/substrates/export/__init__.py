"""What a compiled network is written as: chip-neutral tables, NIR, and files of another simulator of chips."""

from spikewright.substrates.export.configuration import export_configuration
from spikewright.substrates.export.nir import Exported, to_nir, write_nir
from spikewright.substrates.export.read import Configuration, load_configuration
from spikewright.substrates.export.sanafe import SanafeFiles, export_sanafe

__all__ = [
    "Configuration",
    "Exported",
    "SanafeFiles",
    "export_configuration",
    "export_sanafe",
    "load_configuration",
    "to_nir",
    "write_nir",
]
