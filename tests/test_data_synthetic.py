import numpy as np
import pytest

from tests.counted import calls
from worker.data import detector
from worker.data.dataset import Season, Smearing
from worker.data.parametric import FLOOR_DEG, Model, build_smearing
from worker.data.synthetic import draw_events, make

N = 138322


@pytest.fixture(scope="module")
def season() -> Season:
    return make(2011, N, 332.9, sigma_max_deg=5.0).seasons[0]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_one_others() -> None:
    one, same, other = (make(seed, 500, 1.0, sigma_max_deg=5).seasons[0].events for seed in (7, 7, 8))
    for a, b, c in zip(one, same, other, strict=True):
        assert a.tobytes() == b.tobytes()
        assert a.tobytes() != c.tobytes()


def test_values_are_rounded_as_in_the_releases() -> None:
    dec_deg, sigma_deg, log_e = draw_events(3, 5000)
    for values, places in ((dec_deg, 3), (sigma_deg, 2), (log_e, 2)):
        np.testing.assert_array_equal(values, np.round(values, places))
    assert sigma_deg.min() == FLOOR_DEG
    assert np.abs(dec_deg).max() < 90


@pytest.mark.slow
def test_it_says_that_it_is_made_up(season: Season) -> None:
    assert make(1, 10, 1.0, sigma_max_deg=5).label == "synthetic"
    assert "made-up" in season.notes[0]
    assert season.livetime_days == 332.9
    assert len(season.events.dec) == N


@pytest.mark.slow
def test_events_are_drawn_as_arrays() -> None:
    """A hundred times the events take no more calls: nothing loops over them."""
    make(5, 100, 332.9, sigma_max_deg=5)  # what is kept between two calls
    _, few = calls(make, 5, N // 100, 332.9, sigma_max_deg=5)
    _, many = calls(make, 5, N, 332.9, sigma_max_deg=5)
    assert many < 1.1 * few


def test_the_rate_follows_its_formula(season: Season) -> None:
    edges = np.linspace(-1, 1, 41)
    counts, _ = np.histogram(np.sin(season.events.dec.astype(float)), edges)
    fine = detector.rate(np.linspace(-1, 1, 40 * 100 + 1)[:-1] + 1 / 4000).reshape(40, 100).mean(axis=1)
    expected = N * fine / fine.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < 39 + 4 * np.sqrt(2 * 39)
    flat = ((counts - N / 40) ** 2 / (N / 40)).sum()
    assert flat > 1000, "a flat rate must fail this test"


def test_angular_errors_fall_with_energy_in_the_north_and_have_a_tail(season: Season) -> None:
    _, sigma, log_e = (x.astype(float) for x in season.events)
    north = (season.events.dec > 0) & (sigma > 0)
    low, high = (np.rad2deg(np.median(sigma[north & (log_e > a) & (log_e < a + 0.5)])) for a in (2.0, 3.0))
    assert low > 1.5 * high
    assert 0.4 < np.rad2deg(np.median(sigma[sigma > 0])) < 1
    assert 0.005 < np.mean(sigma == 0) < 0.03


def test_the_effective_area_is_that_of_a_detector_under_ice(season: Season) -> None:
    area = season.area

    def at(log_e: float, dec_deg: float) -> float:
        i = np.searchsorted(area.log_e_nu, log_e) - 1
        j = np.searchsorted(area.sin_dec, np.sin(np.deg2rad(dec_deg))) - 1
        return float(area.area_cm2[i, j])

    assert at(3, 5) < at(4, 5) < at(5, 5) < at(6, 5), "rises with energy"
    assert at(7, 80) < 0.1 * at(7, 5), "the Earth absorbs"
    assert at(3, 80) > 0.5 * at(3, 5), "but not at low energies"
    assert at(4, -40) < 1e-3 * at(4, 5), "threshold in the south"
    assert at(8, -40) > 0.2 * at(8, 5), "which high energies pass"
    assert (area.area_cm2 >= 0).all()


def test_weights_of_every_bin_sum_to_one(season: Season) -> None:
    smearing = season.smearing
    weights = np.add.reduceat(smearing.cells[:, 6].astype(float), smearing.start[:-1])
    np.testing.assert_allclose(weights, 1, atol=1e-5)
    assert (np.diff(smearing.start) > 100).all()
    lo, hi = smearing.cells[:, [0, 2, 4]], smearing.cells[:, [1, 3, 5]]
    assert (lo < hi).all()
    assert (smearing.cells[:, 2] >= 0).all()
    assert smearing.cells[:, 3].max() <= np.float32(np.pi)


def drawn(smearing: Smearing, i: int, j: int, n: int) -> np.ndarray:
    """n events of one bin: log_e, psi and sigma (deg), uniform in the cells."""
    n_dec = len(smearing.dec) - 1
    k = i * n_dec + j
    cells = smearing.cells[smearing.start[k] : smearing.start[k + 1]].astype(float)
    rng = np.random.default_rng(1)
    chosen = cells[rng.choice(len(cells), n, p=cells[:, 6] / cells[:, 6].sum())]
    out = chosen[:, [0, 2, 4]] + rng.random((n, 3)) * (chosen[:, [1, 3, 5]] - chosen[:, [0, 2, 4]])
    out[:, 1:] = np.rad2deg(out[:, 1:])
    return out


def test_a_simple_model_gives_back_its_own_parameters() -> None:
    """Proxy 3.0 -0.2 +0.4, sigma 1 deg, psi Rayleigh: quantiles are known."""
    model = Model(lambda e, s: (3.0, 0.2, 0.4), lambda e, x, s: (1.0, 0.4), lambda e, s: (1.0, 1e4))
    n = 200_000
    log_e, psi, sigma = drawn(build_smearing(np.array([2.0, 9.0]), np.array([-1.5, 1.5]), model), 0, 0, n).T
    np.testing.assert_allclose(np.quantile(log_e, [0.1587, 0.5, 0.8413]), [2.8, 3.0, 3.4], atol=0.02)
    np.testing.assert_allclose(np.quantile(np.log(sigma), [0.1587, 0.5, 0.8413]), [-0.4, 0, 0.4], atol=0.05)
    pull = np.quantile(psi / sigma, [0.1587, 0.5, 0.8413])
    rayleigh = np.sqrt(-2 * np.log(1 - np.array([0.1587, 0.5, 0.8413])))
    np.testing.assert_allclose(pull, rayleigh, rtol=0.06)
    assert np.abs(pull / (rayleigh * 1.2) - 1).max() > 0.1, "a sigma that is 20 % off must fail"


def test_energy_resolution_and_errors_are_correlated(season: Season) -> None:
    """In the north a larger proxy means a smaller error, and a larger error a larger angle."""
    log_e, psi, sigma = drawn(season.smearing, 5, 9, 50_000).T
    assert np.corrcoef(log_e, np.log(sigma))[0, 1] < -0.1
    assert np.corrcoef(np.log(sigma), np.log(psi))[0, 1] > 0.3
