from pathlib import Path

import numpy as np
import pytest

import spikewright.substrates.pcm as pcm
from spikewright.errors import SubstrateError
from spikewright.substrates.base import load_chip
from spikewright.substrates.pcm.energy import SarAdc, array_read_energy, sar_adc

CHIP = load_chip(Path(pcm.__file__).with_name("chip.toml"))


def test_a_conversion_of_an_open_column_is_the_fixed_part():
    adc = sar_adc(CHIP)
    # 14 nm: (0.4710 log2(256) + 1.9529) uW for 9 ns
    assert float(adc.energy(256, np.inf, 0.5)) == pytest.approx(5.7209e-6 * 9e-9)
    assert adc.time(256) == pytest.approx(9e-9)


def test_energy_falls_with_resistance_and_grows_with_levels_and_voltage():
    adc = sar_adc(CHIP)
    assert (np.diff(adc.energy(256, [100.0, 1e3, 1e4, 1e5], 0.2)) < 0).all()
    assert adc.energy(512, 1e3, 0.2) > adc.energy(256, 1e3, 0.2)
    assert adc.energy(256, 1e3, 0.4) > adc.energy(256, 1e3, 0.2)


def test_array_energy_is_ohms_law():
    g = np.array([[1e-6, 2e-6], [3e-6, 4e-6]])
    assert float(array_read_energy(g, 1e-7, 0.2)) == pytest.approx(10e-6 * 0.04 * 1e-7)
    per_row = array_read_energy(g, np.array([[1e-7], [0.0]]), 0.2, axis=1)
    np.testing.assert_allclose(per_row, [3e-6 * 0.04 * 1e-7, 0.0])


def test_published_efficiencies_come_back_from_the_chip_file():
    cost, time, area = (CHIP.tables[t] for t in ("costs.hermes", "time", "area"))
    operations = 2 * CHIP.limit("tile_rows") * CHIP.limit("tile_columns")
    # Le Gallo 2023: 9.76 and 2.48 TOPS/W, 63.1 and 16.1 TOPS with 64 cores
    for suffix, efficiency, rate in (("", 9.76e12, 63.1e12), ("_four_phase", 2.48e12, 16.1e12)):
        energy, seconds = cost[f"tile_read{suffix}"].value, time[f"tile_read{suffix}"].value
        assert operations / energy == pytest.approx(efficiency, rel=0.005)
        assert 64 * operations / seconds == pytest.approx(rate, rel=0.005)
    density = operations / time["tile_read"].value / area["core"].value
    assert density * 1e-6 == pytest.approx(1.59e12, rel=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: sar_adc(CHIP, "sar_3nm"),
            "pcm: converter: unknown; found sar_3nm, expected sar_14nm",
        ),
        (lambda: SarAdc(1, 1, 1, 1).power(1, 1e3, 0.2), "levels: too few; found 1"),
        (lambda: SarAdc(1, 1, 1, 1).power(4, 0.0, 0.2), "resistance: must be positive; found 0.0"),
        (lambda: SarAdc(1, 1, 1, 1).power(4, 1e3, 0.0), "v_read: must be positive; found 0.0"),
    ],
)
def test_messages(make, message):
    with pytest.raises(SubstrateError, match=message):
        make()
