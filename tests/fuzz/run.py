"""Fuzz every reader of event files: `make fuzz`, or `python tests/fuzz/run.py --help`.

Slices run in child processes, which may crash or hang: the number of the execution stands in a file, so a case can be
made again: `python tests/fuzz/run.py --case evt3 12345`. Every execution has a time, and all memory together a limit.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 2.0
"""Processor time that one execution may take."""
SILENCE = 60.0
"""Seconds of processor time for one execution after which it hangs."""
ASLEEP = 1800.0
"""Seconds without an execution that ends, after which a child hangs too; machines may be busy."""
WARMING = (1 << 64) - 1
"""Number of the execution while a child still compiles."""
MEMORY = 96 << 20
"""Bytes that one execution may add to the largest memory so far; files here have at most 300 kB."""
ADDRESSES = 3 << 30
"""Bytes of address space beyond what is in use after the first reading."""
SLICE = 20_000
SHARE = {
    **{"text": 0.25, "csv": 0.25, "npz": 0.15, "rosbag": 0.08, "stmnist": 0.08},
    **{"ecf": 0.02, "dsec": 0.02, "mvsec": 0.02},
}
"""Format -> executions beside those of a format of words; these are dear."""


class Case:
    """One execution, made again from its number."""

    def __init__(self, name: str, *, real: bool = True) -> None:
        from fuzz_corpus import samples
        from fuzz_damage import size_fields

        self.name = name
        self.samples = samples(name, real=real)
        self.fields = [size_fields(sample.content) for sample in self.samples]

    def run(self, number: int, folder: Path, *, keep: bool = False) -> tuple[bool, Any]:
        """Execute; return whether the file could be read, and the content if `keep`."""
        from fuzz_damage import damage
        from fuzz_oracles import examine

        draw = random.Random(f"{self.name}/{number}")
        k = draw.randrange(len(self.samples))
        other = draw.choice(self.samples).content
        content, change = damage(self.samples[k].content, other, self.fields[k], draw)
        if keep:
            return False, (self.samples[k], content, change)
        return examine(self.samples[k], content, change, draw, folder), None


def child(name: str, first: int, count: int, place: Path) -> None:
    """Run a slice; findings go to standard output, one line each."""
    warnings.simplefilter("error")
    case = Case(name)
    with open(place, "r+b") as file, tempfile.TemporaryDirectory() as folder:
        progress = mmap.mmap(file.fileno(), 16)
        for sample in case.samples:  # compiles, or loads what was compiled
            from spikewright.events.formats import read

            read(sample.content, format=name, **sample.options)
        for number in range(200):
            with suppress(Exception):  # met again, and told, when its turn comes
                case.run(number, Path(folder))
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (in_use + ADDRESSES,) * 2)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        n_read = 0
        for number in range(first, first + count):
            progress[:8] = number.to_bytes(8, "little")
            began = time.process_time()
            try:
                n_read += case.run(number, Path(folder))[0]
            except Exception as error:
                frames = traceback.extract_tb(error.__traceback__)
                where = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-3:]]
                tell(name, number, type(error).__name__, str(error)[:300], where)
            spent = time.process_time() - began
            if spent > SECONDS:  # once more: the first time may have compiled something
                began = time.process_time()
                with suppress(Exception):
                    case.run(number, Path(folder))
                spent = time.process_time() - began
            if spent > SECONDS:
                tell(name, number, "slow", f"{spent:.1f} s", [])
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if (now - most) * 1024 > MEMORY:
                tell(name, number, "memory", f"{(now - most) >> 10} MiB more", [])
            most = max(most, now)
        progress[8:16] = n_read.to_bytes(8, "little")


def tell(name: str, number: int, what: str, message: str, where: list[str]) -> None:
    """Write one finding."""
    line = {"format": name, "case": number, "what": what, "message": message, "where": where}
    print(json.dumps(line), flush=True)  # noqa: T201


def watch(
    name: str, first: int, count: int, *, bounds: bool
) -> tuple[int, int, list[dict[str, Any]]]:
    """Run a slice in children; return executions done, files that could be read, and findings."""
    findings: list[dict[str, Any]] = []
    done = n_read = 0
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONFAULTHANDLER="1")
    if Path("/dev/shm").is_dir():  # a disk would be waited for whenever a file is written
        environment["TMPDIR"] = "/dev/shm"
    if bounds:
        environment |= {
            "NUMBA_BOUNDSCHECK": "1",
            "NUMBA_CACHE_DIR": str(Path(tempfile.gettempdir()) / "spikewright_fuzz_bounds"),
        }
    while done < count:
        with tempfile.TemporaryDirectory() as folder:
            place, out = Path(folder) / "at", Path(folder) / "out"
            place.write_bytes(WARMING.to_bytes(8, "little") + bytes(8))
            numbers = [str(first + done), str(count - done)]
            command = [sys.executable, __file__, "--child", name, *numbers, str(place)]
            with open(out, "w") as stdout, open(Path(folder) / "err", "w+") as stderr:
                process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr)
                at, since, spent, hangs = -1, time.monotonic(), 0.0, False
                while process.poll() is None:
                    time.sleep(0.2)
                    now = int.from_bytes(place.read_bytes()[:8], "little")
                    if now != at:
                        at, since, spent = now, time.monotonic(), processor_time(process.pid)
                    elif (
                        at != WARMING and processor_time(process.pid) - spent > SILENCE
                    ) or time.monotonic() - since > ASLEEP:
                        process.kill()
                        hangs = True
                process.wait()
                stderr.seek(0)
                said = stderr.read()[-1500:]
            findings += [json.loads(line) for line in out.read_text().splitlines()]
            at = int.from_bytes(place.read_bytes()[:8], "little")
            n_read += int.from_bytes(place.read_bytes()[8:], "little")
            if process.returncode == 0:
                return count, n_read, findings
            at = first + done if at == WARMING else at
            what = "hang" if hangs else f"crash {process.returncode}"
            findings.append(
                {"format": name, "case": at, "what": what, "message": said, "where": []}
            )
            done = at + 1 - first
    return done, n_read, findings


def processor_time(pid: int) -> float:
    """Return the seconds that a process has used, 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", nargs="*", help="names; all if left out")
    parser.add_argument("--executions", type=int, default=20_000, help="of each format of words")
    parser.add_argument(
        "--first", type=int, help="number of the first execution; else those after the last run"
    )
    parser.add_argument(
        "--bounds", action="store_true", help="check the bounds of arrays in compiled code"
    )
    parser.add_argument("--case", nargs=2, metavar=("FORMAT", "NUMBER"), help="do one again")
    parser.add_argument("--keep", type=Path, help="with --case: write the file there")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "benchmarks/results/events_fuzz.json"
    )
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, first, count, place = given.child
        child(name, int(first), int(count), Path(place))
        return 0
    if given.case:
        return again(given.case[0], int(given.case[1]), given.keep)
    from fuzz_results import Results

    results, broken = Results(given.results), 0
    for name in given.formats or results.names:
        left = max(int(given.executions * SHARE.get(name, 1.0)), 1)
        first = results.next(name, bounds=given.bounds) if given.first is None else given.first
        while left:
            count = min(left, SLICE)
            began = time.monotonic()
            done, n_read, findings = watch(name, first, count, bounds=given.bounds)
            results.add(name, first, done, n_read, findings, bounds=given.bounds)
            spent = time.monotonic() - began
            said = f"{first} to {first + done - 1}, {n_read} read, {spent:.0f} s"
            print(f"{name}: {said}, {len(findings)} findings", flush=True)  # noqa: T201
            for finding in findings[:20]:
                print("   ", json.dumps(finding), flush=True)  # noqa: T201
            broken += len(findings)
            left, first = left - count, first + count
    return 1 if broken else 0


def again(name: str, number: int, keep: Path | None) -> int:
    """Do one execution again, in this process."""
    case = Case(name)
    with tempfile.TemporaryDirectory() as folder:
        sample, content, change = case.run(number, Path(folder), keep=True)[1]
        print(f"{sample.name}, {len(content)} bytes: {'; '.join(change.steps)}")  # noqa: T201
        if keep:
            keep.write_bytes(content)
        case.run(number, Path(folder))
    print("all promises are kept")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
