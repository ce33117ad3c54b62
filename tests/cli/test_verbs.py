from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.errors import UsageError
from spikewright.network import store
from spikewright.testing.verify import Case

# --- run ------------------------------------------------------------------------------------------


def test_run_says_how_much_a_network_did(call: Any, tmp_path: Path) -> None:
    found = call("run @net.h5 --events @events.npz --out out.npz --json")
    assert found.status == 0
    with np.load(tmp_path / "out.npz") as file:
        assert file["output"].sum() == found.json["sent"]["output"] > 0
    assert found.json["activity"]["operations"]["dense"] > 0


def test_run_of_nir_and_arrays(call: Any) -> None:
    found = call("run @net.nir --inputs @arrays.npz --engine reference --seed 3 --json")
    assert found.status == 0
    assert (found.json["samples"], found.json["seed"], found.json["engine"]) == (2, 3, "reference")


def test_run_without_input_or_steps(call: Any) -> None:
    found = call("run @net.h5")
    assert (found.status, found.out) == (2, "")
    assert "needed where nothing enters — say steps=1000" in found.err


def test_run_in_words(call: Any) -> None:
    found = call("run @net.h5 --steps 5")
    assert found.status == 0
    assert "chain: 5 steps (0.005 s)" in found.out


@pytest.mark.parametrize("name", ["nothing.h5", "broken.h5", "text.txt", "events.npz"])
@pytest.mark.parametrize("verb", ["run @{}", "compile @{} loihi", "convert @{} out.nir"])
def test_bad_files_give_one_line_and_no_output(
    call: Any, tmp_path: Path, verb: str, name: str
) -> None:
    found = call(verb.format(name))
    assert (found.status, found.out) == (2, "")
    assert found.err.startswith("spikewright: ")
    assert len(found.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "allow_pickle", "größe", "a.b"])
def test_outputs_of_any_name_are_kept(call: Any, tmp_path: Path, name: str) -> None:
    from spikewright.network import LIF, chain, dense, neurons, source

    net = chain(source(4), dense(3), neurons(LIF, name=name), dt=1e-3, seed=1)
    store.save(net, tmp_path / "net.h5")
    assert call("run net.h5 --steps 3 --out out.npz").status == 0
    with np.load(tmp_path / "out.npz") as file:
        assert file[name].shape == (3, 1, 3)


# --- compile --------------------------------------------------------------------------------------


def test_compile_says_what_was_changed(call: Any, tmp_path: Path) -> None:
    found = call("compile @net.h5 loihi --out low.h5 --json")
    assert found.status == 0
    assert found.json["cores"] == 1
    assert found.json["changes"][0]["why"]
    assert store.load(tmp_path / "low.h5").populations["hidden1"].model.integer


def test_compile_takes_options(call: Any) -> None:
    found = call("compile @net.h5 pcm -o compensation=no -o time=20 --json")
    assert found.json["options"] == {"compensation": False, "time": 20}
    assert call("compile @net.h5 ideal").out.strip() == "chain on ideal: 0 change(s)"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compile @net.h5 nope", "substrate 'nope': not installed"),
        ("compile @net.h5 loihi -o color=3", "substrate 'loihi': bad option"),
        ("compile @net.h5 loihi -o color", "--option: not an option"),
        ("compile @net.h5 ideal --out nowhere/low.h5", "found no such folder"),
        ("compile @net.h5 ideal --out low.nir", "unknown ending; found '.nir', expected .h5"),
        ("compile @net.h5 ideal --dt 1", "--dt: is for NIR graphs"),
        ("compile @net.h5 pcm -o time=soon", "found time='soon', expected time: float"),
    ],
)
def test_compile_refuses(call: Any, line: str, message: str) -> None:
    found = call(line)
    assert found.status == 2
    assert message in found.err


# --- show -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("@net.h5", "hidden1: LIF (5,)"),
        ("@net.nir", "exact"),
        ("@events.npz", "60 events"),
        ("@arrays.npz", "input: array (10, 2, 4)"),
        ("LIF", "v > v_th"),
        ("loihi", "23.6 pJ"),
    ],
)
def test_show(call: Any, what: str, text: str) -> None:
    found = call(f"show {what}")
    assert found.status == 0
    assert text in found.out
    assert call(f"show {what} --json").json


@pytest.mark.parametrize("what", ["@net.h5", "@events.npz"])
def test_show_draws(call: Any, tmp_path: Path, what: str) -> None:
    assert call(f"show {what} --picture a.png").status == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("show nothing", "neither a file, a substrate nor a neuron model"),
        ("show LIF --picture a.png", "there is no picture of it"),
        ("show LIF --picture a.gif", "unknown ending; found '.gif'"),
    ],
)
def test_show_refuses(call: Any, line: str, message: str) -> None:
    found = call(line)
    assert found.status == 2
    assert message in found.err


# --- list -----------------------------------------------------------------------------------------


