"""Networks in the HDF5 layout of lava-dl (`.net`), as Loihi's integer neurons.

    /layer/<k>/type      input, dense, conv, pool or flatten; layer k feeds layer k + 1
    /layer/<k>/shape     of its neurons: C Y X, or one number
    /layer/<k>/weight    whole numbers: dense (post, pre); conv (out, in / groups, Y, X); pool one
    /layer/<k>/bias      mantissas, one per neuron or channel
    /layer/<k>/stride, padding, dilation, groups, kernelSize
    /layer/<k>/neuron/   type, vThMant, iDecay, vDecay, refDelay, gradedSpike, activation, sigma_output

What the numbers mean is not written in the file; lava's reader gives it: LOIHI and CUBA are the integer neuron with
`du = iDecay - 1`, `dv = vDecay`, threshold `vThMant << 6` and bias `<< 6`; SDNN is a sigma-delta neuron whose messages
carry 6 bits and whose state 6 more below the point (an input layer encodes differences, a `sigma_output` only sums).
A layer reaches the next one in the step after it fired; the input of a network arrives in its own step.

Longer than most files: one reader with a method per kind of layer.

Source
------
lava-dl, `netx` (BSD-3-Clause): README and the behavior of its HDF5 reader; lava-nc 0.10 process models. Described, not
copied; checked against the recordings that come with them (`tests/substrates/loihi/test_netx.py`).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, UsageError, explain
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.hdf5 import Source, opened
from spikewright.network.topology import Dense, OneToOne, Shape, Topology
from spikewright.network.windows import Conv
from spikewright.substrates.loihi.model import (
    LoihiDelta,
    LoihiInput,
    LoihiLIF,
    LoihiResettingLIF,
    LoihiSigma,
    LoihiSigmaDelta,
)

KEY = "lava"
"""Where `Network.metadata` keeps what a network has no place for."""
DEFAULT_DT = 1e-3
"""Seconds per step; the file's `Ts` counts milliseconds and is usually 1."""
BIAS_EXPONENT = 6
MESSAGE_EXPONENT = 6
STATE_EXPONENT = 6
WEIGHT_RANGE = (-256, 255)
MAX_LAYERS = 4096
DEFAULT_INPUT_WEIGHT = 64
LINEAR = frozenset({"LOIHI", "CUBA"})
KNOWN = ("input", "dense", "conv", "pool", "flatten")
PLAIN = {
    "input": {"weight", "bias"},
    "dense": {"inFeatures", "outFeatures", "weight", "bias"},
    "conv": {
        "inChannels", "outChannels", "kernelSize", "stride", "padding", "dilation", "groups",
        "weight", "bias",
    },
    "pool": {"kernelSize", "stride", "padding", "dilation", "weight", "bias"},
    "flatten": set[str](),
}  # fmt: skip
"""What a layer may hold besides type, shape and neuron; anything else would be lost, so it is refused."""


@dataclass(frozen=True, eq=False)
class LavaNet:
    """A network read from a `.net` file.

    Parameters
    ----------
    network : integer; its input is named "input", layer k is "layer<k>"
    input_weight, input_bias : of the input layer's transform, see `encode`; None where the file has no input layer
    sample_steps : steps of a sample, or None where the file does not say
    notes : what is worth knowing about the reading
    """

    network: Network
    input_weight: int | None
    input_bias: int | None
    sample_steps: int | None
    notes: tuple[str, ...] = ()

    def encode(self, values: Any) -> NDArray[np.int64]:
        """Return what enters the network for real values between 0 and 1: `2 w x - w + b`, cut to whole numbers.

        Parameters
        ----------
        values : any shape, typically T B C Y X

        Raises
        ------
        NetworkError : the file has no input layer
        """
        if self.input_weight is None or self.input_bias is None:
            raise NetworkError(
                explain(
                    f"{self.network.name}.encode",
                    "the file has no input layer",
                    cure="spikes enter the network as they are",
                )
            )
        x = np.asarray(values, np.float64)
        scaled = 2 * self.input_weight * x - self.input_weight + self.input_bias
        return np.trunc(scaled).astype(np.int64)


