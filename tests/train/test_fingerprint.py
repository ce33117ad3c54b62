"""Fingerprints: what must change them does, what must not does not; the same in another process."""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import replace

import numpy as np

from spikewright.network import LIF, chain, dense, neurons, source
from spikewright.train import Arctan, CountCrossEntropy, Schedule
from spikewright.train.fingerprint import fingerprint


def _scaled(x: float, factor: float) -> float:
    return x * factor


def test_content_decides() -> None:
    network = chain(source(4), dense(3), neurons(LIF), dt=1e-3, seed=1)
    same = chain(source(4), dense(3), neurons(LIF), dt=1e-3, seed=1)
    assert fingerprint(network) == fingerprint(same) == fingerprint(replace(network, name="other"))
    others = [
        chain(source(4), dense(3), neurons(LIF), dt=1e-3, seed=2),
        chain(source(4), dense(3), neurons(LIF), dt=2e-3, seed=1),
        chain(source(4), dense(3), neurons(LIF, tau_m=1e-2), dt=1e-3, seed=1),
        chain(source(4), dense(3, bias=True), neurons(LIF), dt=1e-3, seed=1),
    ]
    assert len({fingerprint(n) for n in (network, *others)}) == 5


def test_values() -> None:
    different = [
        1, 1.0, "1", None, (1, 2), (2, 1), {"a": 1}, {"a": 2}, np.zeros(2), np.zeros((2, 1)),
        np.zeros(2, int), Arctan(2.0), Arctan(3.0), Schedule.COSINE, CountCrossEntropy(), _scaled,
        functools.partial(_scaled, factor=2), functools.partial(_scaled, factor=3), lambda x: x, lambda x: x + 1,
    ]  # fmt: skip
    assert len({fingerprint(v) for v in different}) == len(different)
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_closures() -> None:
    def make(n: int) -> object:
        return lambda x: x + n

    assert fingerprint(make(1)) == fingerprint(make(1))
    assert fingerprint(make(1)) != fingerprint(make(2))


def test_is_the_same_in_another_process() -> None:
    code = (
        "from spikewright.network import *; from spikewright.train.fingerprint import fingerprint;"
        "print(fingerprint(chain(source(4), dense(3), neurons(LIF), dt=1e-3, seed=1), {'a', 'b', 'c'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    network = chain(source(4), dense(3), neurons(LIF), dt=1e-3, seed=1)
    assert found.stdout.strip() == fingerprint(network, {"a", "b", "c"})