def test_list_everything(call: Any) -> None:
    found = call("list --json").json
    assert set(found) == {"models", "engines", "substrates", "data", "vectors"}
    assert {"LIF", "AdEx"} <= {line["name"] for line in found["models"]}


def test_the_capability_table_comes_from_chip_files(call: Any) -> None:
    found = {line["name"]: line for line in call("list substrates --json").json}
    assert found["loihi"]["limit: cores"] == "128"
    assert "24-bit integer" in call("list substrates").out


def test_listing_imports_no_substrate() -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom spikewright.cli import main\n"
        "if main(['list', '--json']): raise SystemExit('failed')\n"
        "heavy = [m for m in sys.modules if m.startswith(('spikewright.substrates.loihi', 'torch',\n"
        "  'spikewright.substrates.pcm', 'spikewright.substrates.ideal', 'matplotlib', 'numba'))]\n"
        "raise SystemExit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


# --- verify ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("passed", [True, False])
def test_verify_gives_a_line_per_case(
    call: Any, monkeypatch: pytest.MonkeyPatch, passed: bool
) -> None:
    cases = [Case("a", True, "equal"), Case("b", passed, "step 3: found 1, expected 2")]
    module = import_module("spikewright.testing.verify")
    monkeypatch.setattr(module, "verify", lambda kind, folder: cases)
    found = call("verify nir .")
    assert found.status == (0 if passed else 1)
    assert found.out.splitlines()[0] == "ok   a: equal"
    assert f"{1 + passed} of 2 cases pass" in found.out
    data = call("verify nir . --json").json
    assert (data["passed"], data["cases"][0]["name"]) == (passed, "a")


def test_verify_refuses_unknown_kinds_and_folders(call: Any) -> None:
    assert "verify: kind: unknown; found 'nope'" in call("verify nope .").err
    assert call("verify nir nowhere").status == 2


# --- convert --------------------------------------------------------------------------------------


def test_convert_to_nir_and_back(call: Any, tmp_path: Path) -> None:
    assert call("convert @net.h5 a.nir").status == 0
    found = call("convert a.nir b.h5 --json")
    assert found.status == 0
    assert found.json["reports"]["read"]["findings"]
    assert store.load(tmp_path / "b.h5").n_neurons == 11


def test_convert_to_a_brian2_script(call: Any, tmp_path: Path) -> None:
    assert call("convert @net.h5 a.py").status == 0
    assert "b2.NeuronGroup(" in (tmp_path / "a.py").read_text()
    assert (tmp_path / "a.npz").is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("convert @net.h5 a.txt", "unknown ending; found '.txt', expected .nir or .h5"),
        ("convert @net.nir a.h5 --reset up", "--reset: unknown; found 'up'"),
        ("convert @net.h5 a.nir --current exact", "--current: is for NIR graphs"),
        ("convert @net.h5 a.nir --dt 1", "--dt: is for NIR graphs"),
        (
            "convert @net.nir a.h5 --current up",
            "--current: unknown; found 'up', expected sequential",
        ),
    ],
)
def test_convert_refuses(call: Any, line: str, message: str) -> None:
    found = call(line)
    assert found.status == 2
    assert message in found.err


# --- compare --------------------------------------------------------------------------------------


def test_compare_a_network(call: Any, tmp_path: Path) -> None:
    found = call("compare @net.h5 --events @events.npz --substrates loihi,ideal --json")
    assert found.status == 0
    assert [row["label"] for row in found.json["rows"]] == ["ideal", "loihi"]
    assert "</html>" in (tmp_path / "compare-net.html").read_text(encoding="utf-8")
    assert "report: compare-net.html" in found.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compare nothing", "neither a data set nor a file; expected digits"),
        ("compare digits --out nowhere/a.html", "found no such folder"),
        ("compare digits --out .", ".: cannot be written; found a folder"),
        ("compare digits --engine nope", "engine: unknown; found 'nope'"),
        ("compare digits --inputs @arrays.npz", "--inputs: is for networks; found 'digits'"),
        ("compare @net.h5 --steps 3 --epochs 3", "--epochs: is for data sets"),
        ("compare @net.h5 --steps 0", "greater than or equal to 1"),
        ("compare @net.h5 --substrates nope --steps 3", "substrates: unknown; found nope"),
        ("compare fsdd", "data set 'fsdd': its files are not shipped — say --data FOLDER"),
    ],
)
def test_compare_refuses(call: Any, line: str, message: str) -> None:
    found = call(line)
    assert (found.status, found.out) == (2, "")
    assert message in found.err


def test_compare_digits_trains_once_and_says_cached(call: Any, tmp_path: Path) -> None:
    line = "compare digits --substrates ideal --seeds 1 --epochs 1 --samples 20 --out a.html --json"
    first = call(line)
    assert first.status == 0
    assert "seed 0 trained in" in first.json["about"]["training"]
    again = call(line)
    assert "seed 0 cached" in again.json["about"]["training"]
    assert again.json["rows"][0]["score"] == first.json["rows"][0]["score"]


