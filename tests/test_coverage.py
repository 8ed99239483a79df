"""What is quoted is what happens: fluxes injected anew into real data, limits that cover, lists whose p is uniform.

IC86_I is read once; trials come from streams that no analysis uses. Tolerances: the binomial error of the new trials,
and the quoted error of the flux.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from dagmaker.htcondor.build import build
from worker.base import rng
from worker.base.key import Key
from worker.engines.protocol import Signal, Sources
from worker.hypotheses import hottest_spots
from worker.rundir.ledger import Run, open_run
from worker.spec.specfile import loads
from worker.stats.distributions import TSD
from worker.stats.population import binomial_test
from worker.tasks import context, flux_rows, prepare

pytestmark = pytest.mark.slow

DECS = (-60.0, -20.0, 5.0, 30.0, 70.0)
GRIDS = {2.0: [1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40], 3.0: [2, 5, 8, 12, 16, 20, 25, 30, 36, 44, 54, 66, 80]}
SPEC = """
version: 1
name: coverage
seed: 1
data: {format: icetracks, dir: %s, seasons: [IC86_I], label: semi-real}
background: {tail: none, dec_deg: [-85, -60, -20, 5, 30, 70], n_trials: 8000}
signal: {gamma: [2, 3], n_sig: [1, 2, 3], n_trials: 1000}
sensitivity: {n_bootstrap: 40, discovery_nsigma: 5}
scan: {nside: 4, n_skies: 2, dec_max_deg: 70}
"""
N_NEW = 2500


class Quoted(NamedTuple):
    """A flux that was quoted, and the fraction of new trials that pass."""

    what: str
    beta: float
    passed: float
    error: float
    too_strong: float

    @property
    def pull(self) -> float:
        return (self.passed - self.beta) / self.error


@pytest.fixture(scope="module")
def run(icetracks_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run directory with the prepared season."""
    path = tmp_path_factory.mktemp("coverage") / "run"
    build(loads(SPEC % icetracks_release), path)
    prepare.prepare(path)
    return open_run(path)


def ts_of(run: Run, dec: float, gamma: float, n_sig: float, n: int, stream: int) -> np.ndarray:
    """TS of n trials of a stream of its own."""
    signal = Signal(n_sig, gamma) if n_sig > 0 else None
    return context.engine(run).trials(run.spec.at(dec), key_of(dec, gamma, n_sig, stream), 0, n, signal)


def key_of(dec: float, gamma: float, n_sig: float, stream: int) -> Key:
    """Address of a stream of its own."""
    return rng.key("coverage", dec, gamma, float(n_sig), stream)


def counts_of(run: Run, dec: float, gamma: float, n_sig: float, n: int) -> np.ndarray:
    """Numbers of injected events of the trials of stream 0."""
    return context.engine(run).signal_counts(key_of(dec, gamma, n_sig, 0), 0, n, n_sig)


@pytest.fixture(scope="module")
def trials(run: Run) -> dict[tuple[float, float], flux_rows.PointTrials]:
    """Background and signal trials at five declinations for two spectra."""
    found = {}
    for dec in DECS:
        background = TSD.from_trials(ts_of(run, dec, 0.0, 0.0, 8000, 0)["ts"])
        for gamma, grid in GRIDS.items():
            signal = {float(n): ts_of(run, dec, gamma, n, 700, 0) for n in grid}
            counts = {n: counts_of(run, dec, gamma, n, 700) for n in signal}
            found[dec, gamma] = flux_rows.PointTrials(run.spec.at(dec), gamma, background, signal, counts)
    return found


def quoted(run: Run, at: flux_rows.PointTrials) -> list[Quoted]:
    """Sensitivity and discovery potential of a point, injected anew at the quoted flux."""
    found = []
    for what, row in (
        ("sensitivity", flux_rows.sensitivity(run, at)),
        ("discovery", flux_rows.discovery(run, at, 5.0)),
    ):
        per_event = context.engine(run).flux(at.at, at.gamma)
        n_sig, error = row["flux"] / per_event, row["flux_error"] / per_event

        def passed(n: float, stream: int, row: dict = row) -> float:
            return float(np.mean(ts_of(run, at.at.args["dec"], at.gamma, n, N_NEW, stream)["ts"] > row["threshold"]))

        one, more = passed(n_sig, 1), passed(1.3 * n_sig, 2)
        slope = (more - one) / (0.3 * n_sig)
        spread = math.hypot(math.sqrt(row["beta"] * (1 - row["beta"]) / N_NEW), slope * error)
        found.append(Quoted(f"{what} at {at.at}, gamma {at.gamma:g}", row["beta"], one, spread, more))
    return found


