"""NumPy data sets (csky, skylab): what is read, and that simulated events are a response like cells."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.data_simulation import good_runs, measured, simulated, write_season
from worker.base.errors import InputError
from worker.base.rng import key
from worker.data import synthetic
from worker.data.csky import read_positions, read_seasons
from worker.data.dataset import Dataset, Season, Simulation
from worker.data.prepared import content_digest, pack, unpack
from worker.data.simulation import turned
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import declination, trials
from worker.engines.builtin import season as of_season
from worker.engines.builtin import simulated as kernel
from worker.engines.builtin.inject import draw_signal
from worker.engines.builtin.response import Spectrum
from worker.spec.season_files import closest, simulation_of
from worker.stats.sensitivity import NSig, find_n_sig

NAME = "IC86_2011"
BAND = 0.04
N_MC = 400_000
GAMMAS = np.arange(1.0, 4.0 + 1e-9, 1 / 16)
CUTS = engine.Cuts(GAMMAS, 5.0, float(np.radians(0.2)), float(np.radians(5.0)))
DECS = tuple(np.radians([-40.0, 5.0, 50.0]))


@pytest.fixture(scope="module")
def cells() -> Season:
    """The synthetic season, with smearing cells."""
    return dataclasses.replace(synthetic.make(3, 40_000, 300.0, sigma_max_deg=5).seasons[0], name=NAME)


@pytest.fixture(scope="module")
def folder(cells: Season, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_season(tmp_path_factory.mktemp("csky"), cells, N_MC)


def read(folder: Path, *seasons: str, band: float = BAND) -> Dataset:
    return read_seasons(folder, seasons or (NAME,), label="real", sigma_max_deg=5.0, band_sin_dec=band)


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read(folder)


@pytest.fixture(scope="module")
def season(dataset: Dataset) -> Season:
    return dataset.seasons[0]


@pytest.fixture(scope="module")
def simulation(season: Season) -> Simulation:
    assert isinstance(season.smearing, Simulation)
    return season.smearing


@pytest.fixture(scope="module")
def mc(folder: Path) -> np.ndarray:
    return np.load(folder / f"{NAME}_MC.npy")


# What is read


def test_events_and_livetime_are_those_of_the_files(season: Season, cells: Season) -> None:
    assert season.livetime_days == pytest.approx(cells.livetime_days, rel=1e-12), "dead time is not livetime"
    for got, want in zip(season.events, cells.events, strict=True):
        np.testing.assert_allclose(got, want, rtol=3e-7, atol=1e-9)
    unusable = "504 of 40000 events have an angular error of 0 or less: they stay in N and carry no signal density"
    assert season.notes == (unusable,)


def test_simulated_events_lie_in_the_band_of_their_true_declination(simulation: Simulation, mc: np.ndarray) -> None:
    assert len(simulation.sin_dec) == 51
    counts, _ = np.histogram(np.sin(mc["trueDec"]), simulation.sin_dec)
    np.testing.assert_array_equal(np.diff(simulation.start), counts)
    for k in (0, 24, 49):
        rows = simulation.events[simulation.start[k] : simulation.start[k + 1]]
        lo, hi = simulation.sin_dec[k : k + 2]
        inside = mc[(np.sin(mc["trueDec"]) >= lo) & (np.sin(mc["trueDec"]) < hi)]
        np.testing.assert_allclose(rows[:, 0], np.log10(inside["trueE"]), rtol=1e-6)
        np.testing.assert_allclose(rows[:, 1], inside["ow"] / (2 * np.pi * BAND), rtol=1e-6)
        np.testing.assert_array_equal(rows[:, 2], inside["logE"].astype(np.float32))
        np.testing.assert_array_equal(rows[:, 4], inside["sigma"].astype(np.float32))


def unit(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def test_distance_and_position_angle_are_those_of_unit_vectors() -> None:
    """Also at the poles, across ra = 0, for nothing and for the opposite direction."""
    rng = np.random.default_rng(2)
    true_ra, ra = rng.uniform(0, 2 * np.pi, (2, 500))
    true_dec, dec = np.arcsin(rng.uniform(-1, 1, (2, 500)))
    true_dec[:3] = np.pi / 2, -np.pi / 2, 0.3
    ra[3:6], dec[3:6] = true_ra[3:6] + np.array([1e-9, 0, np.pi]), true_dec[3:6] * [1, 1, -1]
    true_ra[6], ra[6] = 6.28, 0.01
    psi, turn = turned(ra, dec, true_ra, true_dec)
    there, seen = unit(true_ra, true_dec), unit(ra, dec)
    cross = np.linalg.norm(np.cross(there.T, seen.T), axis=1)
    np.testing.assert_allclose(psi, np.arctan2(cross, (there * seen).sum(axis=0)), atol=1e-12)
    north = np.array([-np.sin(true_dec) * np.cos(true_ra), -np.sin(true_dec) * np.sin(true_ra), np.cos(true_dec)])
    east = np.array([-np.sin(true_ra), np.cos(true_ra), np.zeros(500)])
    across = psi > 1e-6
    angle = np.arctan2((east * seen).sum(axis=0), (north * seen).sum(axis=0)) / (2 * np.pi) % 1
    difference = (turn - angle + 0.5) % 1 - 0.5
    assert np.abs(difference[across & (psi < 3.1)]).max() < 1e-9
    assert ((turn >= 0) & (turn < 1)).all()


def test_effective_area_is_that_of_the_simulated_detector(season: Season, cells: Season) -> None:
    """Where there are many events: bins of 0.2 in log10(E), averaged in the same way over the cells' own bins."""
    i, j = np.searchsorted(season.area.log_e_nu, 4.01) - 1, 30
    lo, hi = season.area.log_e_nu[i : i + 2]
    x = np.linspace(lo, hi, 401)[:-1] + (hi - lo) / 800
    at = cells.area.area_cm2[np.searchsorted(cells.area.log_e_nu, x) - 1, np.searchsorted(cells.area.sin_dec, 0.22) - 1]
    want = (at * 10**x).sum() / (10**x).sum()
    assert season.area.area_cm2[i, j] == pytest.approx(want, rel=0.1)


