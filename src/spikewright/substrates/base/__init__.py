"""What every substrate consists of: limits, passes, constants with sources, costs."""

from spikewright.substrates.base.capabilities import capability_table
from spikewright.substrates.base.constant import Chip, Constant, Grade, load_chip, read_constant
from spikewright.substrates.base.cost import Category, Costs, Term, Total, total
from spikewright.substrates.base.described import Described
from spikewright.substrates.base.substrate import (
    Change,
    Compiled,
    Pass,
    Placement,
    Substrate,
)

__all__ = [
    "Category",
    "Change",
    "Chip",
    "Compiled",
    "Constant",
    "Costs",
    "Described",
    "Grade",
    "Pass",
    "Placement",
    "Substrate",
    "Term",
    "Total",
    "capability_table",
    "load_chip",
    "read_constant",
    "total",
]
