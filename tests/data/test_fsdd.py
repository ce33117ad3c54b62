"""Spoken digits: official parts, features of each recording alone, a cache that changes nothing."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from spikewright.data import Constant, LevelCrossing, Stream, fsdd, load
from spikewright.data.melspectrum import LogMel
from spikewright.errors import DataError


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep features in a folder of the test's own."""
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def record(path: Path, *, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sound = (3000 * rng.normal(size=int(rng.integers(800, 6000)))).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, len(sound), "NONE", ""))
        file.writeframes(sound.tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a small set: 2 digits, 2 speakers, index 0 to 11."""
    inner = tmp_path / "set" / "recordings"
    inner.mkdir(parents=True)
    for digit in (0, 7):
        for speaker in ("ann", "bob"):
            for index in range(12):
                seed = 1000 * digit + 100 * len(speaker) + index
                record(inner / f"{digit}_{speaker}_{index}.wav", seed=seed)
    return tmp_path / "set"


def test_parts(folder: Path) -> None:
    data = load("fsdd", folder)
    assert [data.train.n, data.validation.n, data.test.n] == [8, 20, 20]
    numbers = [part.numbers for part in (data.train, data.validation, data.test)]
    assert np.array_equal(np.sort(np.concatenate(numbers)), np.arange(48))  # type: ignore[arg-type]
    assert (data.shape, data.steps, data.dt) == ((2, 40), 50, 0.01)
    assert data.test.batch([0, 1]).shape == (50, 2, 80)
    assert "speakers ann, bob" in data.notes[0]
    assert np.array_equal(load("fsdd", folder / "recordings").test.inputs, data.test.inputs)


def test_a_speaker_left_out(folder: Path) -> None:
    data = fsdd.load(folder, left_out="bob")
    assert [data.train.n, data.validation.n, data.test.n] == [14, 10, 24]
    files = sorted((folder / "recordings").iterdir())
    for part in (data.train, data.validation, data.test):
        voices = {files[i].name.split("_")[1] for i in part.numbers}  # type: ignore[union-attr]
        assert voices == ({"bob"} if part is data.test else {"ann"})
    assert "bob is the test part" in data.notes[0]
    with pytest.raises(DataError, match=r"no such speaker; found 'eve', expected ann, bob"):
        fsdd.load(folder, left_out="eve")


def test_features_of_a_recording_do_not_depend_on_the_others(folder: Path) -> None:
    before = load("fsdd", folder)
    for seed, path in enumerate(sorted((folder / "recordings").glob("*_ann_[0-4].wav"))):
        record(path, seed=seed)
    after = load("fsdd", folder)
    assert before.checksum != after.checksum
    assert np.array_equal(before.train.inputs, after.train.inputs)
    assert np.array_equal(before.validation.inputs, after.validation.inputs)
    assert not np.array_equal(before.test.inputs, after.test.inputs)


def test_the_cache_changes_nothing(folder: Path, kept: Path) -> None:
    fresh = load("fsdd", folder, encoding=Stream())
    (file,) = kept.iterdir()
    again = load("fsdd", folder, encoding=LevelCrossing(0.1))
    assert np.array_equal(fresh.train.inputs, again.train.inputs)
    assert len(list(kept.iterdir())) == 1
    file.write_bytes(file.read_bytes()[:1000])
    assert np.array_equal(load("fsdd", folder).train.inputs, fresh.train.inputs)
    other = load("fsdd", folder, features=LogMel(n_mels=20))
    assert other.shape == (2, 20)
    assert len(list(kept.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "file"))
    assert "features could not be stored in" in load("fsdd", folder).notes[-1]


def test_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="'fsdd': needs a folder of recordings; found no folder — f"
    ):
        load("fsdd")
    with pytest.raises(DataError, match=r"found no folder '.*absent' — fetch https"):
        load("fsdd", tmp_path / "absent")
    with pytest.raises(DataError, match="holds no wav files — fetch"):
        load("fsdd", tmp_path)


def test_foreign_and_damaged_files(folder: Path) -> None:
    inner = folder / "recordings"
    (inner / "README.txt").write_text("not a recording")
    load("fsdd", folder)
    (inner / "7_bob_3.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"7_bob_3\.wav: not a wav file that can be read"):
        load("fsdd", folder)
    for n in range(5):
        record(inner / f"yes_{n}.wav", seed=n)
    with pytest.raises(
        DataError, match=r"found yes_0\.wav, yes_1\.wav, yes_2\.wav and 2 more, expected"
    ):
        load("fsdd", folder)


def test_a_missing_part(folder: Path) -> None:
    for path in (folder / "recordings").glob("*_[0-4].wav"):
        path.unlink()
    with pytest.raises(DataError, match="no recording of the test part; found index 5 to 11"):
        load("fsdd", folder)


def test_an_encoding_of_images(folder: Path) -> None:
    with pytest.raises(
        DataError, match="encoding Constant: does not take time series — use Stream"
    ):
        fsdd.load(folder, encoding=Constant())


def test_the_recordings(shared: Path) -> None:
    data = load("fsdd", shared / "data" / "fsdd", features=LogMel(hop=0.02, steps=25))
    assert [data.train.n, data.validation.n, data.test.n] == [2000, 250, 250]
    for part in (data.train, data.validation, data.test):
        assert set(np.bincount(part.labels)) == {part.n // 10}
    # the features tell digits apart: a ridge readout, learned on the training part alone
    x, test = data.train.inputs.reshape(2000, -1), data.test.inputs.reshape(250, -1)
    mean = x.mean(axis=0)
    x, test = (x - mean).astype(np.float64), test - mean
    targets = np.eye(10)[data.train.labels] - 0.1
    weights = np.linalg.solve(x.T @ x + 100 * np.eye(x.shape[1]), x.T @ targets)
    assert ((test @ weights).argmax(axis=1) == data.test.labels).mean() > 0.85
