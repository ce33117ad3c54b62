"""Drives: what is drawn, how it is distributed, and that it depends on nothing but its address."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from spikewright import rng
from spikewright.engines import draws
from spikewright.engines.program import lower
from spikewright.engines.reference import Reference
from spikewright.errors import NetworkError
from spikewright.network import (
    LIF,
    CubaLI,
    Dense,
    Network,
    NeuronModel,
    Population,
    Projection,
    Relay,
)
from spikewright.network.drive import GaussianDrive, PoissonDrive, StepCurrent
from spikewright.network.fingerprint import fingerprint
from spikewright.network.store import load, save

KEY = rng.key(3, "drive/x")


# -- draws -------------------------------------------------------------------------------------------


def test_one_call_serves_four_steps():
    neuron, step = np.arange(5)[:, None], np.arange(40)
    words = draws.word(KEY, neuron, step, 2)
    for k in range(40):
        four = rng.philox(KEY, neuron[:, 0], np.asarray((2 << 40) + k // 4))
        assert np.array_equal(words[:, k], four[k % 4])


@pytest.mark.parametrize("mean", [0.0, 1e-6, 0.013, 0.8, 3.0, 17.5, 64.0])
def test_table_is_the_distribution(mean):
    table = draws.poisson_table(mean)
    assert table.dtype == np.uint64
    assert table[-1] == 2**32
    assert np.all(np.diff(table.astype(np.int64)) >= 0)
    assert np.all(table[:-1] < 2**32), "cut after the first entry that no word reaches"
    exact = np.floor(stats.poisson.cdf(np.arange(len(table)), mean) * 2**32 + 0.5)
    assert np.abs(table.astype(np.float64) - exact).max() <= 1


def test_table_to_the_last_bit():
    # sums of the series in whole numbers of 2^-400, so that nothing is rounded before the end
    one = 1 << 400
    for numerator in (1, 7, 800, 8000, 40000):  # mean = numerator / 1000
        terms, k = [one], 0
        while terms[-1]:
            k += 1
            terms.append(terms[-1] * numerator // (1000 * k))
        total, sums = sum(terms), np.cumsum(np.array(terms, object))
        exact = [((int(s) << 33) // total + 1) >> 1 for s in sums]
        table = draws.poisson_table(numerator / 1000)
        assert table.tolist() == exact[: len(table)]


def test_counts_invert_the_table():
    table = draws.poisson_table(2.0)
    words = draws.word(KEY, np.arange(100)[:, None], np.arange(50), 0)
    counts = draws.poisson(KEY, np.arange(100)[:, None], np.arange(50), 0, table)
    assert np.array_equal(counts, (table[:, None, None] <= words).sum(0))


@pytest.mark.parametrize("mean", [0.05, 1.0, 20.0, 64.0])
def test_counts_have_the_distribution(mean):
    counts = draws.poisson(
        KEY, np.arange(300)[:, None], np.arange(400), 1, draws.poisson_table(mean)
    )
    n, flat = counts.size, counts.ravel()
    assert flat.mean() == pytest.approx(mean, abs=4 * math.sqrt(mean / n))
    fourth = mean + 2 * mean**2  # variance of the squared deviation
    assert flat.var() == pytest.approx(mean, abs=4 * math.sqrt(fourth / n))
    low, high = stats.poisson.ppf([1e-3, 1 - 1e-3], mean).astype(int)
    inner = np.bincount(np.clip(flat, low, high) - low)
    p = stats.poisson.pmf(np.arange(low, high + 1), mean)
    p[0], p[-1] = stats.poisson.cdf(low, mean), stats.poisson.sf(high - 1, mean)
    if len(p) > 1:
        assert stats.chisquare(inner, n * p).pvalue > 1e-3


def test_neurons_steps_and_samples_are_independent():
    table = draws.poisson_table(1.0)
    x = draws.poisson(KEY, np.arange(200)[:, None], np.arange(500), 0, table) - 1.0
    other = draws.poisson(KEY, np.arange(200)[:, None], np.arange(500), 1, table) - 1.0
    bound = 4 / math.sqrt(x.size)
    for lag in (1, 2, 3, 4, 8):
        assert abs((x[:, lag:] * x[:, :-lag]).mean()) < bound
        assert abs((x[lag:] * x[:-lag]).mean()) < bound
    assert abs((x * other).mean()) < bound


def test_quantile_is_that_of_the_normal_distribution():
    words = np.concatenate(
        [np.arange(3000), 2**31 + np.arange(-500, 500), draws.word(KEY, np.arange(20000), 0, 0)]
    ).astype(np.uint64)
    words = np.concatenate([words, 2**32 - 1 - words])
    p = (words + 0.5) * 2.0**-32
    tail = np.minimum(p, 1 - p)
    expected = np.sign(p - 0.5) * -special.ndtri(tail)
    np.testing.assert_allclose(draws.quantile(words), expected, rtol=5e-14)


def test_quantile_is_odd():
    words = np.arange(0, 2**31, 123457, dtype=np.uint64)
    assert np.array_equal(draws.quantile(words), -draws.quantile(np.uint64(2**32 - 1) - words))


def test_normal_values_are_normal():
    z = draws.normal(KEY, np.arange(400)[:, None], np.arange(400), 0)
    assert abs(z.mean()) < 4 / 400
    assert abs(z.var() - 1) < 4 * math.sqrt(2) / 400
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    assert abs((z[:, 1:] * z[:, :-1]).mean()) < 0.01


# -- in a network ------------------------------------------------------------------------------------


def driven(*, dt=1e-3, n=4, model=LIF, params=None, **drives):
    population = Population(model, n, params or {})
    return Network(dt=dt, populations={"p": population}, drives=drives)


def given(network, steps, **options):
    """What a `Relay` passes on is what its port held."""
    return Reference().run(network, steps=steps, **options).trace("p", "output")


def test_drives_are_added_in_order_after_all_else():
    network = driven(
        model=Relay,
        a=PoissonDrive("p", 1500.0, [0.1, 0.2, 0.3, 0.7]),
        b=GaussianDrive("p", 0.3, [0.0, 1.0, 2.0, 3.0]),
        c=StepCurrent("p", [2e-3, 5e-3], [0.7, -0.1]),
    )
    x = np.full((8, 2, 4), 0.9)
    bias = np.full(4, 0.11)
    network = network.replacing(
        populations={"in": Population(Relay, 4)},
        projections={"q": Projection("in", "p", Dense(np.eye(4)), bias=bias)},
    )
    found = Reference().run(
        network, {"in": x, "p": 2 * x}, seed=7, first_sample=3, record={"p": ("output",)}
    )
    k, sample = np.arange(8)[:, None, None], 3 + np.arange(2)[:, None]
    count = draws.poisson(
        rng.key(7, "drive/a"), np.arange(4), k, sample, draws.poisson_table(1500.0 * 1e-3)
    )
    z = draws.normal(rng.key(7, "drive/b"), np.arange(4), k, sample)
    pieces = np.array([0, 0, 0.7, 0.7, 0.7, -0.1, -0.1, -0.1])[:, None, None]
    expected = x + 2 * x + bias + np.array([0.1, 0.2, 0.3, 0.7]) * count
    expected = expected + (0.3 + np.array([0.0, 1, 2, 3]) * z) + pieces
    assert np.array_equal(found.trace("p", "output"), expected)


def test_rate_of_each_neuron():
    rate = np.array([0.0, 100.0, 100.0, 20000.0])
    network = driven(model=Relay, a=PoissonDrive("p", rate, 1.0))
    program = lower(network).populations["p"].drives[0]
    assert program.which.tolist() == [0, 1, 1, 2]
    found = given(network, 800)[:, 0]
    assert np.all(found[:, 0] == 0)
    np.testing.assert_allclose(found.mean(0)[1:], rate[1:] * 1e-3, rtol=0.5)
    assert not np.array_equal(found[:, 1], found[:, 2])


def test_adding_a_drive_or_neurons_changes_no_other_draw():
    one = given(driven(model=Relay, a=PoissonDrive("p", 500.0, 1.0)), 50)
    two = given(
        driven(model=Relay, n=9, z=GaussianDrive("p", 0.0, 0.0), a=PoissonDrive("p", 500.0, 1.0)),
        50,
    )
    assert np.array_equal(one, two[:, :, :4])


def test_campbell():
    # Campbell's theorem: a filter h of Poisson events has mean lambda * sum(h), variance lambda * sum(h^2), where the
    # events of a step arrive together. dt = 0.1 ms, current of time constant tau: h = w exp(-k dt / tau), k = 1, 2, ..
    rate, weight, tau, dt = 8000.0, 0.25, 5e-3, 1e-4
    network = driven(
        model=CubaLI, n=400, dt=dt, params={"tau_s": tau}, a=PoissonDrive("p", rate, weight)
    )
    i = Reference().run(network, steps=3000, record={"p": ("i",)}).trace("p", "i")[600:, 0]
    kernel = weight * np.exp(-np.arange(1, 2000) * dt / tau)
    mean, variance = rate * dt * kernel.sum(), rate * dt * (kernel**2).sum()
    independent = i.size * dt / (2 * tau)
    assert i.mean() == pytest.approx(mean, abs=4 * math.sqrt(variance / independent))
    assert i.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / independent))
    lag = 50  # 5 ms: the autocovariance has fallen by e
    centered = i - mean
    covariance = (centered[lag:] * centered[:-lag]).mean()
    assert covariance == pytest.approx(variance * math.exp(-lag * dt / tau), rel=0.05)


def test_a_gaussian_drive_is_held_noise():
    # v' = (r i - v) / tau with i drawn anew each step: the stationary variance of v is std^2 g^2 / (1 - f^2)
    network = driven(
        n=500, params={"v_th": 1e9, "tau_m": 4e-3}, a=GaussianDrive("p", 2.0, 3.0, "i")
    )
    v = Reference().run(network, steps=400, record={"p": ("v",)}).trace("p", "v")[50:, 0]
    f = math.exp(-1e-3 / 4e-3)
    assert v.mean() == pytest.approx(2.0, abs=0.02)
    assert v.var() == pytest.approx(9.0 * (1 - f) ** 2 / (1 - f**2), rel=0.03)


def all_kinds():
    return driven(
        params={"t_ref": 2e-3},
        a=PoissonDrive("p", 900.0, 0.3),
        b=GaussianDrive("p", 0.5, [0.1, 0.2, 0.3, 0.4], "i"),
        c=StepCurrent("p", [0.0, 11e-3, 13e-3], np.arange(12.0).reshape(3, 4) / 9, "i"),
    )


def test_chunks_are_one_run():
    network = all_kinds()
    whole = Reference().run(network, steps=40, batch=2, seed=5, record={"p": ("v",)})
    state, parts = None, []
    for steps in (1, 5, 13, 2, 19):
        part = Reference().run(
            network, steps=steps, batch=2, seed=5, record={"p": ("v",)}, state=state
        )
        parts.append(part.trace("p", "v"))
        state = part.state
    assert np.array_equal(np.concatenate(parts), whole.trace("p", "v"))
    assert whole.sent["p"].sum() > 0


def test_a_batch_is_its_samples():
    together = Reference().run(all_kinds(), steps=30, batch=3, seed=1, record={"p": ("v",)})
    for b in range(3):
        alone = Reference().run(all_kinds(), steps=30, seed=1, first_sample=b, record={"p": ("v",)})
        assert np.array_equal(alone.trace("p", "v")[:, 0], together.trace("p", "v")[:, b])


def test_seed_and_name_decide():
    def drawn(name, seed):
        return given(driven(model=Relay, **{name: PoissonDrive("p", 900.0, 1.0)}), 50, seed=seed)

    assert np.array_equal(drawn("a", 1), drawn("a", 1))
    assert not np.array_equal(drawn("a", 1), drawn("a", 2))
    assert not np.array_equal(drawn("a", 1), drawn("b", 1))


Counter = NeuronModel(
    name="Counter",
    state={"n": "1"},
    params={},
    inputs={"x": "1"},
    update={"n": "n + x"},
    output="n",
    integer=True,
    source="Made for this test.",
)


def test_integer_models_count_events():
    network = driven(
        model=Counter,
        a=PoissonDrive("p", 900.0, 3),
        c=StepCurrent("p", [2e-3, 3e-3], np.array([[1, 2, 3, 4], [0, 0, 0, 0]])),
    )
    found = Reference().run(network, steps=5).state.values["p"]["n"]
    assert found.dtype == np.int64
    counts = draws.poisson(
        rng.key(0, "drive/a"), np.arange(4), np.arange(5)[:, None], 0, draws.poisson_table(0.9)
    )
    assert found.tolist() == [(3 * counts.sum(0) + [1, 2, 3, 4]).tolist()]


# -- as a part of a network ----------------------------------------------------------------------------


def test_a_file_brings_drives_back(tmp_path):
    network = all_kinds()
    save(network, tmp_path / "n.h5")
    again = load(tmp_path / "n.h5")
    copied = pickle.loads(pickle.dumps(network))
    for other in (again, copied):
        assert list(other.drives) == ["a", "b", "c"]
        for name, drive in network.drives.items():
            found = other.drives[name]
            assert type(found) is type(drive)
            for part, value in vars(drive).items():
                assert np.array_equal(getattr(found, part), value)
                assert np.asarray(getattr(found, part)).dtype == np.asarray(value).dtype
    x = Reference().run(network, steps=9).state.values["p"]["v"]
    assert np.array_equal(Reference().run(again, steps=9).state.values["p"]["v"], x)


def test_summary_embedding_and_replacing():
    network = all_kinds()
    assert network.summary().splitlines()[-3:] == [
        "  a: p.spikes <- poisson, rate 900 Hz, weight 0.3",
        "  b: p.i <- gaussian, mean 0.5, std 0.1..0.4 per step",
        "  c: p.i <- steps, 3 pieces, 0..1.22222",
    ]
    outer = Network(dt=1e-3, populations={"q": Population(LIF, 1)}).embedding("sub", network)
    assert {name: drive.post for name, drive in outer.drives.items()} == {
        "sub.a": "sub.p", "sub.b": "sub.p", "sub.c": "sub.p",
    }  # fmt: skip
    more = network.replacing(
        drives={"a": PoissonDrive("p", 1.0, 1.0), "d": all_kinds().drives["b"]}
    )
    assert list(more.drives) == ["a", "b", "c", "d"]
    assert more.drives["a"].rate == 1.0


@pytest.mark.parametrize(
    ("drive", "message"),
    [
        (PoissonDrive("x", 1.0, 1.0), r"drives\['a'\]\.post: no population 'x'; expected p"),
        (PoissonDrive("p", 1.0, 1.0, "z"), r"port: LIF has no port 'z'; expected spikes, i"),
        (PoissonDrive("p", -1.0, 1.0), r"rate: must be 0 or more; found -1 Hz"),
        (PoissonDrive("p", np.nan, 1.0), r"rate: not finite; found nan at index 0"),
        (PoissonDrive("p", [1.0, 2.0], 1.0), r"rate: wrong shape; found \(2,\), expected \(\)"),
        (PoissonDrive("p", 1.0, np.inf), r"weight: not finite"),
        (PoissonDrive("p", 1.0, "a"), r"weight: not numbers"),
        (
            PoissonDrive("p", 80e3, 1.0),
            r"drives\['a'\]\.rate: too many events in a step; found 80 on average, expected 64 at "
            r"most — a dt of 0.0008 s or less, or several drives that share the rate",
        ),
        (GaussianDrive("p", 0.0, -0.1), r"std: must be 0 or more; found -0.1"),
        (GaussianDrive("p", np.ones((4, 1)), 1.0), r"mean: wrong shape"),
        (StepCurrent("p", [1.5e-3], [1.0]), r"times: not a whole number of steps; found 0.0015 s"),
        (StepCurrent("p", [2e-3, 1e-3], [1.0, 2.0]), r"times: not ascending"),
        (StepCurrent("p", [-1e-3], [1.0]), r"times: must be 0 or more"),
        (StepCurrent("p", [1e30], [1.0]), r"times: too late"),
        (StepCurrent("p", [1e-3], [1.0, 2.0]), r"values: wrong shape"),
        (3.0, r"drives\['a'\]: not a drive; found float"),
    ],
)
def test_what_cannot_be_a_drive(drive, message):
    with pytest.raises(NetworkError, match=message):
        driven(a=drive)


def test_real_values_into_an_integer_model():
    for drive in (PoissonDrive("p", 1.0, 0.5), GaussianDrive("p", 0, 1), StepCurrent("p", 0, 0.5)):
        with pytest.raises(NetworkError, match="integer model"):
            driven(model=Counter, a=drive)


def test_what_cannot_say_drives_refuses_them():
    from spikewright.network.nir import to_nir

    exported = to_nir(all_kinds())
    assert exported.document is None
    assert "NIR has no sources of its own" in str(exported.report)


def test_training_refuses_drives():
    train = pytest.importorskip("spikewright.train")
    from spikewright.errors import TrainError

    with pytest.raises(TrainError, match=r"a network with drives cannot be trained; found a, b, c"):
        train.Module(all_kinds())


def test_golden_file_of_version_2():
    found = load(Path(__file__).resolve().parents[1] / "golden" / "network_v2_drives.h5")
    assert fingerprint(found) == fingerprint(all_kinds())