def read_net(
    path: str | os.PathLike[str],
    *,
    dt: float = DEFAULT_DT,
    reset_interval: int | None = None,
    reset_offset: int = 0,
    layers: tuple[int, int] | None = None,
    fires_at_threshold: bool = False,
) -> LavaNet:
    """Return the network of a `.net` file.

    Parameters
    ----------
    path : the file
    dt : s, duration of a step
    reset_interval : steps between clearings of the state of LOIHI and CUBA neurons; None: never. The first layer that
        is read is cleared before step `reset_offset` (counted from 0), each further layer one step after the one before
    reset_offset : step of the first clearing
    layers : first and end layer to read, to run a part by itself; default: all
    fires_at_threshold : let LOIHI and CUBA neurons fire at their threshold, as lava-dl's trainer does; the chip and
        lava fire above it

    Raises
    ------
    FormatError : not such a file, damaged, or it says something that this reader cannot express: the layer is named
    UsageError : `dt`, `reset_interval` or `layers` is not possible
    """
    if not (math.isfinite(dt) and dt > 0):
        raise UsageError(explain("read_net(dt=)", "must be positive", found=dt, cure="e.g. 1e-3"))
    if reset_interval is not None and (
        type(reset_interval) is not int or reset_interval < 1 or type(reset_offset) is not int
    ):
        raise UsageError(
            explain(
                "read_net(reset_interval=)",
                "must be a whole number of steps",
                found=(reset_interval, reset_offset),
                expected="1 or more",
            )
        )
    with opened(path, "a network of lava-dl (.net)") as source:
        reader = _Reader(source, dt, reset_interval, reset_offset, fires_at_threshold)
        return reader.read(layers)


