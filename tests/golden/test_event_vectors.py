import json
import shutil

import numpy as np
import pytest

from spikewright.errors import VerifyError
from spikewright.events.formats import read
from spikewright.testing.verify import events as verifier
from spikewright.testing.verify import verify


def failures(folder):
    return {case.name: case.detail for case in verify("events", folder) if not case.passed}


@pytest.fixture(scope="module")
def all_cases(shared):
    return verify("events", shared / "vectors" / "events")


@pytest.fixture
def copied(shared, tmp_path):
    """Return a folder with one recording of each kind of truth: an .npz of its own, and that of another one."""
    vectors = shared / "vectors" / "events"
    names = ("evt2_trig.raw", "evt2_vga.raw", "faery.dat", "nmnist.bin")
    manifest = [one for one in verifier.read_manifest(vectors) if one["file"] in names]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for name in (
        *names,
        "evt2_trig.npz",
        "evt2_vga.npz",
        "faery.npz",
        "nmnist.npz",
        "v2e_ideal.npz",
    ):
        shutil.copy(vectors / name, tmp_path / name)
        (tmp_path / name).chmod(0o644)
    return tmp_path


def change(path, **changes):
    with np.load(path) as file:
        arrays = {**file, **changes}
    np.savez(path, **arrays)


def test_every_case(all_cases):
    assert [case for case in all_cases if not case.passed] == []
    names = {case.name for case in all_cases}
    assert len({name for name in names if ":" not in name}) == 42 + 4  # recordings, pixel models
    assert len(all_cases) == 42 + 4 + 5
    for extra in ("frames", "imu", "triggers"):
        assert f"dv_mixed.aedat4: {extra}" in names
    assert {"evt2_trig.raw: triggers", "evt3_trig.raw: triggers"} <= names


def test_rows_of_es_count_from_the_bottom(shared):
    """The .npz keeps the file's y; what is read by default has its origin at the upper left."""
    vectors = shared / "vectors" / "events"
    with np.load(vectors / "faery.npz") as stored, np.load(vectors / "evt2_vga.npz") as upright:
        loaded = read(vectors / "faery.es")
        assert loaded.header.height == 480
        np.testing.assert_array_equal(loaded.events.y, 479 - stored["y"].astype(int))
        np.testing.assert_array_equal(loaded.events.y, upright["y"])


def test_one_changed_number_fails(copied):
    assert failures(copied) == {}
    with np.load(copied / "evt2_trig.npz") as file:
        t, value = file["trig_t"].copy(), file["trig_value"].copy()
    t[7] += 1
    value[3] ^= 1
    change(copied / "evt2_trig.npz", trig_t=t)
    (detail,) = failures(copied).values()
    assert detail.startswith("trig_t[7]: found")
    change(copied / "evt2_trig.npz", trig_t=t - (np.arange(t.size) == 7), trig_value=value)
    assert "trig_value[3]" in failures(copied)["evt2_trig.raw: triggers"]


def test_events_must_have_the_manifest_sums(copied):
    with np.load(copied / "nmnist.npz") as file:
        x = file["x"].copy()
    x[[5, 6]] = x[[6, 5]]
    x[0] += 1
    change(copied / "nmnist.npz", x=x)
    (detail,) = failures(copied).values()
    assert "nmnist.bin: no .npz has its sums" in detail
    x[0] -= 1  # now the sums fit, and two columns are swapped
    change(copied / "nmnist.npz", x=x)
    (detail,) = failures(copied).values()
    assert detail.startswith("path: x[5]: found")


def test_a_changed_recording_and_unknown_files(copied):
    raw = copied / "evt2_vga.raw"
    data = bytearray(raw.read_bytes())
    data[-1] ^= 1
    raw.write_bytes(data)
    (copied / "stray.raw").write_bytes(b"")
    assert failures(copied) == {
        "evt2_vga.raw": "the file is not the one in the manifest: other SHA-256",
        "stray.raw": "not recognized",
    }


@pytest.mark.parametrize(
    ("key", "change_of", "said"),
    [
        ("t", lambda t: t + np.float32(1e-6) * (np.arange(t.size) == 5), "off by"),
        ("p", lambda p: p ^ (np.arange(p.size) == 5), "p["),
        ("x", lambda x: x + (np.arange(x.size) == 5), ""),
        ("pos_thres", lambda _: np.float64(0.25), ""),
    ],
)
def test_the_pixel_model_is_compared(copied, key, change_of, said):
    given = verifier.read_npz(copied / "v2e_ideal.npz").get(key)
    changed = change_of(given)
    change(copied / "v2e_ideal.npz", **{key: changed.astype(getattr(given, "dtype", np.float64))})
    (detail,) = failures(copied).values()
    assert said in detail


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(VerifyError, match="no such folder"):
        verify("events", tmp_path / "gone")
    with pytest.raises(VerifyError, match=r"manifest\.json: cannot be read"):
        verify("events", tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(VerifyError, match="no list of recordings"):
        verify("events", tmp_path)
