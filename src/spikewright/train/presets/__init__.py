"""Neurons of other libraries: the same spikes, and the same gradients, from models of this project.

Each module holds one library: its `NEURONS` (name there -> function of its options -> `Preset`), its `SURROGATES` and
its `MODELS`. A preset goes into a network with `preset.population(n)` and is trained with
`Module(network, surrogate=preset.surrogate, reset_gradient=preset.reset_gradient)`; a network of several layers runs
with `propagation=Propagation.SAME_STEP`, as all of these libraries do.

What differs between them: `docs/concepts/ten_lifs.md`. That they are equal: `spikewright verify lif`.
"""

from collections.abc import Callable
from types import ModuleType

from spikewright.train.presets import norse, sinabs, snntorch, spikingjelly, spyx
from spikewright.train.presets.preset import Preset

LIBRARIES: dict[str, ModuleType] = {
    "norse": norse,
    "sinabs": sinabs,
    "snntorch": snntorch,
    "spikingjelly": spikingjelly,
    "spyx": spyx,
}
PRESETS: dict[str, Callable[..., Preset]] = {
    f"{library}.{name}": make
    for library, module in LIBRARIES.items()
    for name, make in module.NEURONS.items()
}
""" "library.Neuron" -> function that makes the preset."""

__all__ = ["LIBRARIES", "PRESETS", "Preset"]
