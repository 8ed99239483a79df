"""Parts of the report: projections, shapes of distributions, words, templates."""

import math
from pathlib import Path

import healpy
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import chi2, kstest

from worker.base import rng
from worker.base.errors import InputError
from worker.hypotheses.sky.spots import hottest_spots
from worker.report import formats, raster, style, template
from worker.report.background import goodness_of_fit
from worker.report.interactive import coarser
from worker.report.points import PointAxis
from worker.report.results import three
from worker.report.shape import EDGES, shape_of
from worker.spec.point import declination
from worker.stats.distributions import TSD


def test_goodness_of_fit_is_uniform_for_a_chi2_and_small_for_another_shape() -> None:
    """Half of 4,000 trials have TS > 0; negative control: every twentieth of these is moved by 8."""
    at, good, bad = declination(5.0), [], []
    for i in range(60):
        ts = chi2.ppf(rng.uniforms(rng.key(i, "test"), rng.OTHER, 0, 2000), 1.1)
        moved = np.where(np.arange(2000) % 20 == 0, ts + 8.0, ts)
        good.append(goodness_of_fit(shape_of(at, TSD(4000, np.sort(ts), "scale1"))))
        bad.append(goodness_of_fit(shape_of(at, TSD(4000, np.sort(moved), "scale1"))))
    assert kstest(good, "uniform").pvalue > 0.01
    assert np.median(bad) < 1e-3
    assert goodness_of_fit(shape_of(at, TSD(40, np.sort(ts[:20]), "scale1"))) is None, "one bin: nothing to compare"


@pytest.mark.parametrize("nside", [8, 64])
def test_mollweide_raster_agrees_with_matplotlibs_projection(nside: int) -> None:
    u = rng.uniforms(rng.key(1, "test"), rng.OTHER, 0, 2000).reshape(2, -1)
    ra, dec = 0.1 + (2 * np.pi - 0.2) * u[0], np.arcsin(1.96 * u[1] - 0.98)  # not on the very rim
    axis = Figure().add_subplot(projection="mollweide")
    x, y = axis.transProjection.transform(np.column_stack([np.pi - ra, dec])).T
    width = 2000
    column = ((x / math.sqrt(2) + 2) / 4 * width).astype(int)
    row = ((y / math.sqrt(2) + 1) / 4 * width).astype(int)
    found = raster.mollweide(nside, width)[row, column]
    assert np.all(found >= 0)
    apart = healpy.rotator.angdist(healpy.pix2ang(nside, found), np.array([np.pi / 2 - dec, ra]))
    # Half a pixel's diagonal, and the raster's own step, which is widest near the poles.
    assert np.quantile(apart, 0.99) < 1.2 * healpy.nside2resol(nside) + 4 * np.pi / width
    assert np.mean(found == healpy.ang2pix(nside, np.pi / 2 - dec, ra)) > (0.95 if nside == 8 else 0.75)


def test_right_ascension_increases_to_the_left() -> None:
    pixels = raster.mollweide(32, 400)
    middle = pixels[100]
    assert np.all(pixels[0, :150] == -1)
    ra = np.degrees(healpy.pix2ang(32, middle[[50, 200, 350]])[1])
    assert ra == pytest.approx([315, 180, 45], abs=3)
    dec = 90 - np.degrees(healpy.pix2ang(32, pixels[[20, 180], 200])[0])
    assert dec[0] < 0 < dec[1]  # the bottom row comes first


@pytest.mark.parametrize(("ra", "dec"), [(0.01, 0.4), (3.0, -1.2), (6.2, 1.5)])
def test_zoom_is_centred_with_east_to_the_left_and_north_up(ra: float, dec: float) -> None:
    nside, half = 256, math.radians(4)
    pixels = raster.gnomonic(nside, ra, dec, half, 101)
    vectors = np.array(healpy.pix2vec(nside, pixels[[50, 50, 100], [50, 0, 50]]))
    centre = np.array(healpy.ang2vec(np.pi / 2 - dec, ra))
    east, north = np.array([-math.sin(ra), math.cos(ra), 0.0]), np.array([0.0, 0.0, 1.0])
    north -= (north @ centre) * centre
    step = healpy.nside2resol(nside)
    assert np.arccos(min(1.0, vectors[:, 0] @ centre)) < step
    left, top = vectors[:, 1] - vectors[:, 0], vectors[:, 2] - vectors[:, 0]
    assert left @ east == pytest.approx(math.sin(half), abs=2 * step)
    assert top @ (north / np.linalg.norm(north)) == pytest.approx(math.sin(half), abs=2 * step)


