"""The ideal substrate has no model of its own: every neuron model stays what it is."""

MODELS: dict[str, object] = {}
