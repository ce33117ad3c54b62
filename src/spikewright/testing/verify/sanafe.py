"""SANA-FE vectors: spikes, potentials, counts, energies and latencies of random networks on its description of Loihi.

Every case is run as a Network of its neurons on an engine; the fabric then accounts for the run with the price list
`nahuku` of Loihi's chip file. Spikes, potentials and counts are equal; energies and the simple latency to 1e-9
relative, or to the digits that a file prints. The detailed latency is reported: it depends on the order in which
packets leave that are sent at the same time, or by one neuron, and that order stands only in files with `messages`.

A file without its network (`*_perf.npz`) holds totals only: its energies must be whole numbers of events times the
prices.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import run
from spikewright.engines.recording import Recording
from spikewright.errors import VerifyError, explain
from spikewright.network import Network, NeuronModel, Population, Projection, Sparse
from spikewright.substrates.base import load_chip
from spikewright.substrates.fabric.account import Activity, account, detailed_latency
from spikewright.substrates.fabric.fabric import Fabric
from spikewright.substrates.fabric.prices import Barrier, Prices, value_of
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_in

EXACT = 1e-9
DIGITS = 7
"""Long numbers are printed with so many; no more of them can be compared."""
CORES_PER_TILE, MESH = 4, (8, 4)
LINK_BUFFER = 16
KINDS = {
    "loihi_dense_synapse": "dense",
    "loihi_sparse_synapse": "sparse",
    "loihi_conv_synapse": "conv",
}
PARTS = {
    "synapse": ("synaptic events",),
    "soma": ("neuron accesses", "neuron updates", "spikes"),
    "network": ("packets", "hops"),
}
"""Part of the energy in the files -> what our terms of it begin with."""

Neuron = NeuronModel(
    name="LoihiSoma64",
    state={"v": "1", "u": "1"},
    params={"keep_v": (0.875, "1"), "keep_u": (0.0, "1"), "bias": (0.0, "1"), "v_th": (1.0, "1")},
    inputs={"a": "1"},
    update={"u": "keep_u * u + a", "v": "trunc(64 * keep_v * v) / 64 + bias + u"},
    threshold="v > v_th",
    reset={"v": "0"},
    source="README of the SANA-FE vectors: the potential kept is cut to 1/64",
)


def verify(folder: Path) -> list[Case]:
    """Compare every `.npz` file of a folder laid out like the SANA-FE vectors.

    Raises
    ------
    VerifyError : the folder is missing or holds no vectors
    """
    return cases_in(folder, compare)


def compare(file: str, arrays: Arrays) -> list[Case]:
    """Return the case of one file.

    Raises
    ------
    KeyError : an array or a field of `meta` is missing
    VerifyError : a kind of synapse that is not known
    """
    meta = json.loads(str(arrays["meta"]))
    if "core_ids" not in arrays:
        wrong = _totals(arrays, meta)
        return [Case(file, not wrong, wrong or "totals are whole counts of our prices; no network")]
    wrong, near = _network(arrays, meta)
    return [Case(file, not wrong, wrong or f"equal; {near}")]


def _prices() -> tuple[Prices, Prices, Barrier]:
    """Return energies, times and barrier of the price list that was fitted to a board."""
    from importlib.resources import files

    with_file = files("spikewright.substrates.loihi") / "chip.toml"
    chip = load_chip(Path(str(with_file)))
    times = chip.tables["time.nahuku"]
    return (
        Prices.of_table(chip.tables["energy.nahuku"]),
        Prices.of_table(times),
        Barrier.of_table(times, is_stepped=True),
    )


def _network(z: Arrays, meta: Any) -> tuple[str, str]:
    """Return the first difference, and how near energies and latencies are."""
    recording = _run(z, meta)
    spikes = recording.dense("p")[:, 0]
    potential = recording.trace("p", "v")[:, 0]
    fabric = _fabric(z, meta)
    updated = _updated(z, meta, spikes != 0, potential)
    step, neuron = np.nonzero(spikes)
    activity = Activity.of_arrays(fabric, step, neuron, steps=meta["T"], updated=updated)
    energy, time, barrier = _prices()
    found = account(fabric, activity, energy, time, barrier)
    nothing = np.zeros(found.fired.shape)
    joules = found.joules()
    energies = {
        part: sum((joules[k] for k in joules if k.startswith(names)), nothing)
        for part, names in PARTS.items()
    }
    energies |= {"dendrite": nothing, "total": sum(joules.values(), nothing)}
    priced = {f"perf_{k}_energy": a for k, a in energies.items()}
    priced["perf_sim_time_simple"] = found.simple
    counts = {
        "fired": found.fired,
        "updated": found.updated,
        "packets": found.packets,
        "hops": found.hops,
        "spikes": sum(found.events.values(), np.zeros_like(found.fired)),
    }
    # on the 1/64 lattice potentials are whole; a current that decays leaves it
    close = 1.0 if meta["inp"] else 0.0
    stored = np.zeros(spikes.shape, np.int64)
    stored[z["spikes_t_n"][:, 0] - 1, z["spikes_t_n"][:, 1]] = 1
    checks = [
        difference("spikes[step, neuron]", spikes.astype(np.int64), stored),
        difference(
            "potential_x64[step, neuron]",
            np.rint(potential * 64),
            np.asarray(z["potential_x64"], np.float64),
            tolerance=close,
        ),
    ]
    checks += [difference(f"perf_{k}", a[:, 0], z[f"perf_{k}"]) for k, a in counts.items()]
    checks += [_near(k, a[:, 0], z) for k, a in priced.items()]
    latency, _ = detailed_latency(fabric, activity, time, barrier, buffer=LINK_BUFFER)
    exact = max(_off(a, z[k]) for k, a in priced.items())
    return next((c for c in checks if c), ""), (
        f"energy and simple latency within {exact:.2g}, "
        f"detailed latency within {_off(latency, z['perf_sim_time_detailed']):.2g}"
    )


def _off(found: NDArray[Any], stored: NDArray[Any]) -> float:
    """Return the largest relative difference."""
    size = np.where(stored == 0, 1.0, np.abs(stored))
    return float(np.max(np.abs(found[:, 0] - stored) / size, initial=0.0))


def _near(name: str, found: NDArray[Any], z: Arrays) -> str:
    """Return where energies or times differ by more than 1e-9 and in a digit that the file prints."""
    stored = np.asarray(z[name], np.float64)
    size = np.where(stored == 0, 1.0, np.abs(stored))
    off = np.abs(found - stored) / size
    last = _last(stored)
    cut = (stored != 0) & (np.rint(size / np.where(last, last, 1.0)) % 10 != 0)
    # one number that is cut off tells that all were printed so, also those whose last digit is 0
    cut |= bool(np.any(cut & (off > EXACT)))
    close = np.where(cut, np.maximum(0.5 * last / size, EXACT), EXACT)
    return difference(
        name, found, stored, tolerance=1.0, scale=size * close, of="of what is allowed"
    )


def _run(z: Arrays, meta: Any) -> Recording:
    n = len(z["bias"])
    params = {
        "keep_v": meta["leak"],
        "keep_u": meta["inp"],
        "bias": np.asarray(z["bias"], np.float64),
        "v_th": np.asarray(z["thr"], np.float64),
    }
    weights = np.asarray(z["w"], np.float64)
    topology = Sparse.from_edges(z["src"], z["dst"], weights, n_pre=n, n_post=n)
    network = Network(
        dt=1.0,
        populations={"p": Population(Neuron, (n,), params)},
        projections={"w": Projection("p", "p", topology)},
        outputs=("p",),
    )
    return run(network, {}, steps=meta["T"], engine="cpu", record={"p": ("v",)})


def _fabric(z: Arrays, meta: Any) -> Fabric:
    kind = meta["syn"]
    if kind not in KINDS:
        raise VerifyError(
            explain("sanafe: meta.syn", "unknown", found=repr(kind), expected=", ".join(KINDS))
        )
    ids = np.asarray(z["core_ids"], np.int64)
    # a neuron sends to our cores in ascending order, so cores are numbered in the order that the messages show
    order = _order_of_cores(ids, z.get("messages"))
    number = np.argsort(order)
    core = number[np.arange(len(z["bias"])) // meta["npc"]]
    tile = ids[order] // CORES_PER_TILE
    position = np.stack([tile // MESH[1], tile % MESH[1]], axis=1)
    return Fabric.of_synapses(core, position, MESH, z["src"], z["dst"], kinds=(KINDS[kind],))


def _order_of_cores(ids: NDArray[np.int64], messages: NDArray[Any] | None) -> NDArray[np.int64]:
    """Return places in `ids` in the order in which neurons send to these cores: ascending, but for cores that messages
    show behind larger ones."""
    late: set[int] = set()
    last: dict[tuple[str, str], int] = {}
    for line in () if messages is None else messages:
        step, number, neuron, _, core, *_ = str(line).split(",")
        if int(number) < 0:
            continue
        tile, _, slot = core.partition(".")
        this = CORES_PER_TILE * int(tile) + int(slot)
        if this < last.get((step, neuron), -1):
            late.add(this)
        last[step, neuron] = this
    found: NDArray[np.int64] = np.lexsort((ids, np.isin(ids, list(late))))
    return found


def _updated(
    z: Arrays, meta: Any, spikes: NDArray[np.bool_], potential: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which neurons are updated: not at rest before, reached, driven, forced, or firing; (step, neuron)."""
    before = np.zeros_like(spikes)
    before[1:] = potential[:-1] != 0
    reached = np.zeros_like(spikes)
    step, synapse = np.nonzero(spikes[:-1][:, z["src"]])
    reached[step + 1, np.asarray(z["dst"])[synapse]] = True
    driven = (np.asarray(z["bias"]) != 0) | bool(meta["force"])
    found: NDArray[np.bool_] = before | reached | driven | spikes
    return found


