import shutil

import numpy as np
import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify import verify

KIND = "device_noise_aihwkit"


def failures(folder):
    return [case for case in verify(KIND, folder) if not case.passed]


@pytest.fixture
def copied(shared, tmp_path):
    """A folder with eight levels of one family, to damage."""
    with np.load(shared / "vectors" / KIND / "device_noise.npz") as file:
        arrays = {
            name: file[name][..., ::4] if file[name].shape[-1:] == (26,) else file[name]
            for name in file.files
            if name == "percentiles" or name.startswith(("hermes2", "det"))
        }
    np.savez(tmp_path / "some.npz", **arrays)
    return tmp_path, arrays


def test_every_family(shared):
    cases = verify(KIND, shared / "vectors" / KIND)
    assert len(cases) == 51
    assert [case for case in cases if not case.passed] == []
    assert all(case.detail.startswith("equal") for case in cases)


@pytest.mark.parametrize(
    ("key", "at", "factor"),
    [
        ("hermes2_prog_mean", 4, 1.05),
        ("hermes2_std", (3, 5), 1.1),
        ("hermes2_pct", (2, 6, 6), 1.05),
        ("hermes2_nu_std", 4, 1.1),
        ("det_drift", (2, 30), 1.001),
        ("hermes2_mean", (1, 3), np.nan),
    ],
)
def test_one_changed_number_fails(copied, key, at, factor):
    folder, arrays = copied
    assert failures(folder) == []
    arrays[key][at] *= factor
    np.savez(folder / "some.npz", **arrays)
    (case,) = failures(folder)
    assert "expected" in case.detail
    assert "tolerance" in case.detail


def test_what_is_not_recognized_is_reported(copied):
    folder, arrays = copied
    (folder / "README.md").write_text("aside")
    (folder / "trace.csv").write_text("1,2")
    np.savez(folder / "some.npz", **arrays, pcm99_mean=[1.0])
    found = {case.name: case.detail for case in failures(folder)}
    assert found == {
        "trace.csv": "not recognized",
        "some.npz": "not recognized: pcm99_mean",
    }


def test_missing_and_damaged_files(copied, tmp_path_factory):
    folder, arrays = copied
    del arrays["hermes2_std"], arrays["det_nu"]
    np.savez(folder / "some.npz", **arrays)
    assert [case.detail for case in failures(folder)] == [
        "lacks 'hermes2_std'",
        "lacks 'det_nu'",
    ]
    damaged = tmp_path_factory.mktemp("damaged")
    whole = (folder / "some.npz").read_bytes()
    (damaged / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (case,) = verify(KIND, damaged)
    assert not case.passed
    assert "cut.npz: not a readable .npz file" in case.detail
    shutil.rmtree(damaged)
    with pytest.raises(VerifyError, match="no such folder"):
        verify(KIND, damaged)
    damaged.mkdir()
    with pytest.raises(VerifyError, match="holds no vectors"):
        verify(KIND, damaged)


def test_unknown_kind(tmp_path):
    with pytest.raises(
        VerifyError, match=r"verify: kind: unknown; found 'chips', expected .*tile_io"
    ):
        verify("chips", tmp_path)
