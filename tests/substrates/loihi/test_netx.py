"""Networks of lava-dl against the recordings that come with them, bit for bit; and what a reader refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright.engines import run
from spikewright.errors import FormatError, NetworkError, UsageError
from spikewright.substrates.loihi.model import LoihiLIF, LoihiResettingLIF, LoihiSigmaDelta
from spikewright.substrates.loihi.netx import read_net

LIF: dict[str, Any] = {"type": "CUBA", "vThMant": 2, "iDecay": 4096, "vDecay": 1024, "refDelay": 1}


@pytest.fixture
def data(shared: Path) -> Path:
    folder = shared / "data" / "lava_netx"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}")
    return folder


def write(path: Path, *layers: dict[str, Any], simulation: dict[str, Any] | None = None) -> Path:
    """Write a `.net` file; nested dicts become groups."""

    def put(group: Any, content: dict[str, Any]) -> None:
        for name, value in content.items():
            if isinstance(value, dict):
                put(group.create_group(name), value)
            elif isinstance(value, str):
                # lava-dl writes the type of a layer as an array of bytes
                group.create_dataset(name, data=np.array([value], "S10"))
            else:
                group.create_dataset(name, data=value)

    with h5py.File(path, "w") as file:
        put(file, {"layer": {str(k): layer for k, layer in enumerate(layers)}})
        if simulation:
            put(file, {"simulation": simulation})
    return path


def dense(weight: Any, shape: Any = None, **more: Any) -> dict[str, Any]:
    weight = np.asarray(weight, np.float32)
    layer = {"type": "dense", "shape": np.asarray(shape or [len(weight)]), "weight": weight}
    return layer | {"neuron": LIF} | more


def image_input(*shape: int, **more: Any) -> dict[str, Any]:
    return {"type": "input", "shape": np.asarray(shape)} | more


def conv(weight: Any, shape: Any, **more: Any) -> dict[str, Any]:
    layer = {"type": "conv", "shape": np.asarray(shape), "weight": np.asarray(weight, np.float32)}
    return layer | {"neuron": LIF} | more


def rows(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return a recording (X, Y, C, T) or (n, T) as (T, C, Y, X) or (T, n)."""
    return np.ascontiguousarray(array.T).astype(np.int64)


# --- recordings -------------------------------------------------------------------------------------


def test_tinynet_gives_the_recorded_spikes_of_every_layer(data: Path) -> None:
    read = read_net(data / "nets" / "tiny.net", dt=1.0, reset_interval=17)
    bias = np.load(data / "tinynet" / "input_bias.npy").T.astype(int)
    steps = 17
    found = run(read.network, {"input": np.broadcast_to(bias, (steps, 1, *bias.shape))})
    for k, name in enumerate(("input", "layer1", "output")):
        # recorded by the trainer: C Y X T, a step earlier, and all layers in the same step
        expected = np.load(data / "tinynet" / f"{name}.npy")[0].transpose(3, 0, 1, 2)[1:]
        ours = found.dense(f"layer{k}")[k:, 0]
        n = min(len(ours), len(expected))
        assert expected[:n].sum() > 60
        assert np.array_equal(ours[:n], expected[:n])


def test_currents_of_a_convolution(data: Path) -> None:
    read = read_net(data / "nets" / "tiny.net", dt=1.0, layers=(1, 2))
    spikes = np.load(data / "tinynet" / "input.npy")[0].transpose(3, 0, 1, 2).astype(int)
    found = run(read.network, {"input": spikes[:, None]}, record={"layer1": ("u",)})
    expected = np.load(data / "tinynet" / "current.npy")[0].transpose(3, 0, 1, 2) * 64
    assert np.array_equal(found.trace("layer1", "u")[:, 0], expected)