class _Reader:
    def __init__(
        self, source: Source, dt: float, interval: int | None, offset: int, at: bool
    ) -> None:
        self.source, self.dt, self.interval, self.offset, self.at = source, dt, interval, offset, at
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.notes: list[str] = []
        self.before = "input"
        self.shape: Shape = ()
        self.transform: tuple[int, int] | None = None
        self.blocks = 0

    def read(self, chosen: tuple[int, int] | None) -> LavaNet:
        source = self.source
        if not source.has(source.root, "layer"):
            raise source.error("", "has no layers", expected="/layer/0, /layer/1, ...")
        groups = source.group(source.root, "layer")
        count = len(source.names(groups))
        if not 1 <= count <= MAX_LAYERS or set(source.names(groups)) != set(map(str, range(count))):
            raise source.error(
                "/layer", "layers are not numbered from 0", found=source.names(groups)[:6]
            )
        first, end = chosen or (0, count)
        if not 0 <= first < end <= count:
            raise UsageError(
                explain(
                    "read_net(layers=)",
                    "no such layers",
                    found=chosen,
                    expected=f"first < end within 0..{count}",
                )
            )
        for k in range(end):
            self._layer(source.group(groups, str(k)), k, built=k >= first)
        if not self.projections:
            raise source.error("/layer", "none of the layers has neurons")
        steps = self._sample_steps()
        name = source.path.stem
        weight, bias = self.transform or (None, None)
        told: dict[str, Any] = {"file": source.path.name}
        if self.transform:
            told["transform"] = {"weight": weight, "bias": bias}
        if steps is not None:
            told["sample_steps"] = steps
        network = Network(
            dt=self.dt,
            populations=self.populations,
            projections=self.projections,
            outputs=(self.before,),
            name=name,
            metadata={KEY: told},
        )
        return LavaNet(network, weight, bias, steps, tuple(self.notes))

    def _sample_steps(self) -> int | None:
        source = self.source
        if not source.has(source.root, "simulation"):
            return None
        group = source.group(source.root, "simulation")
        if not source.has(group, "tSample"):
            return None
        return self._number(group, "tSample", low=1)

    # -- layers --------------------------------------------------------------------------------------

    def _layer(self, group: Any, k: int, *, built: bool) -> None:
        source, place = self.source, f"/layer/{k}"
        kind = source.text(group, "type") if source.has(group, "type") else ""
        if kind not in KNOWN:
            raise source.error(
                f"{place}/type",
                "a layer that this reader cannot express",
                found=repr(kind[:40]),
                expected=", ".join(KNOWN),
            )
        extra = set(source.names(group)) - {"type", "shape", "neuron"} - PLAIN[kind]
        if extra:
            raise source.error(
                place,
                f"a {kind} layer with parts that this reader cannot express",
                found=", ".join(sorted(extra)),
                expected=", ".join(sorted(PLAIN[kind])),
                cure="export the network without them (delays, recurrent weights)",
            )
        shape = self._shape(group, place)
        if kind == "input":
            self._input(group, k, shape, built)
        elif kind == "flatten":
            if not self.shape:
                raise source.error(place, "flattens nothing: no layer stands before it")
            if math.prod(shape) != math.prod(self.shape):
                raise source.error(
                    place, "wrong shape", found=shape, expected=math.prod(self.shape)
                )
            self.shape = (math.prod(shape),)
        else:
            topology = (
                self._dense(group, place, shape)
                if kind == "dense"
                else self._windowed(group, place, kind, shape)
            )
            self._block(group, k, shape, topology, built)

    def _input(self, group: Any, k: int, shape: Shape, built: bool) -> None:
        source, place = self.source, f"/layer/{k}"
        if k:
            raise source.error(place, "an input layer must be the first")
        self.shape = shape
        if not source.has(group, "neuron"):
            if built:
                self.populations["input"] = Population(LoihiInput, shape)
            return
        weight, bias = (
            self._number(group, name) if source.has(group, name) else value
            for name, value in (("weight", DEFAULT_INPUT_WEIGHT), ("bias", 0))
        )
        kind, made = self._neuron(group, place, shape, np.asarray(0), enters=True)
        if not built:
            return
        self.blocks += 1
        self.transform = (weight, bias)
        self.populations["input"] = Population(LoihiInput, shape)
        name = f"layer{k}"
        exponent = MESSAGE_EXPONENT if kind == "SDNN" else 0
        if kind != "SDNN" and np.any(made.param("du") != 4095):
            raise source.error(
                f"{place}/neuron/iDecay",
                "the input would pass through a current that decays slowly; lava adds it as a bias",
                found=int(made.param("du")) + 1,
                expected=4096,
            )
        self.populations[name] = made
        self.projections[name] = Projection(
            "input", name, OneToOne(np.asarray(1)), exponent=exponent
        )
        self.before = name

    def _dense(self, group: Any, place: str, shape: Shape) -> Topology:
        n = math.prod(shape)
        weight = self._weights(group, place)
        if weight.ndim == 1 and weight.size % n == 0:
            weight = weight.reshape(n, -1)
        weight = weight.reshape(weight.shape[:2]) if set(weight.shape[2:]) <= {1} else weight
        if weight.ndim != 2 or len(weight) != n:
            raise self.source.error(
                f"{place}/weight", "wrong shape", found=weight.shape, expected=f"({n}, n_pre)"
            )
        if not self.shape:
            self.shape = (weight.shape[1],)
        if len(self.shape) > 1:
            raise self.source.error(
                place, "is dense after images", cure="put a flatten layer before it"
            )
        if weight.shape[1] != self.shape[0]:
            raise self.source.error(
                f"{place}/weight",
                "does not fit the layer before",
                found=f"{weight.shape[1]} sources",
                expected=self.shape[0],
            )
        low, high = int(weight.min()), int(weight.max())
        if low < 0 < high and np.any(weight % 2):
            self.notes.append(
                f"{place}: odd weights of both signs; Loihi's synapses keep even ones there"
            )
        return Dense(weight)

    def _windowed(self, group: Any, place: str, kind: str, shape: Shape) -> Topology:
        source = self.source
        if len(self.shape) != 3:
            raise source.error(
                place, "needs images before it", found=self.shape or "nothing", expected="C Y X",
                cure="begin the file with an input layer that has a shape",
            )  # fmt: skip
        weight = self._weights(group, place)
        groups = self._number(group, "groups", low=1) if source.has(group, "groups") else 1
        if kind == "pool":
            kernel = self._pair(group, place, "kernelSize", (0, 0))
            if len(np.unique(weight)) != 1:
                raise source.error(
                    f"{place}/weight", "a pool adds with one weight", found="several"
                )
            groups = self.shape[0]
            weight = np.full((groups, 1, *kernel), weight.flat[0])
        elif weight.ndim == 5 and weight.shape[4] == 1:
            weight = weight[..., 0]
        if weight.ndim != 4 or not weight.size:
            raise source.error(
                f"{place}/weight", "wrong shape", found=weight.shape, expected="(out, in, Y, X)"
            )
        own = weight.shape[2:] if kind == "pool" else (1, 1)
        stride = self._pair(group, place, "stride", own)
        padding = self._pair(group, place, "padding", (0, 0))
        dilation = self._pair(group, place, "dilation", (1, 1))
        try:
            made = Conv(weight, stride, padding, dilation, groups)
            found = made.out_shape(self.shape)
        except NetworkError as error:
            raise source.error(place, str(error)) from None
        if found != shape:
            raise source.error(f"{place}/shape", "wrong shape", found=shape, expected=found)
        return made

    def _block(self, group: Any, k: int, shape: Shape, topology: Topology, built: bool) -> None:
        source, place = self.source, f"/layer/{k}"
        if not source.has(group, "neuron"):
            raise source.error(place, "has no neurons", expected=f"{place}/neuron")
        bias = np.asarray(0)
        if source.has(group, "bias"):
            bias = self._whole(source.array(group, "bias"), f"{place}/bias")
            bias = self._spread(bias, shape, f"{place}/bias")
        # a dense map makes a flat list, whatever shape the file gives it
        kept = (math.prod(shape),) if isinstance(topology, Dense) else shape
        bias = bias.reshape(kept) if bias.ndim else bias
        _, made = self._neuron(group, place, kept, bias, enters=False)
        if built:
            self.blocks += 1
            if not self.populations:
                # flattened or not, what enters has the shape of what the layer takes
                self.populations["input"] = Population(LoihiInput, self.shape)
            name = f"layer{k}"
            self.populations[name] = made
            self.projections[name] = Projection(self.before, name, topology)
            self.before = name
        self.shape = kept

    # -- neurons -------------------------------------------------------------------------------------

    def _neuron(
        self, group: Any, place: str, shape: Shape, bias: NDArray[Any], *, enters: bool
    ) -> tuple[str, Population]:
        source = self.source
        group, place = source.group(group, "neuron"), f"{place}/neuron"
        kind = source.text(group, "type") if source.has(group, "type") else "CUBA"
        if kind in LINEAR:
            return kind, self._linear(group, place, shape, bias)
        if kind != "SDNN":
            raise source.error(
                f"{place}/type",
                "a neuron that this reader cannot express",
                found=repr(kind[:40]),
                expected="CUBA, LOIHI or SDNN",
            )
        if source.has(group, "activation"):
            word = source.text(group, "activation").lower()
            if word != "relu":
                raise source.error(
                    f"{place}/activation", "unknown activation", found=repr(word), expected="relu"
                )
        if enters:
            level = self._number(group, "vThMant", low=0) << MESSAGE_EXPONENT
            return kind, Population(LoihiDelta, shape, {"v_th": level})
        if source.has(group, "sigma_output"):
            if np.any(bias):
                raise source.error(place, "a sum has no bias", found="a bias")
            return kind, Population(LoihiSigma, shape)
        shift = MESSAGE_EXPONENT + STATE_EXPONENT
        params = {
            "bias": bias << shift,
            "v_th": self._number(group, "vThMant", low=0) << shift,
            "state_exp": STATE_EXPONENT,
        }
        return kind, Population(LoihiSigmaDelta, shape, params)

    def _linear(self, group: Any, place: str, shape: Shape, bias: NDArray[Any]) -> Population:
        source = self.source
        if source.has(group, "gradedSpike") and np.any(source.array(group, "gradedSpike")):
            raise source.error(f"{place}/gradedSpike", "graded spikes of linear neurons")
        if source.has(group, "refDelay") and self._number(group, "refDelay") > 1:
            raise source.error(
                f"{place}/refDelay",
                "a refractory period, which lava's neuron does not have",
                found=self._number(group, "refDelay"),
                expected=1,
            )
        params: dict[str, Any] = {
            "du": self._number(group, "iDecay", low=0, high=4096) - 1,
            "dv": self._number(group, "vDecay", low=0, high=4096),
            "v_th": (self._number(group, "vThMant", low=0, high=2**17) << 6) - int(self.at),
            "bias": bias << BIAS_EXPONENT,
        }
        if self.interval is None:
            return Population(LoihiLIF, shape, params)
        # the model counts steps from 1
        params |= {"interval": self.interval, "offset": self.offset + self.blocks + 1}
        return Population(LoihiResettingLIF, shape, params)

    # -- numbers -------------------------------------------------------------------------------------

    def _number(
        self, group: Any, name: str, *, low: int | None = None, high: int | None = None
    ) -> int:
        place = self.source.place(group, name)
        if not self.source.has(group, name):
            raise self.source.error(place, "missing")
        value = self._whole(self.source.array(group, name), place)
        if value.size != 1:
            raise self.source.error(place, "not one number", found=f"shape {value.shape}")
        number = int(value.ravel()[0])
        if (low is not None and number < low) or (high is not None and number > high):
            wanted = f"{low} or more" if high is None else f"{low} to {high}"
            raise self.source.error(place, "out of range", found=number, expected=wanted)
        return number

    def _whole(self, value: NDArray[Any], place: str) -> NDArray[np.int64]:
        if value.size and np.any(np.abs(value) > 2**31):
            raise self.source.error(place, "out of range", found=float(np.abs(value).max()))
        whole = np.rint(value.astype(np.float64)).astype(np.int64)
        if np.any(whole != value):
            index = int(np.flatnonzero(np.ravel(whole != value))[0])
            raise self.source.error(
                place,
                "not a whole number; the file is for a chip of integers",
                found=float(np.ravel(value)[index]),
                cure="quantize the network before it is exported",
            )
        return whole

    def _weights(self, group: Any, place: str) -> NDArray[np.int64]:
        if not self.source.has(group, "weight"):
            raise self.source.error(f"{place}/weight", "missing")
        if self.source.is_group(group, "weight"):
            raise self.source.error(f"{place}/weight", "complex weights cannot be expressed")
        weight = self._whole(self.source.array(group, "weight"), f"{place}/weight")
        low, high = WEIGHT_RANGE
        if weight.size and not low <= weight.min() <= weight.max() <= high:
            raise self.source.error(
                f"{place}/weight",
                "out of range",
                found=f"{weight.min()} to {weight.max()}",
                expected=f"{low} to {high}",
            )
        return weight

    def _pair(self, group: Any, place: str, name: str, default: tuple[int, ...]) -> tuple[int, int]:
        if not self.source.has(group, name):
            return default[0], default[1]
        value = self._whole(self.source.array(group, name), f"{place}/{name}").ravel()
        if value.size not in (1, 2) or np.any(value < 0):
            raise self.source.error(
                f"{place}/{name}", "not one or two numbers", found=list(value[:4])
            )
        return int(value[0]), int(value[-1])

    def _shape(self, group: Any, place: str) -> Shape:
        if not self.source.has(group, "shape"):
            raise self.source.error(f"{place}/shape", "missing")
        value = self._whole(self.source.array(group, "shape"), f"{place}/shape").ravel()
        if (
            not 1 <= value.size <= 3
            or np.any(value < 1)
            or float(np.prod(value.astype(float))) > 2**28
        ):
            raise self.source.error(f"{place}/shape", "not a shape", found=list(value[:4]))
        return tuple(int(n) for n in value)

    def _spread(self, bias: NDArray[np.int64], shape: Shape, place: str) -> NDArray[np.int64]:
        """Return biases as one per neuron; a channel's where there is one per channel."""
        n = math.prod(shape)
        if bias.size == 1:
            return np.asarray(bias.ravel()[0])
        if bias.size == n:
            return bias.reshape(shape)
        if len(shape) == 3 and bias.size == shape[0]:
            return np.broadcast_to(bias.reshape(-1, 1, 1), shape)
        raise self.source.error(
            place, "wrong size", found=bias.size, expected=f"1, {shape[0]} or {n}"
        )
