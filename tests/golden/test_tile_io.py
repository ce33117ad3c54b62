import numpy as np
import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify import verify

KIND = "tile_io_aihwkit"


def failures(folder):
    return [case for case in verify(KIND, folder) if not case.passed]


@pytest.fixture
def copied(shared, tmp_path):
    with np.load(shared / "vectors" / KIND / "tile_io.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "tile_io.npz", **arrays)
    return tmp_path, arrays


def test_every_case(shared):
    cases = verify(KIND, shared / "vectors" / KIND)
    assert len(cases) == 7
    assert [case for case in cases if not case.passed] == []


@pytest.mark.parametrize(
    ("key", "at", "change"),
    [
        ("Y_dac7_adc9_none", (3, 2), 2e-5),
        ("Y_dac8_adc8_absmax_iter", (0, 0), 2e-5),
        ("irT_Y_scale4", (1, 7), 2e-3),
        ("irT_Y_scale1", (1, 7), np.nan),
    ],
)
def test_one_changed_number_fails(copied, key, at, change):
    folder, arrays = copied
    assert failures(folder) == []
    arrays[key][at] += change
    np.savez(folder / "tile_io.npz", **arrays)
    (case,) = failures(folder)
    assert case.name.endswith(key.removeprefix("irT_").removeprefix("Y_")) or "scale" in case.name
    assert f"y{list(at)}" in case.detail
    assert "tolerance" in case.detail


def test_what_is_not_recognized_is_reported(copied):
    folder, arrays = copied
    (folder / "trace.csv").write_text("1,2")
    del arrays["P_dac7_adc9_none"]
    arrays["P_dac5_adc6_bound2"][4] = 0.1
    arrays["extra"] = np.ones(3)
    np.savez(folder / "tile_io.npz", **arrays)
    assert {case.name: case.detail for case in failures(folder)} == {
        "trace.csv": "not recognized",
        "tile_io.npz": "not recognized: extra",
        "tile_io.npz: dac7_adc9_none": "lacks 'P_dac7_adc9_none'",
        "tile_io.npz: dac5_adc6_bound2": "not recognized: wires or nonlinearity beside converters",
    }


def test_damaged_and_missing_files(copied):
    folder, _ = copied
    whole = (folder / "tile_io.npz").read_bytes()
    (folder / "tile_io.npz").write_bytes(whole[:100])
    (case,) = verify(KIND, folder)
    assert not case.passed
    assert "not a readable .npz file" in case.detail
    (folder / "tile_io.npz").unlink()
    with pytest.raises(VerifyError, match="holds no vectors"):
        verify(KIND, folder)
    with pytest.raises(VerifyError, match="no such folder"):
        verify(KIND, folder / "gone")
