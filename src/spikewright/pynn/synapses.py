"""Synapse types of PyNN as rules of this package.

    StaticSynapse            no rule
    TsodyksMarkramSynapse    TsodyksMarkram, or ShortTermDepression where tau_facil is 0
    STDPMechanism            pair STDP, all pairs, with the weight dependence written into its text

Amplitudes of SpikePairRule are fractions: of `w_max` (additive), of the way to a bound (multiplicative).

Source
------
Song, Miller, Abbott, Nature Neurosci. 3, 2000 (additive); van Rossum, Bi, Turrigiano, J. Neurosci. 20, 2000
(depression in proportion to the weight); Rubin, Lee, Sompolinsky, Phys. Rev. Lett. 86, 2001 (multiplicative); Gütig,
Aharonov, Rotter, Sompolinsky, J. Neurosci. 23, 2003; Morrison, Diesmann, Gerstner, Biol. Cybern. 98, 2008 (the frame).
"""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

from spikewright.errors import ModelError, explain
from spikewright.network import Rule
from spikewright.network.plasticity import PairSTDP, ShortTermDepression, TsodyksMarkram


class SynapseType:
    """How a connection behaves, with values of its parameters. Abstract."""

    default_parameters: ClassVar[dict[str, Any]] = {"weight": 0.0, "delay": None}
    default_initial_values: ClassVar[dict[str, float]] = {}

    def __init__(self, **parameters: Any) -> None:
        known = self.default_parameters
        for name in parameters:
            if name not in known:
                raise ModelError(
                    explain(
                        type(self).__name__, f"has no parameter {name!r}", expected=", ".join(known)
                    )
                )
        self.parameters = known | parameters

    @classmethod
    def get_parameter_names(cls) -> list[str]:
        """Return the names of its parameters."""
        return list(cls.default_parameters)

    @property
    def is_plastic(self) -> bool:
        """Whether weights change for good."""
        return False

    def rule(self, values: dict[str, float], factor: float, dt: float) -> Rule | None:
        """Return the rule for connections that share the values of all parameters but weight and delay.

        Parameters
        ----------
        values : parameter -> value
        factor : SI units of the port in PyNN's unit of weight
        dt : ms per step
        """
        return None

    def describe(self, template: Any = None, engine: Any = None) -> str:
        """Return the synapse type as text."""
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({given})"

    def __repr__(self) -> str:
        return self.describe()


class StaticSynapse(SynapseType):
    """A connection with a weight and a delay."""


class TsodyksMarkramSynapse(SynapseType):
    """Short-term plasticity; a spike delivers `weight * u * x`. The time constant of the current is the cell's."""

    default_parameters: ClassVar[dict[str, Any]] = {
        "weight": 0.0, "delay": None, "U": 0.5, "tau_rec": 100.0, "tau_facil": 0.0,
    }  # fmt: skip

    def rule(self, values: dict[str, float], factor: float, dt: float) -> Rule:
        if values["tau_facil"] == 0.0:
            return Rule(ShortTermDepression, {"U": values["U"], "tau_d": values["tau_rec"] * 1e-3})
        constants = {
            "U": values["U"],
            "tau_d": values["tau_rec"] * 1e-3,
            "tau_f": values["tau_facil"] * 1e-3,
        }
        return Rule(TsodyksMarkram, constants)


class SpikePairRule:
    """Every pair of spikes counts; tau in ms, amplitudes as the weight dependence says."""

    default_parameters: ClassVar[dict[str, float]] = {
        "tau_plus": 20.0, "tau_minus": 20.0, "A_plus": 0.01, "A_minus": 0.01,
    }  # fmt: skip

    def __init__(
        self,
        tau_plus: float = 20.0,
        tau_minus: float = 20.0,
        A_plus: float = 0.01,
        A_minus: float = 0.01,
    ) -> None:
        self.parameters = {
            "tau_plus": tau_plus, "tau_minus": tau_minus, "A_plus": A_plus, "A_minus": A_minus,
        }  # fmt: skip


class WeightDependence:
    """How the change of a weight depends on the weight. Abstract."""

    grow: ClassVar[str]
    shrink: ClassVar[str]
    extra: ClassVar[tuple[str, ...]] = ()

    def __init__(self, w_min: float = 0.0, w_max: float = 1.0, **exponents: float) -> None:
        unknown = set(exponents) - set(self.extra)
        if unknown:
            raise ModelError(
                explain(type(self).__name__, f"has no parameter {sorted(unknown)[0]!r}")
            )
        if not w_min <= w_max:
            raise ModelError(
                explain(type(self).__name__, "w_min above w_max", found=f"{w_min:g}, {w_max:g}")
            )
        given = dict.fromkeys(self.extra, 0.5) | exponents
        self.parameters = {"w_min": w_min, "w_max": w_max} | given


class AdditiveWeightDependence(WeightDependence):
    """A step of `A * w_max`, whatever the weight."""

    grow = "a_plus * w_max"
    shrink = "a_minus * w_max"


