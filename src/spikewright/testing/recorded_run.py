"""What the tests of recorders and checkpoints share: a network, and a run that tells a recorder chunk by chunk."""

import numpy as np

from spikewright.engines.record import Record
from spikewright.engines.recorder import Recorder, RunFacts
from spikewright.engines.reference import Reference
from spikewright.network import (
    LI,
    LIF,
    Dense,
    GaussianDrive,
    Network,
    NoisyLIF,
    PoissonDrive,
    Population,
    Projection,
    Relay,
)

GradedLIF = LIF.variant("GradedLIF", output="v")


def network(seed=0, **changes):
    weight = np.random.default_rng(seed).normal(0.3, 0.3, (4, 3))
    fields = {
        "dt": 1e-3,
        "populations": {
            "in": Population(Relay, 3),
            "hid": Population(NoisyLIF, (2, 2), {"t_ref": 2e-3}),
            "graded": Population(GradedLIF, 4),
            "out": Population(LI, 2),
        },
        "projections": {
            "a": Projection("in", "hid", Dense(weight), delay=4e-3),
            "b": Projection("hid", "graded", Dense(np.full((4, 4), 0.4))),
            "c": Projection("hid", "out", Dense(weight[:2, :1] * np.ones((2, 4)))),
        },
        "drives": {
            "p": PoissonDrive("in", 300.0, 1.0),
            "g": GaussianDrive("hid", 1.0, 0.5, "i"),
        },
    }
    return Network(**(fields | changes))


RECORD = {
    "hid": Record(("v",), neurons=[3, 1], every=4),
    "out": Record(("output", "v")),
    "graded": Record(("v",), every=3),
}


def facts(net, *, batch=2, seed=5, first_step=0, record=RECORD, spikes=None, engine="reference"):
    kept = tuple(net.populations) if spikes is None else spikes
    return RunFacts(engine, seed, batch, kept, record, first_sample=1, first_step=first_step)


def run_into(recorder, net, chunks, *, state=None, batch=2, seed=5, record=RECORD, after=None):
    """Run chunks of steps as an engine does, telling a recorder; `after(steps done)` is called behind each flush."""
    first = 0 if state is None else state.step
    recorder.begin(net, facts(net, batch=batch, seed=seed, first_step=first, record=record))
    given = dict.fromkeys(((n, v) for n, r in record.items() for v in r.variables), 0)
    sent, activity = {}, {}
    for steps in chunks:
        start = 0 if state is None else state.step
        part = Reference().run(
            net, steps=steps, batch=batch, seed=seed, first_sample=1, state=state,
            record={n: r.variables for n, r in record.items()},
        )  # fmt: skip
        for name, s in part.spikes.items():
            recorder.spikes(name, s.step + start, s.sample, s.address, s.value)
        for name, r in record.items():
            for v in r.variables:
                rows = part.traces[name][v].reshape(steps, batch, -1)
                rows = r.pick(rows[r.steps(start, steps) - start])
                recorder.trace(name, v, given[name, v], rows)
                given[name, v] += len(rows)
        for name in net.populations:
            sent[name] = sent.get(name, 0) + part.sent[name]
            before = [activity[name]] if name in activity else []
            activity[name] = np.concatenate([*before, part.activity[name]])
        state = part.state
        recorder.flush(state.step)
        if after is not None:
            after(state.step - first)
    recorder.end(state, sent, activity)
    recorder.close()
    return state


class Tape(Recorder):
    """Keeps what it was told, to tell it again to others."""

    def __init__(self) -> None:
        self.calls = []

    def begin(self, *told):
        self.calls.append(("begin", told))

    def spikes(self, *told):
        self.calls.append(("spikes", told))

    def trace(self, *told):
        self.calls.append(("trace", told))

    def flush(self, *told):
        self.calls.append(("flush", told))

    def end(self, *told):
        self.calls.append(("end", told))

    def close(self, *told):
        self.calls.append(("close", told))

    @property
    def state(self):
        """Where the run ended."""
        return next(told[0] for name, told in self.calls if name == "end")

    def play(self, recorder):
        """Tell another recorder."""
        for name, told in self.calls:
            getattr(recorder, name)(*told)


def assert_same_recording(found, expected):
    """Spikes, traces and counts of two recordings are the same."""
    assert (found.steps, found.batch, found.seed) == (
        expected.steps,
        expected.batch,
        expected.seed,
    )
    assert set(found.spikes) == set(expected.spikes)
    for name, spikes in expected.spikes.items():
        for column in ("step", "sample", "address", "value"):
            one, other = getattr(found.spikes[name], column), getattr(spikes, column)
            assert (one is None) == (other is None)
            if one is not None:
                assert one.dtype == other.dtype
                assert np.array_equal(one, other), (name, column)
    assert set(found.traces) == set(expected.traces)
    for name, traces in expected.traces.items():
        for variable, rows in traces.items():
            assert np.array_equal(found.traces[name][variable], rows), (name, variable)
            assert found.traces[name][variable].dtype == rows.dtype
        assert np.array_equal(found.trace_steps(name), expected.trace_steps(name))
        assert np.array_equal(found.trace_neurons(name), expected.trace_neurons(name))
    for part in ("sent", "activity"):
        for name, values in getattr(expected, part).items():
            assert np.array_equal(getattr(found, part)[name], values), (part, name)