def test_names_are_drawn_as_they_are(call: Any, tmp_path: Path) -> None:
    from spikewright.network import LIF, chain, dense, neurons, source

    net = chain(
        source(4), dense(3), neurons(LIF, name=r"$\frac$"), dt=1e-3, seed=1, name="$_<script>"
    )
    store.save(net, tmp_path / "net.h5")
    assert call("show net.h5 --picture a.png").status == 0
    assert call("compare net.h5 --steps 9 --substrates ideal").status == 0
    assert "_<script>" not in (tmp_path / "compare-net.html").read_text(encoding="utf-8")


def test_compare_of_nothing(call: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "none.npz", input=np.zeros((0, 1, 4)))
    found = call("compare @net.h5 --inputs none.npz")
    assert (found.status, found.out) == (2, "")
    assert "there is nothing to compare; found 0 steps" in found.err


def test_compare_that_is_interrupted(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("training: interrupted after 1 of 9 epochs")

    monkeypatch.setattr(import_module("spikewright.report"), "compare", stop)
    found = call("compare digits --out a.html")
    assert (found.status, found.out) == (130, "")
    assert "interrupted after 1 of 9 epochs" in found.err


def test_compare_says_which_substrate_could_not(call: Any, tmp_path: Path) -> None:
    from spikewright.network import AdEx, chain, dense, neurons, source

    net = chain(source(4), dense(3), neurons(AdEx), dt=1e-4, name="adex")
    store.save(net, tmp_path / "adex.h5")
    found = call("compare adex.h5 --steps 3 --substrates ideal,loihi --json")
    assert found.status == 1
    assert "AdEx" in found.json["failed"]["loihi"]


# --- train ----------------------------------------------------------------------------------------


def test_train_keeps_its_work_and_writes_a_network(call: Any, tmp_path: Path) -> None:
    line = "train digits --epochs 1 --seed 5 --out net.h5 --json"
    first = call(line)
    assert first.status == 0
    assert (first.json["epochs"], first.json["cached"], first.json["seed"]) == (1, False, 5)
    assert 0.1 < first.json["test_accuracy"] <= 1
    assert store.load(tmp_path / "net.h5").outputs == ("output",)
    assert json.loads(call(line).out)["cached"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train digits --recipe nope", "recipe 'nope': unknown"),
        ("train nope", "recipe 'nope': unknown"),
        ("train digits --out a.txt", "unknown ending; found '.txt'"),
        ("train digits --out nowhere/a.h5", "cannot be written; found no such folder"),
        ("train digits --data .", "--data: not for 'digits'"),
        ("train digits --through nope", "substrate 'nope': not installed"),
    ],
)
def test_train_refuses(call: Any, line: str, message: str) -> None:
    found = call(line)
    assert (found.status, found.out) == (2, "")
    assert message in found.err


def test_options_are_read_with_units() -> None:
    read = import_module("spikewright.cli.compile").read_option
    assert read("time=1 ms") == ("time", 1e-3)
    assert read("bits=4") == ("bits", 4)
    assert read("compensation=yes") == ("compensation", True)
    assert read("failed_links=[(0, 1, 'E')]") == ("failed_links", [(0, 1, "E")])
    with pytest.raises(UsageError, match=r"--option faulty: cannot be read; found '.0, open'"):
        read("faulty=(0, open")
    with pytest.raises(
        UsageError, match="--option: not an option; found 'x y', expected NAME=VALUE"
    ):
        read("x y")


# --- large simulations ----------------------------------------------------------------------------


def test_show_plan_says_what_would_be_built_and_why(call: Any) -> None:
    found = call("show @net.h5 --plan --rate 20")
    assert found.status == 0
    assert "double precision, 1 thread(s), 1 step(s) at a time: the delay of " in found.out
    assert "matrix, float64 (every source reaches every target)" in found.out
    assert "memory: " in found.out
    assert "where neurons fire at 20 Hz" in found.out


def test_show_plan_as_json(call: Any) -> None:
    found = call("show @net.h5 --plan --precision single --threads 2 --json")
    assert (found.json["precision"], found.json["threads"]) == ("single", 2)
    forms = {q["form"] for q in found.json["projections"].values()}
    assert "matrix, float32" in forms
    assert found.json["bytes"] > 0


def test_show_plan_of_an_unknown_precision(call: Any) -> None:
    found = call("show @net.h5 --plan --precision half")
    assert (found.status, found.out) == (2, "")
    assert "precision: unknown; found 'half', expected 'double' or 'single'" in found.err


def test_run_keeps_a_recording_and_a_state(call: Any, tmp_path: Path) -> None:
    from spikewright.engines import read_recording

    line = "run @net.h5 --steps 40 --record rec.h5 --checkpoint state.h5 --precision single --json"
    first = call(line)
    assert first.status == 0
    kept = read_recording(tmp_path / "rec.h5")
    assert kept.steps == 40
    assert (tmp_path / "state.h5").exists()
    again = call(line)
    assert (again.json["steps"], again.json["sent"]) == (40, first.json["sent"])