def test_quoted_fluxes_pass_as_often_as_they_say(
    run: Run, trials: dict[tuple[float, float], flux_rows.PointTrials]
) -> None:
    """90 % for the sensitivity, 50 % for the discovery potential, at five declinations, for E^-2 and E^-3."""
    found = [row for at in trials.values() for row in quoted(run, at)]
    assert len(found) == 20
    pulls = np.array([row.pull for row in found])
    shown = "\n".join(f"{row.what}: {row.passed:.3f} +- {row.error:.3f}" for row in found)
    assert np.all(np.abs(pulls) < 4), shown
    assert stats.chi2.sf(np.sum(pulls**2), len(pulls)) > 1e-3, shown
    assert np.mean([row.error for row in found]) < 0.025, "the test would see a bias of some per cent"
    control = np.array([(row.too_strong - row.beta) / row.error for row in found])
    assert stats.chi2.sf(np.sum(control**2), len(control)) < 1e-6, "negative control: 30 % more flux"


@pytest.mark.parametrize(("dec", "gamma", "true"), [(5.0, 2.0, 6.0), (-20.0, 2.0, 10.0), (30.0, 3.0, 30.0)])
def test_upper_limits_cover(
    run: Run, trials: dict[tuple[float, float], flux_rows.PointTrials], dec: float, gamma: float, true: float
) -> None:
    """The limit falls below the true n_sig in 10 % of trials. It rises with TS, so below one TS: by bisection."""
    at = trials[dec, gamma]

    def limit(ts: float) -> dict[str, float]:
        return flux_rows.limit(run, at, ts)

    floor = limit(0.0)["n_sig"]
    assert floor < true, "elsewhere the limit covers always"
    low, high = at.background.median(), float(np.quantile(ts_of(run, dec, gamma, true, 200, 5)["ts"], 0.5))
    some = [limit(ts)["n_sig"] for ts in np.linspace(low, high, 8)]
    assert np.all(np.diff(some) > -0.02 * true), "rises with TS, but for the error of a curve"
    assert some[-1] > true
    for _ in range(10):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if limit(middle)["n_sig"] < true else (low, middle)
    at_true = limit(high)
    new = ts_of(run, dec, gamma, true, 4000, 3)["ts"]
    covered = float(np.mean(new >= high))
    stronger = float(np.mean(ts_of(run, dec, gamma, 1.3 * true, 4000, 4)["ts"] >= high))
    slope = (stronger - covered) / (0.3 * true)
    error = math.hypot(math.sqrt(0.09 / 4000), slope * at_true["n_sig_error"])
    assert abs(covered - 0.9) < 4 * error
    assert error < 0.03
    assert stronger > 0.9 + 3 * error, "negative control: limits that are 30 % too low in flux"
    assert limit(0.0)["n_sig"] == flux_rows.sensitivity(run, at)["n_sig"], "never below the sensitivity: covers always"


def test_corrected_p_of_a_list_is_uniform(run: Run, trials: dict[tuple[float, float], flux_rows.PointTrials]) -> None:
    """300 skies treated as data against 900 others: hottest of 24 correlated sources, and binomial test.

    Eight places with two neighbours each, 0.2 and 0.4 deg away. Negative control: the same p-values corrected as if the
    sources were independent.
    """
    tsds = {dec: at.background for (dec, gamma), at in trials.items() if gamma == 2.0}
    centres = [
        (77.4, 5.7),
        (40.7, 0.0),
        (216.8, 23.8),
        (166.1, 38.2),
        (194.0, -5.8),
        (266.4, -29.0),
        (10.0, 60.0),
        (300.0, -50.0),
    ]
    places = np.array([(ra, dec + 0.2 * i) for ra, dec in centres for i in range(3)])
    listed = Sources(np.radians(places[:, 1]), places[:, 0] / 360.0)
    scanner = context.skies(run).source_scanner(listed)
    ts = scanner.skies(rng.key("coverage", "skies"), 0, 1200)[..., 0]
    heat = hottest_spots.p_map(run.spec, tsds, np.broadcast_to(listed.dec, ts.shape), ts)
    assert np.corrcoef(ts[:, 0], ts[:, 1])[0, 1] > 0.5
    for values in (heat.max(axis=1), binomial_test(heat).mlog10p):
        background, data = np.sort(values[:900]), values[900:]
        k = len(background) - np.searchsorted(background, data, side="left")
        p = (k + 1) / (len(background) + 1)
        effective = 300 * 900 / 1200  # both samples are finite
        assert stats.kstwo.sf(stats.kstest(p, "uniform").statistic, round(effective)) > 1e-3
    independent = -np.expm1(24 * np.log1p(-np.minimum(10.0 ** -heat.max(axis=1)[900:], 1 - 1e-12)))
    assert stats.kstest(independent, "uniform").pvalue < 1e-3, "negative control"
