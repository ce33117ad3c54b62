"""Accuracy on a test part for several seeds, written with command, machine and wall time to `results/`."""

from __future__ import annotations

import datetime
import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import RESULTS, machine


@dataclass(frozen=True)
class Score:
    """One training run: accuracies as shares, wall and CPU seconds of training, spikes per test sample."""

    seed: int
    test: float
    validation: float
    wall_s: float
    cpu_s: float
    spikes: float


def write(name: str, note: str, scores: list[Score], **settings: object) -> None:
    """Print the scores and write `results/<name>.json`."""
    tests = [s.test for s in scores]
    for s in scores:
        print(
            f"{name}: seed {s.seed}: test {s.test:.2%}, validation {s.validation:.2%}, {s.wall_s:.0f} s"
        )
    spread = statistics.stdev(tests) if len(tests) > 1 else 0.0
    print(f"{name}: mean {statistics.fmean(tests):.2%}, standard deviation {spread:.2%}")
    script = Path(sys.argv[0]).resolve()
    result = {
        "name": name,
        "note": note,
        "command": " ".join(["python", str(script.relative_to(RESULTS.parents[1])), *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "settings": settings,
        "mean_test_accuracy": statistics.fmean(tests),
        "standard_deviation": spread,
        "seeds": [asdict(s) for s in scores],
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