class MultiplicativeWeightDependence(WeightDependence):
    """A step of `A_plus * (w_max - w)`, or `A_minus * (w - w_min)`."""

    grow = "a_plus * (w_max - w)"
    shrink = "a_minus * (w - w_min)"


class AdditivePotentiationMultiplicativeDepression(WeightDependence):
    """A step of `A_plus * w_max`, or `A_minus * w`."""

    grow = "a_plus * w_max"
    shrink = "a_minus * w"


class GutigWeightDependence(WeightDependence):
    """A step of `A_plus w_max (1 - w / w_max)^mu_plus`, or `A_minus w_max ((w - w_min) / w_max)^mu_minus`."""

    grow = "a_plus * w_max * (0 if w >= w_max else exp(mu_plus * log(1 - w / w_max)))"
    shrink = "a_minus * w_max * (0 if w <= w_min else exp(mu_minus * log((w - w_min) / w_max)))"
    extra = ("mu_plus", "mu_minus")


class STDPMechanism(SynapseType):
    """A weight that spikes of both sides change.

    Parameters
    ----------
    timing_dependence : `SpikePairRule`
    weight_dependence : one of the four above
    voltage_dependence : None
    dendritic_delay_fraction : which part of the delay the spikes of the target need to reach the synapse. The delay
        of this package lies before the synapse: 0 is what is computed, another number is warned of
    weight, delay : as everywhere
    """

    default_parameters: ClassVar[dict[str, Any]] = {
        "weight": 0.0, "delay": None, "tau_plus": 20.0, "tau_minus": 20.0, "A_plus": 0.01, "A_minus": 0.01,
        "w_min": 0.0, "w_max": 1.0, "mu_plus": 0.5, "mu_minus": 0.5,
    }  # fmt: skip

    def __init__(
        self,
        timing_dependence: SpikePairRule | None = None,
        weight_dependence: WeightDependence | None = None,
        voltage_dependence: Any = None,
        dendritic_delay_fraction: float = 1.0,
        weight: Any = 0.0,
        delay: Any = None,
    ) -> None:
        if not isinstance(timing_dependence, SpikePairRule):
            raise _unsupported("timing_dependence", timing_dependence, "SpikePairRule")
        if not isinstance(weight_dependence, WeightDependence):
            raise _unsupported("weight_dependence", weight_dependence, "AdditiveWeightDependence")
        if voltage_dependence is not None:
            raise _unsupported("voltage_dependence", voltage_dependence, "None")
        if not 0.0 <= dendritic_delay_fraction <= 1.0:
            raise ModelError(
                explain(
                    "STDPMechanism(dendritic_delay_fraction=)",
                    "not a fraction",
                    found=dendritic_delay_fraction,
                )
            )
        if dendritic_delay_fraction > 0.0:
            warnings.warn(
                "spikewright.pynn: STDPMechanism takes the whole delay as axonal: the window is shifted against "
                f"dendritic_delay_fraction={dendritic_delay_fraction:g} by {2 * dendritic_delay_fraction:g} delays",
                stacklevel=2,
            )
        super().__init__(
            weight=weight,
            delay=delay,
            **timing_dependence.parameters,
            **weight_dependence.parameters,
        )
        self.timing_dependence = timing_dependence
        self.weight_dependence = weight_dependence
        self.voltage_dependence = None
        self.dendritic_delay_fraction = dendritic_delay_fraction

    @property
    def is_plastic(self) -> bool:
        return True

    def rule(self, values: dict[str, float], factor: float, dt: float) -> Rule:
        law = self.weight_dependence
        params: dict[str, tuple[float, str]] = {
            "tau_plus": (20e-3, "s"),
            "tau_minus": (20e-3, "s"),
            "a_plus": (0.01, "1"),
            "a_minus": (0.01, "1"),
            "w_min": (0.0, "weight"),
            "w_max": (1.0, "weight"),
        }
        params |= {name: (0.5, "1") for name in law.extra}
        model = PairSTDP.variant(
            f"PairSTDP{type(law).__name__}",
            params=params,
            on_pre={"w": f"clip(w - {law.shrink} * y, w_min, w_max)", "x": "x + 1"},
            on_post={"w": f"clip(w + {law.grow} * x, w_min, w_max)", "y": "y + 1"},
            source="all pairs; see the head of this file for the weight dependence",
        )
        constants = {
            "tau_plus": values["tau_plus"] * 1e-3,
            "tau_minus": values["tau_minus"] * 1e-3,
            # a spike found in step k has the time (k + 1) dt, but its traces count from k: a step too early for both
            "a_plus": values["A_plus"] * math.exp(-dt / values["tau_plus"]),
            "a_minus": values["A_minus"] * math.exp(dt / values["tau_minus"]),
            "w_min": values["w_min"] * factor,
            "w_max": values["w_max"] * factor,
        }
        return Rule(model, constants | {name: values[name] for name in law.extra})


def _unsupported(name: str, found: Any, nearest: str) -> ModelError:
    return ModelError(
        explain(
            f"STDPMechanism({name}=)", "not supported", found=type(found).__name__, expected=nearest
        )
    )
