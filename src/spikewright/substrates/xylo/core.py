"""What is written to the chip: the parameters of one core, checked, and the network that computes the same.

Hidden neurons stand side by side, whatever populations they came from; one matrix carries all spikes among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, SubstrateError
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.library import Relay
from spikewright.network.topology import Dense, OneToOne, Sparse
from spikewright.substrates.xylo.model import (
    SPIKES_MAX,
    THRESHOLD_MAX,
    WEIGHT_MAX,
    XyloHidden,
    XyloInput,
    XyloReadout,
)

Integers = NDArray[np.int64]
DASH_MAX = 15
SHIFT_MAX = 7


@dataclass(frozen=True, eq=False)
class Core:
    """One core as its registers hold it. All integers; matrices are (pre, post), synapses last.

    Parameters
    ----------
    w_in : (n_in, n_hidden, 2); w_rec : (n_hidden, n_hidden, 2); w_out : (n_hidden, n_out)
    shift_in, shift_rec, shift_out : left shift of all weights of a matrix
    dash_syn : (n_hidden, 2); dash_mem, threshold, bias : (n_hidden,)
    dash_syn_out, dash_mem_out, threshold_out, bias_out : (n_out,)
    aliases : (source, target) pairs: what the source fires, the target fires too, in the same step

    Raises
    ------
    SubstrateError : shapes that do not fit, values out of range; all of them are listed
    """

    w_in: Integers
    w_rec: Integers
    w_out: Integers
    dash_syn: Integers
    dash_mem: Integers
    threshold: Integers
    bias: Integers
    dash_syn_out: Integers
    dash_mem_out: Integers
    threshold_out: Integers
    bias_out: Integers
    shift_in: int = 0
    shift_rec: int = 0
    shift_out: int = 0
    aliases: tuple[tuple[int, int], ...] = field(default=())

    def __post_init__(self) -> None:
        problems = Problems()
        for f in fields(self):
            if f.name.startswith("shift") or f.name == "aliases":
                continue
            value = np.array(getattr(self, f.name))
            if value.dtype.kind not in "iu" and not np.array_equal(value, np.rint(value)):
                problems.add(f"xylo.core: {f.name}", "not integers", found=value.dtype)
            value = value.astype(np.int64)
            value.flags.writeable = False
            object.__setattr__(self, f.name, value)
        object.__setattr__(self, "aliases", tuple((int(s), int(t)) for s, t in self.aliases))
        problems.raise_as(SubstrateError)
        self._check_shapes(problems)
        problems.raise_as(SubstrateError)
        self._check_ranges(problems)
        problems.raise_as(SubstrateError)

    @property
    def n_in(self) -> int:
        """Input channels."""
        return int(self.w_in.shape[0])

    @property
    def n_hidden(self) -> int:
        """Hidden neurons."""
        return len(self.threshold)

    @property
    def n_out(self) -> int:
        """Output neurons."""
        return len(self.threshold_out)

    def _check_shapes(self, problems: Problems) -> None:
        n, m = self.threshold.size, self.threshold_out.size
        n_in = self.w_in.shape[0] if self.w_in.ndim else 0
        expected: dict[str, tuple[int, ...]] = {
            "w_in": (n_in, n, 2),
            "w_rec": (n, n, 2),
            "w_out": (n, m),
            "dash_syn": (n, 2),
        }
        expected |= dict.fromkeys(("dash_mem", "threshold", "bias"), (n,))
        outputs = ("dash_syn_out", "dash_mem_out", "threshold_out", "bias_out")
        expected |= dict.fromkeys(outputs, (m,))
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                problems.add(f"xylo.core: {name}", "wrong shape", found=found, expected=shape)

    def _check_ranges(self, problems: Problems) -> None:
        ranges: dict[str, tuple[int, int]] = {"w_": (-WEIGHT_MAX - 1, WEIGHT_MAX)}
        ranges |= {"dash_": (0, DASH_MAX), "threshold": (1, THRESHOLD_MAX)}
        ranges |= {"bias": (-THRESHOLD_MAX - 1, THRESHOLD_MAX), "shift_": (0, SHIFT_MAX)}
        for f in fields(self):
            for prefix, (low, high) in ranges.items():
                if not f.name.startswith(prefix):
                    continue
                value = np.asarray(getattr(self, f.name))
                wrong = value[(value < low) | (value > high)]
                if wrong.size:
                    problems.add(
                        f"xylo.core: {f.name}",
                        "out of range",
                        found=int(wrong.ravel()[0]),
                        expected=f"{low} to {high}",
                    )
        sources = [s for s, _ in self.aliases]
        for s, t in self.aliases:
            if not (0 <= s < self.n_hidden and 0 <= t < self.n_hidden) or s == t:
                problems.add(
                    "xylo.core: aliases",
                    "not a pair of two hidden neurons",
                    found=(s, t),
                    expected=f"0 to {self.n_hidden - 1}",
                )
        if len(set(sources)) < len(sources):
            problems.add(
                "xylo.core: aliases", "a neuron has one alias at most", found=sorted(sources)
            )


XyloSum = Relay.variant(
    "XyloSum",
    integer=True,
    output=f"minimum(x, {SPIKES_MAX})",
    source="spikes of a neuron and of those whose alias it is, 31 at most",
)


def _forwarded(core: Core) -> tuple[Integers, Integers]:
    """Return (source, target) of every way that spikes take over aliases: one that is an alias hands on what it got."""
    gathered = [[h] for h in range(core.n_hidden)]
    ways: list[tuple[int, int]] = []
    for source, target in sorted(core.aliases):
        ways += [(s, target) for s in gathered[source]]
        gathered[target] += gathered[source]
    source, target = np.array(ways, np.int64).T
    return source, target


def network_of(core: Core, dt: float) -> Network:
    """Return the network that computes what a core does, while no current saturates within a step.

    Populations "in", "hidden" (own spikes), "out"; with aliases also "fired", in which hidden spikes and those of
    aliases are added one step later. An alias target that would fire more than 31 spikes keeps less on the chip.

    Parameters
    ----------
    dt : s, of a step
    """
    params: dict[str, Any] = {
        "dash_1": core.dash_syn[:, 0],
        "dash_2": core.dash_syn[:, 1],
        "dash_m": core.dash_mem,
        "v_th": core.threshold,
        "bias": core.bias,
    }
    outputs = {
        "dash_1": core.dash_syn_out,
        "dash_m": core.dash_mem_out,
        "v_th": core.threshold_out,
        "bias": core.bias_out,
    }
    populations = {
        "in": Population(XyloInput, (core.n_in,)),
        "hidden": Population(XyloHidden, (core.n_hidden,), params),
    }
    projections: dict[str, Projection] = {}
    sending = "hidden"
    if core.aliases:
        sending = "fired"
        source, target = _forwarded(core)
        alias = Sparse.from_edges(
            source,
            target,
            np.ones(len(source), np.int64),
            n_pre=core.n_hidden,
            n_post=core.n_hidden,
        )
        populations["fired"] = Population(XyloSum, (core.n_hidden,))
        projections["own"] = Projection("hidden", "fired", OneToOne(np.asarray(1)))
        projections["alias"] = Projection("hidden", "fired", alias)
    populations["out"] = Population(XyloReadout, (core.n_out,), outputs)
    for q in (0, 1):
        port = f"a{q + 1}"
        projections[f"in.{port}"] = Projection(
            "in", "hidden", Dense(core.w_in[:, :, q].T), port=port, exponent=core.shift_in
        )
        projections[f"rec.{port}"] = Projection(
            sending, "hidden", Dense(core.w_rec[:, :, q].T), port=port, exponent=core.shift_rec
        )
    projections["out"] = Projection(sending, "out", Dense(core.w_out.T), exponent=core.shift_out)
    return Network(
        dt=dt, populations=populations, projections=projections, outputs=("out",), name="xylo core"
    )