def test_pilotnet_from_its_last_convolution_on(data: Path) -> None:
    """24 steps of spikes, currents and voltages of four layers, with the clearing between samples."""
    folder = data / "pilotnet_lif"
    names = {5: "conv-4", 7: "fc-0", 8: "fc-1", 9: "fc-2"}
    # the first layer that is read is the sixth block: it is cleared before step 5
    read = read_net(
        folder / "network.net", dt=1.0, reset_interval=17, reset_offset=5, layers=(5, 10)
    )
    # a recorded row is what a layer sent; it arrives in the next step
    spikes = rows(np.load(folder / "conv-3.npy"))
    entering = np.zeros_like(spikes)
    entering[1:] = spikes[:-1]
    wanted = {f"layer{k}": ("u", "v") for k in names}
    found = run(read.network, {"input": entering[:, None]}, record=wanted)
    for k, name in names.items():
        layer = f"layer{k}"
        expected = rows(np.load(folder / f"{name}.npy"))
        assert expected.any()
        assert np.array_equal(found.dense(layer)[:, 0], expected)
        u, v = (rows(np.load(folder / f"{name}-{x}.npy")) for x in "uv")
        assert np.array_equal(found.trace(layer, "u")[:, 0], u)
        # the recording shows 128 where a spike has set the voltage to 0
        ours = np.where(expected == 1, 128, found.trace(layer, "v")[:, 0])
        assert np.array_equal(ours, v)


def test_pilotnet_of_sigma_delta_neurons(data: Path) -> None:
    folder = data / "pilotnet_sdnn"
    read = read_net(folder / "network.net", dt=1.0)
    image = np.load(folder / "input.npy").T
    expected = np.load(folder / "output.npy")[0]
    entering = np.broadcast_to(image, (len(expected), 1, *image.shape[1:]))
    found = run(read.network, {"input": entering})
    assert np.array_equal(found.dense("layer9")[:, 0, 0], expected)


def test_sigma_delta_layers_by_themselves(data: Path, tmp_path: Path) -> None:
    """Blocks with a threshold of 20 and the kernels of the recording, each run as its authors ran it."""
    folder = data / "tinynet_sdnn"
    first, second, third = (
        rows(np.load(folder / f"{n}.npy")) for n in ("input", "layer1", "layer2")
    )
    kernel = np.load(folder / "layer1_kernel.npy")  # (out, X, Y, in), to be flipped
    weight = kernel[:, ::-1, ::-1].transpose(0, 3, 2, 1)
    neuron = {"type": "SDNN", "vThMant": 20}
    path = write(
        tmp_path / "tiny.net",
        image_input(3, 16, 16, neuron=neuron),
        conv(
            weight, [24, 6, 6], neuron=neuron, stride=[2, 2],
            bias=np.load(folder / "layer1_bias.npy"),
        ),
    )  # fmt: skip
    steps = 15
    image = np.load(folder / "input_bias.npy")[..., None]
    values = (image * np.sin(2 * np.pi * np.arange(steps) / steps)).astype(int)
    found = run(read_net(path, dt=1.0).network, {"input": rows(values)[:, None]})
    assert np.array_equal(found.dense("layer0")[:, 0], first)
    # the recording of the second layer ends after one step
    assert np.array_equal(found.dense("layer1")[0, 0], second[0])
    sums = {"type": "SDNN", "vThMant": 20, "sigma_output": True}
    matrix = np.load(folder / "layer2_weight.npy")
    network = read_net(write(tmp_path / "sum.net", dense(matrix, neuron=sums)), dt=1.0).network
    # recorded without message bits, so only whether something was sent counts, and from the next step on
    sent = np.load(folder / "layer1.npy").reshape(-1, 16).T != 0
    late = np.concatenate([np.zeros((1, 864), int), sent[:-1]])
    assert np.array_equal(run(network, {"input": late[:, None]}).dense("layer0")[:, 0], third)


def test_oxford_is_what_was_trained_once_the_threshold_is_reached(data: Path) -> None:
    """The recorded answer is the trainer's, which fires at its threshold; the chip, and this reader, above it."""
    folder = data / "oxford"
    events, answer = np.load(folder / "input.npy"), np.load(folder / "ground_truth.npy")
    steps = 1890
    spikes = np.zeros((steps, 1, 200), int)
    spikes[np.rint(events[:, 2]).astype(int), 0, events[:, 0].astype(int)] = 1
    expected = np.zeros((steps, 200), int)
    expected[answer[:, 2].astype(int), answer[:, 0].astype(int)] = 1
    at = read_net(folder / "network.net", dt=1.0, fires_at_threshold=True).network
    # the trainer shows a spike of both layers in the step of its input, but for one
    ours = run(at, {"input": spikes}).dense("layer1")[:, 0]
    assert ours[:-1].sum() == expected[1:].sum() > 10_000
    assert np.array_equal(ours[:-1], expected[1:])
    above = read_net(folder / "network.net", dt=1.0).network
    assert not np.array_equal(run(above, {"input": spikes}).dense("layer1")[:-1, 0], expected[1:])


