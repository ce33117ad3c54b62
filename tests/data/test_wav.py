"""wav files: good ones read back; damage and foreign kinds are named."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.data import wav
from spikewright.errors import DataError

PATH = Path("7_jackson_3.wav")


def written(sound: np.ndarray, *, channels: int = 1, width: int = 2, rate: int = 8000) -> bytes:
    store = io.BytesIO()
    with wave.open(store, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(sound.tobytes())
    return store.getvalue()


SOUND = np.arange(-50, 50, dtype="<i2")
GOOD = written(SOUND)


def test_samples_come_back() -> None:
    assert np.array_equal(wav.decode(PATH, GOOD, rate=8000.0) * 32768, SOUND)


@settings(max_examples=200)
@given(st.data())
def test_damage_gives_samples_or_a_data_error(data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, min(60, len(content) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    try:
        sound = wav.decode(PATH, bytes(content), rate=8000.0)
    except DataError:
        return
    assert 0 < len(sound) <= 100


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a wav file that can be read .it ends early. — fetch the file again"),
        (b"ID3 music", "not a wav file that can be read"),
        (GOOD[:-10], "is truncated; found 190 bytes of sound, expected 200 as its header says"),
        (written(SOUND[:0]), "has no samples"),
        (written(SOUND, rate=16000), "found 1 channels, 16 bits, 16000 Hz, expected 1 channel, 16"),
        (written(SOUND, channels=2), "another kind of sound; found 2 channels"),
        (written(SOUND, width=1), "another kind of sound; found 1 channels, 8 bits"),
    ],
)
def test_bad_files(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"7_jackson_3.wav: .*{words}"):
        wav.decode(PATH, content, rate=8000.0)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.wav: cannot be read \(No such file"):
        wav.read_bytes(tmp_path / "absent.wav")


def test_a_file_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.truncate(wav.LARGEST + 1)
    with pytest.raises(DataError, match="too large for a spoken word; found 33554433 bytes"):
        wav.read_bytes(path)