def _totals(z: Arrays, meta: Any) -> str:
    """Return what is wrong with totals that come without a network: nothing where they are counts of our prices.

    Neurons, events of convolutions and dense ones, and hops in both directions follow from an energy and a count each;
    they must be whole, as far as the printed digits tell.
    """
    energy, _, _ = _prices()
    price = {k: value_of(c) for k, c in energy.synapse.items()}
    access, x, y = value_of(energy.access), value_of(energy.hop_x), value_of(energy.hop_y)
    events, packets, hops = (np.asarray(z[k], np.float64) for k in ("spikes", "packets", "hops"))
    synapse, soma, network = (z[f"{k}_energy"] for k in ("synapse", "soma", "network"))
    spent = z["updated"] * value_of(energy.update) + z["fired"] * value_of(energy.fire)
    excess = price["dense"] - price["conv"]
    neurons = (soma - spent) / access
    same = np.full_like(neurons, np.rint(neurons[0]))
    dense = (synapse - events * price["conv"]) / excess
    north = (network - packets * value_of(energy.send) - hops * x) / (y - x)
    total, parts = z["total_energy"], synapse + soma + network
    checks = [
        _whole("neurons", neurons, same, same, soma, access),
        _whole("dense events", dense, np.zeros_like(dense), events, synapse, excess),
        _whole("hops north-south", north, np.zeros_like(north), hops, network, y - x),
        # three parts and their sum are each rounded by half a digit
        difference("total_energy", parts, total, tolerance=2.0, scale=_last(total), of="digits"),
    ]
    stored, steps = meta["simple"]["energy"]["total"], float(np.sum(total))
    if abs(steps - stored) > float(np.sum(_last(total))) / 2:
        checks.append(f"total_energy: the steps make {steps:.9g}, expected {stored:.9g}")
    return next((c for c in checks if c), "")


def _last(printed: NDArray[Any]) -> NDArray[np.float64]:
    """Return what the last printed digit of numbers stands for."""
    size = np.where(printed == 0, 1.0, np.abs(printed))
    found: NDArray[np.float64] = 10.0 ** (np.floor(np.log10(size)) - (DIGITS - 1))
    return np.where(printed == 0, 0.0, found)


def _whole(
    name: str,
    found: NDArray[Any],
    least: NDArray[Any],
    most: NDArray[Any],
    energy: NDArray[Any],
    each: float,
) -> str:
    """Return where counts, which follow from an energy and a price, are not whole numbers from `least` to `most`."""
    allowed = 1e-6 + 0.5 * _last(energy) / each
    wrong = np.abs(found - np.rint(found)) > allowed
    wrong |= (found < least - allowed) | (found > most + allowed)
    if not np.any(wrong):
        return ""
    at = int(np.argmax(wrong))
    return f"{name}[{at}]: {found[at]:.9g}, expected a whole number from {least[at]:.9g} to {most[at]:.9g}"
