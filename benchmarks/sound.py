"""Front ends for sound: CPU seconds for one second of a noisy sweep, so the inverse is the real-time factor."""

from __future__ import annotations

import numpy as np
from harness import interleaved, report

from spikewright.events.sound import (
    Cochlea,
    FrontEnd,
    Gammatone,
    HairCell,
    MelLevels,
    Normalization,
    Poisson,
    Speech2Spikes,
    XyloAudio3,
)

FRONTS: dict[str, FrontEnd] = {
    "cochlea": Cochlea(),
    "cochlea_two_cap": Cochlea(hair_cell=HairCell.TWO_CAP),
    "cochlea_poisson": Cochlea(firing=Poisson(seed=1)),
    "cochlea_two_ears": Cochlea(ears=2),
    "gammatone": Gammatone(),
    "mel_levels": MelLevels(),
    "speech2spikes": Speech2Spikes(),
    "xylo": XyloAudio3(),
    "xylo_joint": XyloAudio3(Normalization.JOINT),
}


def second(front: FrontEnd) -> np.ndarray:
    """Return one second at the rate of a front end: a sweep from 100 Hz to 3 kHz, swelling three times, in noise."""
    t = np.arange(round(front.rate)) / front.rate
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(t))
    sweep = 0.3 * np.sin(2 * np.pi * (100 * t + 1450 * t**2)) * np.sin(3 * np.pi * t) ** 2
    return sweep + noise if front.ears == 1 else np.stack([sweep + noise, sweep - noise], axis=1)


def main() -> None:
    """Time `encode` of every front end with its settings as they are."""
    sounds = {name: second(front) for name, front in FRONTS.items()}
    cases = {
        name: (lambda name=name, front=front: front.encode(sounds[name], rate=front.rate))
        for name, front in FRONTS.items()
    }
    counts = ", ".join(f"{name} {case().n}" for name, case in cases.items())
    note = f"CPU seconds for one second of sound; events: {counts}"
    report("sound", interleaved(cases, rounds=25), against="cochlea", note=note)


if __name__ == "__main__":
    main()