def test_trained_digits_have_three_layers(data: Path) -> None:
    network = read_net(data / "nets" / "trained_mnist_network.net").network
    assert [p.n for p in network.populations.values()] == [784, 128, 64, 10]
    assert network.outputs == ("layer2",)
    assert int(network.populations["layer0"].param("v_th")) == 64 << 6


# --- what the numbers mean --------------------------------------------------------------------------


def test_bias_threshold_and_decays(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.net",
        dense([[2, 4]], bias=np.asarray([3.0])),
        simulation={"Ts": 1, "tSample": 16},
    )
    read = read_net(path)
    made = read.network.populations["layer0"]
    assert made.model == LoihiLIF
    assert {k: int(made.param(k)) for k in ("du", "dv", "v_th", "bias")} == {
        "du": 4095, "dv": 1024, "v_th": 128, "bias": 192,
    }  # fmt: skip
    assert (read.sample_steps, read.input_weight) == (16, None)
    assert read.network.metadata["lava"]["file"] == "a.net"
    found = run(read.network, {"input": np.asarray([[[1, 1]], [[0, 0]]])}, record={"layer0": ["v"]})
    # 6 << 6 arrives in its own step, plus the bias: 576 > 128 fires and resets; then 192 fires again
    assert found.dense("layer0")[:, 0, 0].tolist() == [1, 1]


def test_an_input_layer_takes_biases_and_encodes_images(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.net",
        image_input(1, 2, 2, neuron=LIF, weight=np.asarray([36.0]), bias=np.asarray([34.0])),
        {"type": "flatten", "shape": np.asarray([4])},
        dense(np.ones((3, 4)) * 2),
    )
    read = read_net(path)
    assert read.encode([0.0, 0.5, 1.0]).tolist() == [-2, 34, 70]
    assert read.network.metadata["lava"]["transform"] == {"weight": 36, "bias": 34}
    assert read.network.populations["layer2"].shape == (3,)
    with pytest.raises(NetworkError, match="has no input layer"):
        read_net(write(tmp_path / "b.net", dense([[2]]))).encode(0.5)


def test_a_pool_adds_with_its_one_weight(tmp_path: Path) -> None:
    pool = {
        "type": "pool",
        "shape": np.asarray([2, 1, 1]),
        "kernelSize": [2, 2],
        "weight": [[[[2]]]],
    }
    path = write(tmp_path / "a.net", image_input(2, 2, 2), pool | {"neuron": LIF})
    network = read_net(path).network
    spikes = np.asarray([[[[1, 1], [1, 0]], [[0, 0], [0, 0]]]])
    found = run(network, {"input": spikes[:, None]}, record={"layer1": ["u"]})
    assert found.trace("layer1", "u")[0, 0].ravel().tolist() == [6 << 6, 0]


def test_clearing_counts_from_the_first_layer(tmp_path: Path) -> None:
    path = write(tmp_path / "a.net", dense([[2]]), dense([[2]]))
    network = read_net(path, reset_interval=4, reset_offset=1).network
    made = [network.populations[f"layer{k}"] for k in range(2)]
    assert all(p.model == LoihiResettingLIF for p in made)
    # the model counts steps from 1
    assert [int(p.param("offset")) for p in made] == [2, 3]


def test_odd_weights_of_both_signs_are_noted(tmp_path: Path) -> None:
    assert read_net(write(tmp_path / "a.net", dense([[2, -4]]))).notes == ()
    (note,) = read_net(write(tmp_path / "b.net", dense([[3, -4]]))).notes
    assert note.startswith("/layer/0: odd weights of both signs")


def test_sigma_delta_scales(tmp_path: Path) -> None:
    neuron = {"type": "SDNN", "vThMant": 13, "activation": "relu"}
    path = write(tmp_path / "a.net", dense([[2]], bias=np.asarray([3]), neuron=neuron))
    made = read_net(path).network.populations["layer0"]
    assert made.model == LoihiSigmaDelta
    assert [int(made.param(k)) for k in ("v_th", "bias", "state_exp")] == [13 << 12, 3 << 12, 6]


