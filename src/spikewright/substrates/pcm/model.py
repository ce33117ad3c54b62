"""The column converter of a crossbar tile, as a population without state.

A column's current, in units of the largest weight times a full input, gains output noise, is rounded to the
converter's step (half to even) and clipped to its range. A column that no input reaches is not converted.

Source
------
Rasch et al., Nature Communications 14, 5282 (2023), arXiv 2302.08469: bounds, resolution and output noise of
analog tiles.
"""

from spikewright.network.model import NeuronModel, Noise

Converter = NeuronModel(
    name="Converter",
    state={},
    params={"step": (2 * 12 / 510, "1"), "bound": (12.0, "1"), "noise": (0.0, "1")},
    inputs={"x": "1"},
    noise={"z": Noise.NORMAL},
    output="0 if x == 0 else clip(round((x + noise * z) / step) * step, -bound, bound)",
    source="Rasch et al. 2023 (arXiv 2302.08469), analog tile forward pass",
)

MODELS = {Converter.name: Converter}
