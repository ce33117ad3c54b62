"""What is measured: names, where each runs, and what it must agree with. Imports nothing of theirs."""

from __future__ import annotations

import enum
import os
import sys
from dataclasses import dataclass
from pathlib import Path

OURS, FLOOR, LOOP, AS_SNNTORCH = "spikewright", "floor", "loop", "spikewright_as_snntorch"


class Role(enum.Enum):
    """What an implementation stands for in a table."""

    OURS = "ours"
    PEER = "peer"
    HAND = "by hand"
    FLOOR = "floor"
    PROTOTYPE = "prototype"
    ALONE = "neurons alone"
    """A part of a step, which is compared with another part only."""


class Agrees(enum.Enum):
    """What must be the same as in another implementation."""

    NOTHING = "nothing"
    """Another neuron: it calculates another network of the same size."""
    SPIKES = "spikes"
    """The same neuron with another surrogate."""
    GRADIENTS = "spikes and gradients"


@dataclass(frozen=True)
class Implementation:
    """One implementation.

    Parameters
    ----------
    label : in tables
    role : what it stands for
    where : "module.function", of this folder
    environment : folder below SPIKEWRIGHT_PEERS, or empty for this Python
    package : whose version is stored
    shapes : keys of `shapes.SHAPES`
    agrees, reference : what must be equal, and with which implementation
    threaded : whether a second thread is measured
    """

    label: str
    role: Role
    where: str
    environment: str = ""
    package: str = "torch"
    shapes: str = "abc"
    agrees: Agrees = Agrees.NOTHING
    reference: str = LOOP
    threaded: bool = True

    @property
    def python(self) -> Path | None:
        """The Python that runs it, or None where its environment or its code is missing."""
        if self.role is Role.PROTOTYPE and not prototypes().exists():
            return None
        if not self.environment:
            return Path(sys.executable)
        named = os.environ.get("SPIKEWRIGHT_PEERS")
        found = Path(named).resolve() / self.environment / "bin" / "python" if named else None
        return found if found is not None and found.exists() else None


def prototypes() -> Path:
    """Return where our older prototypes are, or would be."""
    root = Path(__file__).resolve().parents[2]
    shared = os.environ.get("SPIKEWRIGHT_SHARED") or root.parent / "shared"
    return Path(shared) / "prototypes" / "train" / "fused_proto.py"


def _ours(label: str, where: str, shapes: str, agrees: Agrees, **more: str) -> Implementation:
    return Implementation(
        label, Role.OURS, f"ours.{where}", "", "spikewright", shapes, agrees, **more
    )


def _peer(
    label: str, where: str, agrees: Agrees, shapes: str = "abc", reference: str = LOOP
) -> Implementation:
    package = where.removesuffix("_last")
    return Implementation(
        label, Role.PEER, f"peers.{where}", "torch", package, shapes, agrees, reference
    )


def _loop(label: str, where: str, shapes: str = "abc") -> Implementation:
    agrees = Agrees.NOTHING if where in ("loop", "loop_two_traces") else Agrees.GRADIENTS
    return Implementation(label, Role.HAND, f"loops.{where}", shapes=shapes, agrees=agrees)


IMPLEMENTATIONS = {
    FLOOR: Implementation("floor: products alone", Role.FLOOR, "loops.floor"),
    "floor_last": Implementation(
        "floor: products alone, channels last", Role.FLOOR, "loops.floor_last", shapes="c"
    ),
    "floor_onednn": Implementation(
        "floor: products alone, oneDNN", Role.FLOOR, "loops.floor_onednn", shapes="ab"
    ),
    OURS: _ours("Spikewright", "module", "ab", Agrees.GRADIENTS),
    "spikewright_layers": _ours("Spikewright, layers in PyTorch", "layers", "ac", Agrees.GRADIENTS),
    "spikewright_layers_last": _ours(
        "Spikewright, layers, channels last", "layers_last", "c", Agrees.GRADIENTS
    ),
    "spikewright_conv": _ours(
        "Spikewright, network with sum pools", "module_conv", "c", Agrees.NOTHING
    ),
    AS_SNNTORCH: _ours("Spikewright, snnTorch's neuron", "as_snntorch", "abc", Agrees.NOTHING),
    "spikewright_two_traces": _ours(
        "Spikewright, custom model with two traces",
        "two_traces",
        "a",
        Agrees.GRADIENTS,
        reference="loop_two_traces",
    ),
    "lif_alone": Implementation(
        "Spikewright LIF, neurons alone", Role.ALONE, "ours.lif_alone", shapes="a"
    ),
    "two_traces_alone": Implementation(
        "Spikewright custom model, neurons alone",
        Role.ALONE,
        "ours.two_traces_alone",
        shapes="a",
    ),
    "snntorch": _peer("snnTorch", "snntorch", Agrees.GRADIENTS, reference=AS_SNNTORCH),
    "spikingjelly": _peer("SpikingJelly", "spikingjelly", Agrees.GRADIENTS),
    "snntorch_last": _peer(
        "snnTorch, channels last", "snntorch_last", Agrees.GRADIENTS, "c", AS_SNNTORCH
    ),
    "spikingjelly_last": _peer(
        "SpikingJelly, channels last", "spikingjelly_last", Agrees.GRADIENTS, "c"
    ),
    "norse": _peer("Norse", "norse", Agrees.NOTHING),
    "sinabs": _peer("sinabs", "sinabs", Agrees.SPIKES),
    "rockpool": _peer("Rockpool", "rockpool", Agrees.NOTHING, "ab"),
    "spyx": Implementation("Spyx", Role.PEER, "peers_jax.spyx", "spyx", "spyx"),
    "jax": Implementation(
        "JAX loop by hand",
        Role.HAND,
        "peers_jax.by_hand",
        "spyx",
        "jax",
        agrees=Agrees.GRADIENTS,
    ),
    LOOP: _loop("PyTorch loop by hand", "loop"),
    "loop_compiled_step": _loop("PyTorch loop, compiled step", "loop_compiled_step"),
    "loop_compiled": _loop("PyTorch loop, compiled whole", "loop_compiled", "c"),
    "loop_two_traces": _loop("PyTorch loop, custom model", "loop_two_traces", "a"),
    "prototype_numba": Implementation(
        "prototype: fused Numba",
        Role.PROTOTYPE,
        "prototypes.numba",
        agrees=Agrees.GRADIENTS,
        threaded=False,
    ),
    "prototype_event": Implementation(
        "prototype: event-driven Numba",
        Role.PROTOTYPE,
        "prototypes.numba_event",
        shapes="ab",
        agrees=Agrees.GRADIENTS,
        threaded=False,
    ),
}


def available(shape: str) -> list[str]:
    """Return the names of what can run a shape here, and say what cannot."""
    names = [name for name, made in IMPLEMENTATIONS.items() if shape in made.shapes]
    missing = [name for name in names if IMPLEMENTATIONS[name].python is None]
    if missing:
        print(f"{shape}: not here: {', '.join(missing)}")
    return [name for name in names if name not in missing]
