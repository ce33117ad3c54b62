"""One implementation in a process of its own: prepares a task and repeats it, as `rounds.py` asks.

    python worker.py '{"module": "readers", "who": "evutils"}'

Requests are lines of JSON on standard input, answers lines of JSON on standard output; whatever a library prints goes
to standard error. Runs in the environment of the implementation: only the standard library and NumPy are needed here.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import warnings
from typing import Any


class Worker:
    """What the requests act on."""

    def __init__(self, module: str, who: str) -> None:
        self.module, self.who = importlib.import_module(module), who
        self.case: Any = None

    def prepare(self, **task: Any) -> dict[str, Any]:
        """Prepare a task, do it once, and return what is to be said of the result."""
        self.case = None
        gc.collect()
        try:
            self.case = self.module.case(self.who, **task)
            result = self.case.step()
            return {"failed": None, **self.case.check(result)}
        except MemoryError:
            raise
        except BaseException as error:  # peers raise whatever they like, some of it no Exception
            self.case = None
            return {"failed": f"{type(error).__name__}: {error}"[:200]}

    def step(self) -> dict[str, float]:
        """Do the task once more; giving its memory back belongs to it."""
        begin = time.perf_counter(), time.process_time()
        result = self.case.step()
        del result
        return {"cpu": time.process_time() - begin[1], "wall": time.perf_counter() - begin[0]}


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    worker = Worker(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("do"))(**request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
