"""Conversion: a trained torch network of rates becomes a Network of spikes, with the error of every number of steps."""

from spikewright.train.convert.build import Integrator, RateIF
from spikewright.train.convert.converted import Converted, convert
from spikewright.train.convert.qcfs import QCFS
from spikewright.train.convert.report import ConversionReport

__all__ = ["QCFS", "ConversionReport", "Converted", "Integrator", "RateIF", "convert"]
