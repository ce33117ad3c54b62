"""Overflow of Loihi's registers, counted: which sums wrapped or were cut off in a run, and how large they were.

`Loihi.compile` chooses scales with which nothing can wrap as long as each input sends 0 or 1. Networks that are written
for the chip directly may: their neurons are replaced by twins with the same integers that also count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spikewright.engines import run
from spikewright.errors import SubstrateError, explain
from spikewright.network.graph import Network, Population
from spikewright.network.model import NeuronModel
from spikewright.substrates.loihi.model import (
    U_SUM,
    V_SUM,
    LoihiChipLIF,
    LoihiLIF,
    LoihiResettingLIF,
    LoihiTernaryLIF,
)


@dataclass(frozen=True)
class _Register:
    """A register: the expression of the sum that it should hold, what it holds, and the sums for which they differ."""

    name: str
    variable: str
    sum: str
    kept: str
    over: str
    limit: int
    wraps: bool


_WRAP_24 = "8388608 - (8388608 - {x}) % 16777216"
_TWO_24 = "({x} + 8388608) % 16777216 - 8388608"
_U = _Register("u", "u", U_SUM, _WRAP_24, "{x} > 8388608 or {x} <= -8388608", 2**23, True)
_V = _Register(
    "v", "v", V_SUM, "clip({x}, -8388607, 8388607)", "{x} > 8388607 or {x} < -8388607", 2**23 - 1, False
)  # fmt: skip
_RESET = "(0 if t % interval == offset % interval else {x})"
_OUT_24 = "{x} > 8388607 or {x} < -8388608"
_CHIP = (
    _Register(
        "summed input", "taken", "a", "({x} + 2097152) % 4194304 - 2097152",
        "{x} > 2097151 or {x} < -2097152", 2**21 - 1, True,
    ),
    _Register(
        "u", "u", "sign(u) * ((abs(u) * (4095 - du)) >> 12) + taken", _TWO_24, _OUT_24, 2**23 - 1, True
    ),
    _Register("u + bias", "added", "u + bias", _TWO_24, _OUT_24, 2**23 - 1, True),
    _Register(
        "v", "v", "0 if wait > 0 else sign(v) * ((abs(v) * (4096 - dv)) >> 12) + added",
        "0 if wait > 0 else clip({x}, v_min, v_max)",
        "wait <= 0 and ({x} < v_min or {x} > v_max)", 2**23 - 1, False,
    ),
)  # fmt: skip
REGISTERS: Mapping[str, tuple[_Register, ...]] = {
    LoihiLIF.name: (
        replace(_U, sum=U_SUM.format(u="u")),
        replace(_V, sum=V_SUM.format(v="v")),
    ),
    LoihiTernaryLIF.name: (
        replace(_U, sum=U_SUM.format(u="u")),
        replace(_V, sum=V_SUM.format(v="v")),
    ),
    LoihiResettingLIF.name: (
        replace(_U, sum=U_SUM.format(u=_RESET.format(x="u"))),
        replace(_V, sum=V_SUM.format(v=_RESET.format(x="v"))),
    ),
    LoihiChipLIF.name: _CHIP,
}
"""Model -> its registers, in the order in which a step fills them."""


@dataclass(frozen=True)
class Overflow:
    """What a register of a population lost in a run.

    Parameters
    ----------
    population, register : where
    wraps : whether the register wraps; else it keeps the nearest value that it can hold
    count : how often, over all neurons, samples and steps
    neurons : how many neurons it happened to, in any sample
    largest : the largest magnitude that should have been held
    limit : the largest that can be held
    """

    population: str
    register: str
    wraps: bool
    count: int
    neurons: int
    largest: int
    limit: int

    def __str__(self) -> str:
        what = "wrapped" if self.wraps else "was clipped"
        return explain(
            f"loihi: population {self.population!r}",
            f"{self.register} {what} {self.count} times in {self.neurons} neurons",
            found=f"a sum of {self.largest}",
            expected=f"{self.limit} at most",
            cure="use smaller weights, exponents or biases, or a larger du",
        )


def counting(model: NeuronModel) -> NeuronModel:
    """Return a neuron that computes the same integers, and counts in `<variable>_lost` what its registers lose.

    Raises
    ------
    SubstrateError : not a neuron of Loihi with registers that overflow
    """
    if model.name not in REGISTERS:
        raise SubstrateError(
            explain(
                f"loihi: model {model.name!r}",
                "has no registers that are counted",
                expected=", ".join(REGISTERS),
            )
        )
    state, update = dict(model.state), {}
    for name, text in model.update.items():
        if name not in ("u", "v"):
            update[name] = text
        if name == "u" or (name == "v" and model.name != LoihiChipLIF.name):
            update |= _counted(REGISTERS[model.name], name, model.name)
        elif name == "v":
            update |= _counted(REGISTERS[model.name], "added", model.name)
            update |= _counted(REGISTERS[model.name], "v", model.name)
    state |= dict.fromkeys((v for v in update if v not in state), "1")
    return model.variant(f"{model.name}Counting", state=state, update=update)


def _counted(registers: tuple[_Register, ...], variable: str, model: str) -> dict[str, str]:
    """Return the updates that fill a register and count; with u, those of the summed input before it."""
    wanted = ("taken", "u") if variable == "u" and model == LoihiChipLIF.name else (variable,)
    found: dict[str, str] = {}
    for register in registers:
        if register.variable not in wanted:
            continue
        name = register.variable
        whole = f"{name}_sum"
        found[whole] = register.sum
        over = register.over.format(x=whole)
        found[f"{name}_lost"] = f"{name}_lost + (1 if {over} else 0)"
        found[f"{name}_top"] = f"maximum({name}_top, abs({whole}))"
        found[name] = register.kept.format(x=whole)
    return found


def overflows(
    network: Network, inputs: Mapping[str, Any] | None = None, **options: Any
) -> tuple[Overflow, ...]:
    """Run a network of Loihi's neurons, and return every register that lost something; empty where none did.

    Parameters
    ----------
    network : written for the chip, or compiled
    inputs, options : as of `engines.run`

    Raises
    ------
    SubstrateError : no population has registers that are counted
    """
    populations = {
        name: Population(counting(p.model), p.shape, dict(p.params), dict(p.initial))
        for name, p in network.populations.items()
        if p.model.name in REGISTERS
    }
    if not populations:
        raise SubstrateError(
            explain(
                f"loihi: network {network.name!r}",
                "has no neurons whose registers are counted",
                expected=", ".join(REGISTERS),
                cure="compile it first",
            )
        )
    twin = network.replacing(populations={**network.populations, **populations})
    values = run(twin, inputs, **options).state.values
    found = []
    for name in populations:
        for register in REGISTERS[network.populations[name].model.name]:
            lost = values[name][f"{register.variable}_lost"]
            if not np.any(lost):
                continue
            found.append(
                Overflow(
                    name,
                    register.name,
                    register.wraps,
                    int(lost.sum()),
                    int(np.count_nonzero(lost.any(axis=0))),
                    int(values[name][f"{register.variable}_top"].max()),
                    register.limit,
                )
            )
    return tuple(found)