# --- refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"type": "average", "shape": [4]}, r"/layer/0/type: a layer that .* found 'average'"),
        ({"shape": [4]}, r"/layer/0/type: a layer that .* found ''"),
        (dense([[2]], delay=np.asarray([1])), r"/layer/0: a dense layer with parts .* found delay"),
        (dense([[2]], neuron=LIF | {"type": "RF"}), r"/layer/0/neuron/type: a neuron .* 'RF'"),
        (dense([[2]], neuron=LIF | {"refDelay": 3}), r"/layer/0/neuron/refDelay: a refractory"),
        (dense([[2]], neuron=LIF | {"gradedSpike": True}), r"gradedSpike: graded spikes"),
        (dense([[2]], neuron=LIF | {"iDecay": 5000}), r"iDecay: out of range; found 5000"),
        (dense([[2]], neuron={"type": "CUBA"}), r"/layer/0/neuron/iDecay: missing"),
        (dense([[2.5]]), r"/layer/0/weight: not a whole number; .* found 2.5"),
        (dense([[300]]), r"/layer/0/weight: out of range; found 300 to 300, expected -256 to 255"),
        (dense([[2], [2]], shape=[3]), r"/layer/0/weight: wrong shape; found \(2, 1\)"),
        (dense([[2]], bias=np.ones(2)), r"/layer/0/bias: wrong size; found 2"),
        ({"type": "dense", "shape": [1], "weight": [[2]]}, r"/layer/0: has no neurons"),
        ({"type": "dense", "weight": [[2]], "neuron": LIF}, r"/layer/0/shape: missing"),
        (conv(np.ones((1, 1, 3, 3)), [1, 1, 1]), r"/layer/0: needs images before it"),
        (
            dense([[2]], neuron={"type": "SDNN", "vThMant": 1, "activation": "tanh"}),
            r"activation: unknown activation; found 'tanh'",
        ),
    ],
)
def test_what_cannot_be_expressed_names_the_layer(
    tmp_path: Path, layer: dict[str, Any], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        read_net(write(tmp_path / "a.net", layer))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([image_input(1, 4, 4), dense([[2] * 16])], "is dense after images .* flatten"),
        ([dense([[2]]), dense([[2, 2]])], "/layer/1/weight: does not fit the layer before"),
        ([dense([[2]]), image_input(1)], "/layer/1: an input layer must be the first"),
        ([image_input(1, 4, 4), conv(np.ones((1, 1, 3, 3)), [1, 4, 4])], "/layer/1/shape: wrong"),
        ([image_input(2, 4, 4), conv(np.ones((1, 1, 3, 3)), [1, 2, 2])], "/layer/1: .*wrong input"),
        ([image_input(4)], "/layer: none of the layers has neurons"),
        (
            [image_input(2, neuron=LIF | {"iDecay": 100}), dense([[2, 2]])],
            "/layer/0/neuron/iDecay: the input would pass",
        ),
    ],
)
def test_layers_that_do_not_fit(tmp_path: Path, layers: list[Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_net(write(tmp_path / "a.net", *layers))


def test_bad_files_and_options(tmp_path: Path) -> None:
    path = write(tmp_path / "a.net", dense([[2]]))
    with pytest.raises(FormatError, match="no such file"):
        read_net(tmp_path / "none.net")
    with pytest.raises(UsageError, match=r"layers=\): no such layers; found \(0, 2\)"):
        read_net(path, layers=(0, 2))
    with pytest.raises(UsageError, match="must be a whole number of steps"):
        read_net(path, reset_interval=0)
    with pytest.raises(UsageError, match="must be positive"):
        read_net(path, dt=0.0)
    with h5py.File(path, "a") as file:
        file["layer"].move("0", "5")
    with pytest.raises(FormatError, match="layers are not numbered from 0"):
        read_net(path)
    (tmp_path / "b.net").write_bytes(path.read_bytes()[:300])
    with pytest.raises(FormatError, match="not a whole HDF5 file"):
        read_net(tmp_path / "b.net")
