from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import UsageError
from spikewright.network import Network
from spikewright.report import kill_synapses
from spikewright.report.resilience import sweep


def dead(network: Network) -> np.ndarray:
    return np.concatenate([np.ravel(p.topology.weight == 0) for p in network.projections.values()])


def test_the_dead_of_less_damage_are_among_those_of_more(toy: Network) -> None:
    few, many = (dead(kill_synapses(toy, share, seed=3)) for share in (0.2, 0.6))
    assert not np.any(few & ~many)
    assert 0.1 < few.mean() < 0.3
    assert 0.5 < many.mean() < 0.7


def test_no_damage_and_full_damage(toy: Network) -> None:
    assert not dead(kill_synapses(toy, 0.0)).any()
    assert dead(kill_synapses(toy, 1.0)).all()


def test_sweep_scores_every_share(toy: Network) -> None:
    shares = (0.0, 0.5, 1.0)
    found = sweep(toy, shares, lambda net: float(dead(net).mean()))
    assert list(found) == sorted(found)
    assert (found[0], found[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_lies_between_0_and_1(toy: Network, share: float) -> None:
    with pytest.raises(UsageError, match="damage: not a share"):
        kill_synapses(toy, share)