@pytest.mark.parametrize("band", [0.03, 0.05])
def test_bands_are_at_most_as_wide_as_asked(folder: Path, band: float) -> None:
    edges = read(folder, band=band).seasons[0].smearing.sin_dec
    assert edges[0] == -1 and edges[-1] == 1
    assert band - 0.002 < edges[1] - edges[0] <= band + 1e-12


def test_positions_are_those_of_the_events(folder: Path, season: Season) -> None:
    ((ra, _),) = read_positions(folder, (NAME,), sigma_max_deg=5.0)
    exp = np.load(folder / f"{NAME}_exp.npy")
    dec_of = dict(zip(exp["ra"], exp["dec"], strict=True))
    np.testing.assert_allclose([dec_of[a] for a in ra], season.events.dec, rtol=3e-7, atol=1e-9)


# Several seasons


@pytest.mark.parametrize(
    ("configs", "season", "want"),
    [
        (("IC86_2011", "IC86_2012"), "IC86_2014", "IC86_2012"),
        (("IC86_2011", "IC86_2012"), "IC86_2012", "IC86_2012"),
        (("IC86_2012", "IC40"), "IC86_2011", None),
        (("IC86", "IC79"), "IC86_2011", "IC86"),
        (("IC79",), "IC86_2011", None),
    ],
)
def test_the_simulation_of_a_season(configs: tuple[str, ...], season: str, want: str | None) -> None:
    assert closest(configs, season) == want


def test_seasons_share_a_simulation_in_memory_and_in_the_prepared_file(tmp_path: Path, cells: Season) -> None:
    small = dataclasses.replace(cells, events=type(cells.events)(*(c[::50] for c in cells.events)))
    for name, n in (("IC79_2010", 3000), ("IC86_2011", 4000), ("IC86_2012", 0), ("IC86_2013", 0)):
        write_season(tmp_path, dataclasses.replace(small, name=name), n, seed=int(name[-2:]))
    dataset = read(tmp_path, "IC86_2013", "IC79_2010", "IC86_2011", "IC86_2012", band=0.5)
    a, b, c, d = dataset.seasons
    assert a.smearing is c.smearing is d.smearing
    assert b.smearing is not a.smearing
    arrays = pack(dataset)
    assert sum(name.endswith(".events") for name in arrays) == 2
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    back = unpack(dict(np.load(file)))
    assert content_digest(back) == content_digest(dataset)
    assert back.seasons[0].smearing is back.seasons[3].smearing
    assert [s.name for s in back.seasons] == ["IC86_2013", "IC79_2010", "IC86_2011", "IC86_2012"]
    with pytest.raises(InputError, match=r"no simulation for season 'IC59_2009'.*IC79_2010, IC86_2011.*data\.seasons"):
        simulation_of(tmp_path, "IC59_2009")