def _bumps(nside: int, bumps: list[tuple[float, float, float]]) -> NDArray[np.float64]:
    """A map (4, npix) with Gaussian bumps (ra, dec, height) of 2 deg, nothing scanned above 80 deg."""
    theta, phi = healpy.pix2ang(nside, np.arange(12 * nside**2))
    heat = np.zeros(theta.size)
    for ra, dec, height in bumps:
        apart = healpy.rotator.angdist(np.array([theta, phi]), np.radians([90 - dec, ra]))
        heat += height * np.exp(-0.5 * (apart / np.radians(2)) ** 2)
    heat[theta < np.radians(10)] = np.nan
    return np.stack([heat, 3 * heat, heat + 1, np.full(heat.size, 2.0)])


@pytest.mark.slow
def test_hottest_spots_are_maxima_well_apart() -> None:
    bumps = [(10.0, 20.0, 5.0), (13.0, 20.0, 4.0), (22.0, 20.0, 3.0), (200.0, -60.0, 4.5), (90.0, 85.0, 9.0)]
    values = _bumps(64, bumps)
    found = hottest_spots(values, 64, 10, math.radians(3))
    ra, dec = healpy.pix2ang(64, found, lonlat=True)
    places = {(round(float(r)), round(float(d))) for r, d in zip(ra, dec, strict=True)}
    assert len(found) == 4  # one bump runs into its neighbour; of the one beyond the range there is the flank
    for wanted in ((10, 20), (22, 20), (200, -60)):
        assert any(abs(r - wanted[0]) <= 2 and abs(d - wanted[1]) <= 1 for r, d in places), places
    assert values[0, found].tolist() == sorted(values[0, found], reverse=True)
    assert all(d < 80 for d in dec)
    for one in range(len(found)):
        for other in range(one):
            angle = healpy.rotator.angdist((ra[one], dec[one]), (ra[other], dec[other]), lonlat=True)
            assert angle[0] >= math.radians(3)
    assert hottest_spots(values * 0, 64, 10, 0.1).size == 0


def test_a_coarser_map_shows_the_hottest_part() -> None:
    values = _bumps(16, [(30.0, 40.0, 3.0), (210.0, -20.0, 2.0)])
    found, nside = coarser(values, 16, 4)
    assert nside == 4
    assert found.shape == (4, 192)
    fine = np.arange(12 * 16**2)
    parent = healpy.ang2pix(4, *healpy.pix2ang(16, fine))  # every centre lies in its parent
    for pixel in (0, 50, 100, 191):
        inside = values[0, fine[parent == pixel]]
        assert len(inside) == 16
        expected = np.nan if np.isnan(inside).all() else np.nanmax(inside)
        assert found[0, pixel] == pytest.approx(expected, nan_ok=True)
    assert coarser(values, 16, 16)[0] is values


def test_galactic_centre() -> None:
    ra, dec = raster.galactic_plane()
    assert np.degrees([ra[0], dec[0]]) == pytest.approx([266.405, -28.936], abs=0.01)


def test_lines_break_where_they_leave_the_map() -> None:
    lon, lat = raster.across(np.radians([350.0, 359.0, 1.0, 10.0]), np.zeros(4))
    assert np.flatnonzero(np.isnan(lon)).tolist() == [2]
    assert len(lat) == 5
    assert np.degrees(lon[0]) == pytest.approx(-170)


def _tsd(n: int, eta: float = 0.5) -> TSD:
    u = rng.uniforms(rng.key(2, "test"), rng.OTHER, 0, n)
    return TSD.from_trials(np.where(u < eta, -2 * np.log(np.maximum(u, 1e-12) / max(eta, 1e-9)), 0.0))


def test_a_shape_keeps_what_the_figures_need() -> None:
    tsd = _tsd(5000)
    shape = shape_of(declination(30.0), tsd)
    assert shape.counts.sum() == len(tsd.ts) == shape.n_positive
    assert PointAxis((shape.at,)).x(shape.at) == pytest.approx(0.5)
    assert shape.p_counted[0] == 1
    at = int(np.searchsorted(EDGES, 4.0))
    assert shape.p_counted[at] == np.mean(np.append(tsd.ts, np.zeros(5000 - len(tsd.ts))) >= EDGES[at])
    # An exponential of mean 2 is a chi2 with two degrees of freedom.
    assert shape.fits["scale1"].ndof == pytest.approx(2, abs=4 * shape.fits["scale1"].ndof_error)
    assert shape.fits["free"].scale == pytest.approx(1, abs=4 * shape.fits["free"].scale_error)
    assert shape.p_fit[1:] == pytest.approx(shape.eta * np.exp(-EDGES[1:] / 2), rel=0.5)
    assert shape.median[0] <= shape.median[1] <= shape.median[2]


