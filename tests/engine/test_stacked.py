"""Sources fitted together: one source is the point source, several are the formula; injected events are fitted back."""

import dataclasses
import hashlib

import numpy as np
import pytest
from scipy import stats

from tests import oracle, oracle_psf, oracle_stack
from tests.engine.conftest import CUTS, with_another
from tests.engine.test_oracle import as_read
from worker.base import rng
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import scan, stack_trials
from worker.engines.builtin.analysis import signal_cells
from worker.engines.builtin.catalogue import extended
from worker.engines.builtin.nearby import band_of, bands_of, empty_cells, fill_cells, near_place
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.sources import SourceScanner
from worker.engines.builtin.stack_signal import Injector, per_flux
from worker.engines.builtin.stack_trials import StackFits, StackTrials, ratio_of
from worker.engines.builtin.stacked import Stack
from worker.engines.protocol import Sources
from worker.spec.point import SourceModel

pytestmark = pytest.mark.slow

KEY = rng.key("scan_trials", 0)
SPECTRUM = Spectrum(2.0)
DECS = np.radians([5.0, 5.4, -40.0, 62.0, -75.0, 89.5])
RAS = 2 * np.pi * np.array([0.2, 0.2005, 0.7, 0.999, 0.3, 0.5])
WEIGHTS = np.array([1.0, 3.0, 2.0, 0.5, 4.0, 1.0])
CATALOGUE = SourceModel(tuple(DECS), (0.0, 0.0, np.radians(1.0), 0.0, 0.0, 0.0), tuple(RAS), tuple(WEIGHTS))


@pytest.fixture(scope="module")
def response(dataset):
    """Two seasons with densities of the response."""
    return engine.build(with_another(dataset), CUTS._replace(psf="response"))


@pytest.fixture(scope="module")
def stack(response):
    return StackTrials(response, CATALOGUE)


def turns_of(analysis, n):
    return np.stack([scan.right_ascensions(analysis, KEY, k) for k in range(n)])


def without(model, k):
    return model.only(np.delete(np.arange(len(model.dec)), k))