def test_neither_positions_nor_times_nor_true_directions_reach_the_prepared_file(tmp_path: Path, cells: Season) -> None:
    small = dataclasses.replace(cells, events=type(cells.events)(*(c[::100] for c in cells.events)))
    write_season(tmp_path, small, 2000)
    arrays = pack(read(tmp_path, band=0.5))
    assert {n.split(".")[1] for n in arrays if n.startswith("smearing")} == {"sin_dec", "start", "events"}
    assert set(json.loads(arrays["meta"].tobytes())["seasons"][0]) == {
        *("name", "livetime_days", "notes", "area", "smearing")
    }
    values = np.unique(np.concatenate([np.ravel(a).astype(np.float32) for a in arrays.values()]))
    exp, mc = (np.load(tmp_path / f"{NAME}_{kind}.npy") for kind in ("exp", "MC"))
    for secret in (exp["ra"], exp["time"], mc["trueRa"], mc["ra"]):
        assert np.isin(secret.astype(np.float32), values).mean() < 0.01
    assert np.isin(mc["sigma"].astype(np.float32), values).all(), "what is kept would be seen"


# What is odd and kept, with a note


def changed(folder: Path, cells: Season, **files: np.ndarray) -> Season:
    """A small season, with some files replaced: exp, MC, GRL."""
    small = dataclasses.replace(cells, events=type(cells.events)(*(c[::200] for c in cells.events)))
    write_season(folder, small, 2000)
    for kind, array in files.items():
        np.save(folder / ("GRL" if kind == "GRL" else "") / f"{NAME}_{'MC' if kind == 'MC' else 'exp'}.npy", array)
    return read(folder, band=0.5).seasons[0]


def test_angular_errors_unlike_those_of_the_simulation_are_noted(tmp_path: Path, cells: Season) -> None:
    """Half or twice is told, what lies between is not: a simulation has another spectrum."""
    small = dataclasses.replace(cells, events=type(cells.events)(*(c[::20] for c in cells.events)))
    exp = measured(small, good_runs(300.0), np.random.default_rng(1))
    assert len(exp) > 1000
    mc = simulated(small, 2000, np.random.default_rng(2))
    alike = np.median(exp["sigma"]) / np.median(mc["sigma"])
    for ratio, told in ((1.9, False), (2.1, True), (0.4, True), (0.6, False)):
        other = mc.copy()
        other["sigma"] *= alike / ratio
        notes = changed(tmp_path, cells, exp=exp, MC=other, GRL=good_runs(300.0)).notes
        assert any(note.startswith("the median angular error of the events") for note in notes) == told, ratio


def test_right_ascensions_around_zero_have_a_cure(tmp_path: Path, cells: Season) -> None:
    small = dataclasses.replace(cells, events=type(cells.events)(*(c[::200] for c in cells.events)))
    exp = measured(small, good_runs(300.0), np.random.default_rng(1))
    exp["ra"] = (exp["ra"] + np.pi) % (2 * np.pi) - np.pi
    with pytest.raises(InputError, match="Add 2 pi to each negative ra"):
        changed(tmp_path, cells, exp=exp)


def test_runs_events_and_weights_that_are_odd_are_noted(tmp_path: Path, cells: Season) -> None:
    runs = good_runs(300.0)
    small = dataclasses.replace(cells, events=type(cells.events)(*(c[::200] for c in cells.events)))
    exp = measured(small, runs, np.random.default_rng(1))
    exp = np.concatenate([exp, exp[:3]])
    exp["time"][5] = 55000.0
    mc = simulated(small, 2000, np.random.default_rng(2))
    mc["ow"][:10] = 0
    runs["stop"][4] = runs["start"][5] + 1.0
    season = changed(tmp_path, cells, exp=exp, MC=mc, GRL=np.concatenate([runs, runs[:2]]))
    text = "\n".join(season.notes)
    assert f"3 of {len(exp)} events repeat another one in time, energy, sigma and direction: kept" in text
    assert f"1 of {len(exp)} events lie outside the good runs of GRL/{NAME}_exp.npy: kept" in text
    assert f"2 runs of GRL/{NAME}_exp.npy are given twice: counted once" in text
    assert f"1 runs of GRL/{NAME}_exp.npy overlap earlier ones by 1 days" in text
    assert f"10 of 2000 events of {NAME}_MC.npy have ow 0: left out" in text
    assert season.livetime_days == pytest.approx(300.0)
    assert len(season.events.dec) == len(exp)


