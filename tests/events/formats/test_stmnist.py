"""ST-MNIST: what is refused; a real file is among the recordings of `tests/golden`."""

import io

import numpy as np
import pytest
import scipy.io

from spikewright.errors import FormatError
from spikewright.events.formats import read


def saved(**arrays):
    """Return a MATLAB file as bytes."""
    file = io.BytesIO()
    scipy.io.savemat(file, arrays)
    return file.getvalue()


def test_events_are_read_column_by_column():
    train = np.zeros((101, 3))
    train[100] = [0, 0.001, 0.0025]
    train[12, 1], train[99, 2] = 1, -1
    events = read(saved(spiketrain=train)).events
    assert events.t.tolist() == [1000, 2500]
    assert (events.x.tolist(), events.y.tolist()) == ([2, 9], [1, 9])
    assert events.p.tolist() == [1, 0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("time", [1e308, np.inf, np.nan])
def test_a_time_that_is_none_is_refused(time):
    train = np.zeros((101, 2))
    train[100], train[3] = [time, 0.002], 1
    with pytest.raises(FormatError, match="a time is no number"):
        read(saved(spiketrain=train))


def test_other_files_are_refused_in_few_words():
    others = {f"array{k}": np.zeros((2, 2)) for k in range(200)}
    with pytest.raises(FormatError, match="holds no spikes of taxels") as caught:
        read(saved(**others))
    assert len(str(caught.value)) < 500
    with pytest.raises(FormatError, match="MATLAB file"):
        read(saved(spiketrain=np.zeros((101, 40)))[:400])