@pytest.mark.parametrize("extension", [0.0, 1.0])
@pytest.mark.parametrize("dec", [-60.0, 5.0, 89.9])
@pytest.mark.parametrize("psf", ["gaussian", "response"])
def test_one_source_is_the_point_source(two_seasons, response, psf, dec, extension):
    analysis, width = {"gaussian": two_seasons, "response": response}[psf], float(np.radians(extension))
    one = Sources(np.radians([dec]), np.array([0.3]))
    turns, expected = turns_of(analysis, 30), np.empty((30, 1, 3))
    SourceScanner(extended(analysis, width), one).at(turns, expected)
    found = Stack(analysis, SourceModel((float(one.dec[0]),), (width,), (0.3 * 2 * np.pi,), (7.0,))).at(turns)
    assert np.count_nonzero(found["ts"] > 0) > 5
    assert found["ts"] == pytest.approx(expected[:, 0, 0], abs=1e-10)
    assert found["ns"] == pytest.approx(expected[:, 0, 1], rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("prior", [(2.2, np.inf), (2.5, 1 / 0.3**2)])
def test_gamma_may_be_fixed_or_have_a_prior(response, prior):
    analysis = dataclasses.replace(response, cuts=response.cuts._replace(prior=prior))
    one, turns, expected = Sources(DECS[:1], np.array([0.2])), turns_of(analysis, 20), np.empty((20, 1, 3))
    SourceScanner(analysis, one).at(turns, expected)
    stack = Stack(analysis, SourceModel((float(DECS[0]),), (0.0,), (0.2 * 2 * np.pi,), (1.0,)))
    found = stack.at(turns)
    assert np.count_nonzero(found["ts"] > 0) > 1
    assert found["ts"] == pytest.approx(expected[:, 0, 0], abs=1e-10)
    hot = int(np.argmax(found["ts"]))
    rows = stack.make_rows(turns[hot][stack.touched])
    ns, gamma = float(found["ns"][hot]), float(found["gamma"][hot])
    assert ratio_of(rows)(np.array([ns]), gamma)[0] == pytest.approx(found["ts"][hot], abs=1e-6)


def test_two_sources_far_apart_are_the_two_point_sources_at_each_gamma(response):
    """At fixed ns and gamma the terms of the events of two places add: no event is near both."""
    decs, weights = np.radians([10.0, -30.0]), np.array([2.0, 1.0])
    turn = turns_of(response, 1)[0]
    models = [SourceModel((dec,), (0.0,), (ra,), (1.0,)) for dec, ra in zip(decs.tolist(), (1.0, 4.0), strict=True)]
    both = Stack(response, SourceModel(tuple(decs.tolist()), (0.0, 0.0), (1.0, 4.0), tuple(weights.tolist())))
    gamma = float(CUTS.gammas[20])
    share = both.as_listed(both.members.share[:, 20])
    rows = [Stack(response, model) for model in models]
    alone = [one.make_rows(turn[one.touched]) for one in rows]
    ts = [ratio_of(fit)(share[k : k + 1] * 5.0, gamma)[0] for k, fit in enumerate(alone)]
    together = ratio_of(both.make_rows(turn[both.touched]))(np.array([5.0]), gamma)[0]
    assert together == pytest.approx(sum(ts), abs=2e-3)  # (1 - a)(1 - b) against 1 - a - b, for all other events


@pytest.mark.slow
@pytest.mark.parametrize("psf", ["gaussian", "response"])
def test_fifty_skies_agree_with_the_oracle(two_seasons, response, psf):
    """Random catalogues of 1 to 6 sources over two seasons; another weight of one source would be seen."""
    analysis = {"gaussian": two_seasons, "response": response}[psf]
    model = oracle.model(tuple(as_read(season) for season in analysis.dataset.seasons))
    space = oracle_psf.Space(model) if psf == "response" else None
    generator, hot, off = np.random.default_rng(3), 0, 0.0
    for sky in range(50):
        n = 1 + sky % 6
        decs, ras = np.arcsin(generator.uniform(-0.95, 0.95, n)), generator.uniform(0, 2 * np.pi, n)
        decs[n // 2 :] = decs[0] + np.radians(generator.normal(0, 1, n - n // 2))  # some are neighbours
        ras[n // 2 :] = ras[0]
        weights = generator.uniform(0.2, 3.0, n)
        turn = turns_of(analysis, sky + 1)[sky]
        by_season = [turn[analysis.sky.season == j] * 2 * np.pi for j in range(2)]
        sources = [oracle_stack.Source(*one) for one in zip(ras, decs, weights, strict=True)]
        ts, ns, _ = oracle_stack.ts_of(model, sources, by_season, space)
        fit = Stack(analysis, SourceModel(tuple(decs), (0.0,) * n, tuple(ras), tuple(weights))).at(turn[None, :])[0]
        assert fit["ts"] == pytest.approx(ts, abs=1e-6), sky
        if ts > 0.1:
            hot += 1
            assert fit["ns"] == pytest.approx(ns, rel=1e-3)
        if n == 6 and ts > 0.1:
            weights *= np.linspace(0.9, 1.1, n)
            other = Stack(analysis, SourceModel(tuple(decs), (0.0,) * n, tuple(ras), tuple(weights))).at(turn[None, :])[
                0
            ]
            off = max(off, abs(other["ts"] - ts))
    assert hot > 10
    assert off > 1e-3


def test_near_places_are_all_found():
    """Cells against all distances, with reaches of all classes, at poles and at right ascension 0."""
    generator = np.random.default_rng(1)
    n = 4000
    sin_dec, turn = generator.uniform(-1, 1, n), generator.random(n)
    dec, reach = np.arcsin(sin_dec), np.radians(10 ** generator.uniform(-1, 1.6, n))
    bands = bands_of(float(reach.max()))
    cells, band = (
        empty_cells(bands, n),
        np.array([band_of(bands, *one) for one in zip(dec, reach, strict=True)], np.int32),
    )
    fill_cells(bands, n, band, sin_dec, reach, turn, cells)
    assert sorted(cells.event.tolist()) == list(range(n))
    x = np.stack([np.cos(dec) * np.cos(2 * np.pi * turn), np.cos(dec) * np.sin(2 * np.pi * turn), sin_dec])
    for at_dec, at in [(0.3, 0.0), (0.3, 0.9999), (1.57, 0.4), (-1.5, 0.1), (0.0, 0.5), (1.2, 0.02)]:
        event, value = np.empty(n, np.int32), np.empty(n)
        m = near_place(bands, cells, at_dec, at, turn, event, value)
        b = np.array([np.cos(at_dec) * np.cos(2 * np.pi * at), np.cos(at_dec) * np.sin(2 * np.pi * at), np.sin(at_dec)])
        psi = 2 * np.arcsin(0.5 * np.linalg.norm(x - b[:, None], axis=0))
        assert len(set(event[:m].tolist())) == m
        assert set(np.flatnonzero(psi < reach)) <= set(event[:m].tolist()) <= set(np.flatnonzero(psi < reach + 1e-4))


def test_events_choose_sources_by_weight_and_acceptance(stack, response):
    """Counts of sources, and energies and distances of one source's events, are those of its cells."""
    drawn = Injector(stack.stack, SPECTRUM, 40.0, poisson=True).draw(KEY, 0, 300)
    x = np.stack([
        np.sqrt(1 - drawn.sin_dec**2) * np.cos(2 * np.pi * drawn.turn),
        np.sqrt(1 - drawn.sin_dec**2) * np.sin(2 * np.pi * drawn.turn), drawn.sin_dec,
    ])  # fmt: skip
    each = WEIGHTS * per_flux(response, tuple(DECS), SPECTRUM)
    psi = [
        2 * np.arcsin(0.5 * np.linalg.norm(
            x - np.array([[np.cos(d) * np.cos(r)], [np.cos(d) * np.sin(r)], [np.sin(d)]]), axis=0))
        for d, r in zip(DECS, RAS, strict=True)
    ]  # fmt: skip
    nearest = np.argmin(psi, axis=0)
    nearest[nearest == 1] = 0  # neighbours
    count = np.bincount(nearest, minlength=6)[[0, 2, 3, 4, 5]]
    share = np.array([each[:2].sum(), *each[2:]]) / each.sum()
    assert stats.chisquare(count, share * count.sum()).pvalue > 1e-3
    assert (
        stats.chisquare(count, np.array([WEIGHTS[:2].sum(), *WEIGHTS[2:]]) / WEIGHTS.sum() * count.sum()).pvalue < 1e-6
    )
    assert abs(len(drawn.trial) - 300 * 40) < 4 * np.sqrt(300 * 40)
    cells, _, expected = signal_cells(response, float(DECS[5]), SPECTRUM)
    middle = np.sum(expected / expected.sum() * 0.5 * (cells[:, 0] + cells[:, 1]))
    of_source = drawn.log_e[nearest == 5]
    assert of_source.mean() == pytest.approx(middle, abs=4 * of_source.std() / np.sqrt(of_source.size))
    assert np.mean(np.degrees(psi[2][nearest == 2])) > np.mean(np.degrees(psi[4][nearest == 4])) + 0.5  # extended


def test_bits_do_not_depend_on_the_cut_of_the_work(stack, response):
    signal = (SPECTRUM, 12.0, True)
    for own in (None, signal):
        whole = stack.run(KEY, 0, 120, own)
        parts = [StackTrials(response, CATALOGUE).run(KEY, first, n, own) for first, n in ((0, 7), (7, 100), (107, 13))]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    turns = turns_of(response, 6)
    fits = StackFits(response, [stack.stack, Stack(response, without(CATALOGUE, 1))])
    assert fits.skies(KEY, 2, 3).tobytes() == fits.at(turns[2:5]).tobytes()
    assert stack.run(KEY, 2, 3).tobytes() == np.ascontiguousarray(fits.at(turns[2:5])[:, 0]).tobytes()


def test_bits_are_those_of_the_version(stack):
    """If they have to change, so does `stack_trials.STACK`: files of the other version are foreign."""
    found = np.concatenate([stack.run(KEY, 0, 20), stack.run(KEY, 0, 20, (SPECTRUM, 12.0, True))])
    assert (stack_trials.STACK, found["ts"][20]) == (1, pytest.approx(41.15123097779364, abs=1e-9))
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == "591f2d3c02ad03e1"


def test_what_is_injected_is_fitted(stack):
    """Mean ns and median gamma, and the events that each source is given; the flux of an event is the summed one."""
    background = stack.run(KEY, 0, 200)["ns"].mean()
    for n_sig in (20.0, 60.0):
        found = stack.run(KEY, 0, 150, (SPECTRUM, n_sig, True))
        error = np.sqrt(found["ns"].var() / 150)
        assert abs(found["ns"].mean() - n_sig) < 4 * error + background
        assert np.median(found["gamma"]) == pytest.approx(2.0, abs=0.1)
    hard = stack.run(KEY, 0, 1, (SPECTRUM, 60.0, True))[0]
    signals = Injector(stack.stack, SPECTRUM, 60.0, poisson=True).signals(KEY, 0, 1)[0]
    rows = stack.stack.make_rows(stack.stack.scrambled(KEY, 0), signals)
    parts = stack.stack.expected(rows, float(hard["ns"]), float(hard["gamma"]))
    assert parts.sum() == pytest.approx(hard["ns"], rel=0.1)
    assert ratio_of(rows)(np.array([hard["ns"]]), float(hard["gamma"]))[0] == pytest.approx(hard["ts"], abs=1e-6)
    assert stack.e2dnde(SPECTRUM, 100.0) == pytest.approx(
        1.0 / sum(share / engine.to_e2dnde(stack.stack.analysis, dec, SPECTRUM, 1.0, 100.0)
                  for share, dec in zip(WEIGHTS / WEIGHTS.sum(), DECS.tolist(), strict=True))
    )  # fmt: skip


def test_leaving_a_source_out_is_the_catalogue_without_it(stack, response):
    turn = turns_of(response, 1)[0]
    other, less = Stack(response, without(CATALOGUE, 1)), stack.stack.without(stack.stack.order.tolist().index(1))
    found = less.fit(less.make_rows(turn[less.touched]))
    assert found == pytest.approx(tuple(other.at(turn[None, :])[0]), abs=1e-8)
    fit = stack.stack.at(turn[None, :])[0]
    parts = stack.parts(turn, float(fit["ns"]), float(fit["gamma"]), 2)
    assert np.isfinite(parts["ts_without"]).sum() == 2
    each = WEIGHTS * per_flux(response, tuple(DECS), SPECTRUM)
    assert stack.shares(SPECTRUM) == pytest.approx(each / each.sum())
    assert found[0] != pytest.approx(fit["ts"], abs=1e-3)


def test_weights_and_company_matter(response):
    """Negative control: other weights, or one source less, are other fits; the order of the catalogue is none."""
    turns = turns_of(response, 4)
    ts = Stack(response, CATALOGUE).at(turns)["ts"]
    backwards = CATALOGUE.only(range(len(CATALOGUE.dec))[::-1])
    assert Stack(response, backwards).at(turns).tobytes() == Stack(response, CATALOGUE).at(turns).tobytes()
    assert Stack(response, CATALOGUE._replace(weight=CATALOGUE.weight[::-1])).at(turns)["ts"] != pytest.approx(
        ts, abs=1e-3
    )
    assert Stack(response, without(CATALOGUE, 0)).at(turns)["ts"] != pytest.approx(ts, abs=1e-3)


def test_nothing_accepted_is_refused(response):
    with pytest.raises(ValueError, match="accepts nothing"):
        Stack(response, CATALOGUE._replace(weight=(0.0,) * 6))