def test_bands_with_few_events_are_noted(folder: Path, tmp_path: Path, cells: Season) -> None:
    changed(tmp_path, cells)
    note = next(note for note in read(tmp_path, band=0.02).seasons[0].notes if "bands" in note)
    assert note.startswith(f"100 of 100 bands of {NAME}_MC.npy have fewer than 100 simulated events (the fewest: ")
    assert not any("bands" in note for note in read(folder, band=0.02).seasons[0].notes)


# A response like cells


@pytest.mark.parametrize("gamma", [2.0, 2.5, 3.0])
@pytest.mark.parametrize("dec", DECS)
def test_expected_events_agree_with_the_cells(season: Season, cells: Season, dec: float, gamma: float) -> None:
    spectrum = Spectrum(gamma)
    _, each = of_season.cells(season, dec, spectrum)
    error = np.sqrt((each**2).sum()) / each.sum()
    assert error < 0.04
    want, got = (of_season.acceptance(s, dec, spectrum) for s in (cells, season))
    # The band is wider than the cells' bin of effective area by a little: 2 %.
    assert abs(got / want - 1) < 4 * error + 0.02
    with_cutoff = Spectrum(gamma, 5.0)
    ratio = of_season.acceptance(season, dec, with_cutoff) / got
    assert ratio == pytest.approx(of_season.acceptance(cells, dec, with_cutoff) / want, rel=4 * error + 0.02)
    assert ratio < 0.97
    broken = Spectrum(gamma, log_break=4.5, gamma_above=gamma + 1.0)
    ratio = of_season.acceptance(season, dec, broken) / got
    assert ratio == pytest.approx(of_season.acceptance(cells, dec, broken) / want, rel=4 * error + 0.02)
    assert ratio < 0.995


def test_a_livetime_or_weight_in_another_unit_would_be_seen(season: Season, cells: Season) -> None:
    """Negative control of the above: 10 % more livetime."""
    longer = dataclasses.replace(season, livetime_days=1.1 * season.livetime_days)
    got, want = (
        of_season.acceptance(longer, DECS[1], Spectrum(2.5)),
        of_season.acceptance(cells, DECS[1], Spectrum(2.5)),
    )
    _, each = of_season.cells(season, DECS[1], Spectrum(2.5))
    assert got / want - 1 > 4 * np.sqrt((each**2).sum()) / each.sum() + 0.02


def test_energy_densities_are_normalised_and_agree_with_the_weights(season: Season, dataset: Dataset) -> None:
    grid = engine.build(dataset, CUTS).grid
    for dec in DECS:
        s, expected = of_season.energy_density(season, dec, GAMMAS, grid)
        np.testing.assert_allclose(s.sum(axis=1), 1.0, rtol=1e-9)
        for k in (16, 40):
            rows, each = of_season.cells(season, dec, Spectrum(float(GAMMAS[k])))
            assert expected[k] == pytest.approx(each.sum(), rel=1e-9)
            mean = (s[k] * (grid.edges[:-1] + 0.025)).sum()
            assert mean == pytest.approx((each * rows[:, 0]).sum() / each.sum(), abs=0.01)


def test_near_an_edge_a_source_has_the_events_of_both_bands(season: Season, simulation: Simulation) -> None:
    edges = simulation.sin_dec
    half = 0.5 * (edges[31] - edges[30])
    places = (edges[30] - 0.5 * half, edges[30], edges[30] + 0.5 * half)
    shares = ({29: 0.75, 30: 0.25}, {29: 0.5, 30: 0.5}, {29: 0.25, 30: 0.75})
    for x, share in zip(places, shares, strict=True):
        cells_, expected = of_season.cells(season, float(np.arcsin(x)), Spectrum(2.0))
        known = {tuple(row) for row in kernel.band_events(simulation, 29)[:, 2:6].tolist()}
        from_29 = np.array([tuple(row[::2]) in known for row in cells_.tolist()])
        assert dict(declination.bin_weights(edges, x)) == pytest.approx(share)
        assert expected[from_29].sum() / expected.sum() == pytest.approx(share[29], abs=1e-6)


