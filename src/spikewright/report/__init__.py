"""Reports: metrics from recordings, costs from substrates, comparisons, and how they are shown."""

from spikewright.report.compare import compare, compare_network, run_samples
from spikewright.report.metrics import (
    Activity,
    SynapticOperations,
    accuracy,
    activation_sparsity,
    activity,
    agreement,
    connection_sparsity,
    footprint,
    spikes,
    synaptic_operations,
)
from spikewright.report.progress import Progress, Silent
from spikewright.report.render import html, table, to_json, write_html
from spikewright.report.resilience import kill_synapses
from spikewright.report.result import Comparison, Row, Score
from spikewright.report.targets import Target, targets

__all__ = [
    "Activity",
    "Comparison",
    "Progress",
    "Row",
    "Score",
    "Silent",
    "SynapticOperations",
    "Target",
    "accuracy",
    "activation_sparsity",
    "activity",
    "agreement",
    "compare",
    "compare_network",
    "connection_sparsity",
    "footprint",
    "html",
    "kill_synapses",
    "run_samples",
    "spikes",
    "synaptic_operations",
    "table",
    "targets",
    "to_json",
    "write_html",
]
