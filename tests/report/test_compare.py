from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikewright import engines, report
from spikewright.errors import UsageError
from spikewright.events import argmax_count
from spikewright.network import Input, Network, Population
from spikewright.report import Comparison, compare, compare_network
from spikewright.report import compare as _  # noqa: F401
from spikewright.report.compare import BATCH, chip_seed, run_samples
from spikewright.report.targets import targets
from spikewright.substrates.base import Grade

from .conftest import Task, network, train