def test_injected_events_are_simulated_ones_turned_to_the_source(dataset: Dataset, simulation: Simulation) -> None:
    """Energy, distance and sigma are those of one simulated event, and the position angle is kept."""
    analysis = engine.build(dataset, CUTS)
    dec = float(np.arcsin(0.5 * (simulation.sin_dec[40] + simulation.sin_dec[41])))
    injector = trials.injector_at(analysis, dec, Spectrum(2.0), 2000.0, poisson=False)
    draws = np.empty((2001, 5))
    k0, k1 = key("test", 1)
    n = draw_signal(injector, np.uint64(k0), np.uint64(k1), np.uint64(0), draws)
    rows = kernel.band_events(simulation, 40).astype(float)
    found = {tuple(row[2:5]): row for row in rows}
    used = np.array([found[tuple(draw[:3])] for draw in draws[:n]])
    psi, turn = used[:, 3], used[:, 5]
    want = np.sin(dec) * np.cos(psi) + np.cos(dec) * np.sin(psi) * np.cos(2 * np.pi * turn)
    np.testing.assert_allclose(draws[:n, 3], want, atol=1e-6)
    other = np.sin(dec) * np.cos(psi) + np.cos(dec) * np.sin(psi) * np.cos(2 * np.pi * np.roll(turn, 1))
    assert np.abs(draws[:n, 3] - other).max() > 1e-3, "another event's angle is another place"
    # drawn in proportion to weight x flux
    _, each = kernel.cells(simulation, float(np.sin(dec)), Spectrum(2.0))
    p = each / each.sum()
    mean, spread = (p * rows[:, 0]).sum(), np.sqrt((p * rows[:, 0] ** 2).sum() - (p * rows[:, 0]).sum() ** 2)
    assert abs(used[:, 0].mean() - mean) < 4 * spread / np.sqrt(n)
    assert abs(rows[:, 0].mean() - mean) > 4 * spread / np.sqrt(n), "unweighted events have other energies"


def test_events_without_a_usable_sigma_carry_no_signal(tmp_path: Path, cells: Season) -> None:
    mc = simulated(cells, 3000, np.random.default_rng(2))
    mc["sigma"][::2] = 0.0
    season = changed(tmp_path, cells, MC=mc)
    assert (season.smearing.events[:, 4] == np.float32(np.pi)).sum() == 1500
    analysis = engine.build(Dataset("real", (season,)), CUTS)
    point = trials.point_at(analysis, 0.5)
    injector = trials.injector_at(analysis, 0.5, Spectrum(2.0), 400.0, poisson=False)
    background, both = (trials.draw(analysis, point, key("t", 1), 0, j) for j in (None, injector))
    # half of them, less those beyond 5 sigma
    assert 100 < len(both.row) - len(background.row) < 230
    assert both.n_events[0] - background.n_events[0] == 400


def sensitivities(season: Season) -> list[NSig]:
    analysis = engine.build(Dataset("real", (season,)), CUTS)
    out = []
    for dec in DECS:
        point = trials.point_at(analysis, dec)
        sets = {0.0: trials.run(analysis, point, key("b", dec), 0, 4000)["ts"]}
        for n_sig in (1.0, 3.0, 6.0, 10.0, 16.0):
            injector = trials.injector_at(analysis, dec, Spectrum(2.0), n_sig)
            sets[n_sig] = trials.run(analysis, point, key("s", dec, n_sig), 0, 600, injector)["ts"]
        out.append(find_n_sig(sets, float(np.median(sets[0.0])), 0.9, 100, key("boot", dec)))
    return out


@pytest.mark.slow
def test_simulation_and_cells_of_one_detector_give_the_same_sensitivities(season: Season, cells: Season) -> None:
    """Within the errors of both; a detector with angles half as large again is told apart."""
    pairs = list(zip(sensitivities(season), sensitivities(cells), strict=True))
    for a, b in pairs:
        assert abs(a.n_sig - b.n_sig) < 3 * np.hypot(a.error, b.error), (a.n_sig, a.error, b.n_sig, b.error)
    chi2 = sum((a.n_sig - b.n_sig) ** 2 / (a.error**2 + b.error**2) for a, b in pairs)
    assert chi2 < 3 + 3 * np.sqrt(6)
    assert isinstance(season.smearing, Simulation)
    worse = season.smearing.events.copy()
    worse[:, 3] *= 1.5
    worse_season = dataclasses.replace(season, smearing=season.smearing._replace(events=worse))
    worse_pairs = zip(sensitivities(worse_season), (b for _, b in pairs), strict=True)
    assert sum((a.n_sig - b.n_sig) ** 2 / (a.error**2 + b.error**2) for a, b in worse_pairs) > 3 + 3 * np.sqrt(6)
