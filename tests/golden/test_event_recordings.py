"""Recordings of other projects' test sets, against counts, sums and digests that independent decoders agree on."""

import hashlib
import json

import numpy as np
import pytest

from spikewright.events.formats import open_recording, read

FLOW = ("trans_square", "trans_barx", "trans_bary", "rotate_bar", "trans_boxes_real")
DIGESTED = {
    "davis346.aedat4": "aedat4",
    "tonic_sample.aedat4": "aedat4",
    "expelliarmus_evt2_sample.raw": "evt2",
    "expelliarmus_evt3_sample.raw": "evt3",
    "gen4.dat": "dat",
    "dvs.es": "es",
    "atis.es": "es",
    "tonic_ncars.dat": "dat",
    "tonic_nmnist.bin": "atis",
    "rpg_slider_depth_chunk.txt": "text",
    **{f"davis240_optical_flow.npz/{name}": "npz" for name in FLOW},
    "ros1_event_camera_1.bag": "rosbag",
    "ros2_event_camera_1.db3": "rosbag",
    "ros2_evt3_trigger.db3": "rosbag",
}
TIMES_ELSEWHERE = {"expelliarmus_evt3_sample.raw": "real_evt3_gen41.npz"}
"""Recording whose times in expected.json are one reader's -> times on which four readers agree, of the same bytes."""
COUNTED = {"color.es": "es", "generic.es": "es", "ros2_mono_cd.db3": "rosbag"}


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "events"


@pytest.fixture(scope="module")
def expected(folder):
    return json.loads((folder / "expected.json").read_text())


def digest(column, dtype):
    return hashlib.sha3_224(np.ascontiguousarray(column.astype(dtype)).tobytes()).hexdigest()


def load(folder, name):
    file, _, array = name.partition("/")
    options = {"array": array} if array else {}
    if file.endswith(".es"):
        options["raw_coordinates"] = True  # the digests are of rows as stored
    return read(folder / file, **options)


def test_everything_expected_is_tested(expected):
    assert set(expected) == {*DIGESTED, *COUNTED}


@pytest.mark.parametrize(("name", "form"), DIGESTED.items())
def test_digests(shared, folder, expected, name, form):
    want = expected[name]
    loaded = load(folder, name)
    events = loaded.events
    assert loaded.header.format == form
    assert loaded.irregularities.harmful == []
    assert events.n == want["events"]
    assert int(events.p.sum(dtype=np.int64)) == want["on_events"]
    assert [int(events.x.min()), int(events.x.max())] == want["x_range"]
    assert [int(events.y.min()), int(events.y.max())] == want["y_range"]
    found = {
        "t": digest(events.t, "<u8"),
        "x": digest(events.x, "<u2"),
        "y": digest(events.y, "<u2"),
        "on": digest(events.p, "u1"),
    }
    wanted = dict(want["sha3_224"])
    if name in TIMES_ELSEWHERE:
        del found["t"], wanted["t"]
        with np.load(shared / "vectors" / "events" / TIMES_ELSEWHERE[name]) as stored:
            np.testing.assert_array_equal(events.t, stored["t"])
    else:
        assert (int(events.t[0]), int(events.t[-1])) == (want["t_first_us"], want["t_last_us"])
    assert found == wanted
    if want["size"] and "/" not in name:  # tables of numbers do not say a size
        assert [loaded.header.width, loaded.header.height] == want["size"]


def test_colors(folder, expected):
    loaded = load(folder, "color.es")
    assert loaded.events.n == expected["color.es"]["events"]
    dvs = load(folder, "dvs.es").events
    for column in ("t", "x", "y"):
        np.testing.assert_array_equal(getattr(loaded.events, column), getattr(dvs, column))


def test_byte_strings(folder, expected):
    want = expected["generic.es"]
    loaded = load(folder, "generic.es")
    assert loaded.events.n == 0  # no pixels
    messages = loaded.extras.more["messages"]
    assert len(messages) == want["events"]
    assert (messages[0][0], messages[-1][0]) == (want["t_first_us"], want["t_last_us"])
    assert messages[0][1] == b"Lorem"
    assert len(messages[-1][1]) == 445


def test_mono_packets(folder, expected):
    want = expected["ros2_mono_cd.db3"]
    events = load(folder, "ros2_mono_cd.db3").events
    assert events.n == want["events"]
    assert int(events.p.sum()) == want["on_events"]
    assert (int(events.x.sum()), int(events.y.sum())) == (want["sum_x"], want["sum_y"])
    assert int(events.t.sum()) * 1000 == want["sum_t_ns"]


def test_beside_the_events(folder):
    """Counts as the folder's README has them; the trigger's times as its project publishes their sum."""
    davis = load(folder, "davis346.aedat4").extras
    assert (len(davis.frames), len(davis.imu), len(davis.triggers)) == (59, 2363, 236)
    assert len(load(folder, "tonic_sample.aedat4").extras.imu) == 475
    edges = load(folder, "ros2_evt3_trigger.db3").extras.triggers
    assert int(edges.t.sum()) * 1000 == 29_096_982_000
    (frame,) = load(folder, "gray16_frame.aedat4").extras.frames
    assert frame.pixels.shape == (2, 2)
    assert frame.pixels.dtype == np.uint16


@pytest.mark.parametrize(
    ("name", "form", "n"),
    [
        ("gray16_frame.aedat4", "aedat4", 0),
        ("aedat2_header_only_tonic.aedat", "aedat2", 0),
        ("aestream_sample.csv", "csv", 100),
        ("tonic_stmnist.mat", "stmnist", 2346),
        ("expelliarmus_evt3_sample.npy", "npz", 219596),
    ],
)
def test_counts_of_the_readme(folder, name, form, n):
    with open_recording(folder / name) as reader:
        assert reader.header.format == form
        assert reader.read().n == n


def test_a_peer_decoding_has_the_same_addresses(folder):
    """The .npy was decoded by a reader whose times are wrong; its x, y and p are right."""
    table, words = (load(folder, f"expelliarmus_evt3_sample.{s}").events for s in ("npy", "raw"))
    for column in ("x", "y", "p"):
        np.testing.assert_array_equal(getattr(table, column), getattr(words, column))


def test_a_long_header(folder):
    """3487 header lines and 28 bytes behind them: no recording, but none of the lines is taken for events."""
    loaded = load(folder, "aedat2_davis240_long_header.aedat")
    assert loaded.header.format == "aedat2"
    assert loaded.events.n <= 3
    assert len(loaded.header.lines) >= 3487