@pytest.mark.parametrize(("n", "eta"), [(1, 0.0), (12, 0.2), (3, 1.0)])
def test_a_shape_of_hardly_any_trials(n: int, eta: float) -> None:
    for how in ("hybrid", "empirical", "fit"):
        shape = shape_of(declination(0.0), _tsd(n, eta), how)  # type: ignore[arg-type]
        assert math.isnan(shape.fits["scale1"].ndof)
        assert np.isnan(shape.p_fit).all()
        assert np.isnan(shape.thresholds).all()


def test_trials_beyond_the_last_edge_are_counted() -> None:
    shape = shape_of(declination(0.0), TSD(3, np.array([1.0, 59.9, 800.0])))
    assert shape.counts.sum() == 3
    assert shape.counts[-1] == 2


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (formats.plain(None), "–"),
        (formats.plain(float("nan")), "–"),
        (formats.plain(1234567), "1,234,567"),
        (formats.plain(0.0), "0"),
        (formats.plain(17099.4), "17,099"),
        (formats.plain(3.86e6), "3.86\u00a0×\u00a010⁶"),
        (formats.plain(-0.5), "−0.5"),
        (formats.power(2.13e-11, 2.2e-12), "(2.13\u00a0±\u00a00.22)\u00a0×\u00a010⁻¹¹"),
        (formats.power(None), "–"),
        (formats.power(0.0), "0"),
        (formats.power(9.999e-12, digits=2), "1.0\u00a0×\u00a010⁻¹¹"),
        (formats.with_error(2732.2, 193.1), "2,732 ± 193"),
        (formats.with_error(2.4242, 0.2468), "2.42 ± 0.25"),
        (formats.with_error(1.0, None), "1"),
        (formats.with_error(None, 1.0), "–"),
        (formats.p_value(0.5999), "0.60"),
        (formats.p_value(1.0), "1"),
        (formats.p_value(2.87e-7), "2.9\u00a0×\u00a010⁻⁷"),
        (formats.p_value(None), "–"),
        (formats.nsigma(0.00135), "3.00σ one-sided"),
        (formats.nsigma(0.4), "0.25σ one-sided"),
        (formats.nsigma(0.5), "no excess (p ≥ 0.5 is below 0σ)"),
        (formats.nsigma(0.94), "no excess (p ≥ 0.5 is below 0σ)"),
        (formats.nsigma(1.0), "no excess (p ≥ 0.5 is below 0σ)"),
        (formats.degrees(-5.0), "−5.00°"),
        (style.dec_text(-85.0), "−85°"),
        (style.dec_text(0.0), "0°"),
        (style.dec_text(0.4), "+0.4°"),
    ],
)
def test_words(found: str, expected: str) -> None:
    assert found == expected


def test_three_of_a_grid() -> None:
    assert three([]) == []
    assert three([1]) == [1]
    assert three([1, 2, 3]) == [1, 2, 3]
    assert three(list(range(18))) == [3, 8, 14]


def test_edges_lie_between() -> None:
    assert style.edges([-0.5, 0.5], -1, 1).tolist() == [-1, 0, 1]
    assert style.edges([0.2], -1, 1).tolist() == [-1, 1]


def test_a_sites_own_page_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = template.folder()
    monkeypatch.setenv(template.VARIABLE, str(tmp_path))
    assert template.folder() == ours  # a copy of the submit files only
    (tmp_path / "report").mkdir()
    page = tmp_path / "report" / template.PAGE
    page.write_text("{{ name }} & {{ tag }}", encoding="utf-8")
    assert template.render(template.PAGE, {"name": "mine", "tag": "<b>"}) == "mine & &lt;b&gt;"
    with pytest.raises(InputError, match=r"index\.html\.j2: this template cannot be used: UndefinedError: 'tag'"):
        template.render(template.PAGE, {"name": "mine"})
    page.write_text("{% if %}", encoding="utf-8")
    with pytest.raises(InputError, match="TemplateSyntaxError"):
        template.render(template.PAGE, {})
