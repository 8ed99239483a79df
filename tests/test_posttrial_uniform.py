"""500 background skies treated as data, against 500 others: the post-trial p-value is uniform, in every region."""

import numpy as np
import pytest
from scipy import stats

from dagmaker.htcondor.build import build
from worker.hypotheses import hottest_spots
from worker.rundir import layout
from worker.rundir.ledger import expected, open_run
from worker.spec.specfile import loads
from worker.stats.posttrial import post_trial
from worker.tasks import collect, prepare, scans, trials

pytestmark = pytest.mark.slow
N = 500
SPEC = f"""
version: 1
name: uniform
seed: 12
data: {{format: synthetic, n_events: 5000}}
background: {{tail: none, dec_deg: {{start: -80, stop: 80, step: 20}}, n_trials: 1000}}
signal: {{n_sig: [3, 8, 20], n_trials: 10}}
scan: {{nside: 8, dec_min_deg: -80, dec_max_deg: 80, n_skies: {2 * N}, skies_per_file: {2 * N}}}
"""


@pytest.fixture(scope="module")
def skies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """-log10 p of the hottest spot of a thousand skies, by region, through the stages of a run."""
    run = tmp_path_factory.mktemp("uniform") / "run"
    build(loads(SPEC), run)
    prepare.prepare(run)
    opened = open_run(run)
    for e in expected(opened, "bg_trials"):
        trials.bg_trials(run, e.point["dec"], e.n, e.seed, e.first)
    for e in expected(opened, "scan_trials"):
        scans.scan_trials(run, e.n, e.seed, e.first, None)
    for e in expected(opened, "scan_map"):
        scans.scan_map(run, int(e.point["nside"]), *(e.band or (0, 1)))
    for dec in opened.spec.background.decs:
        collect.collect_bg(run, dec, False)
    collect.collect_scan(run, False)
    return {region: np.load(run / layout.skies_file(region))["mlog10p"] for region in hottest_spots.REGIONS}


def p_values(data: np.ndarray, background: np.ndarray) -> np.ndarray:
    return np.array([post_trial(hot, background).p for hot in data])


def uniformity(p: np.ndarray, n: int) -> float:
    """KS p-value for p on the steps 1 / (n + 1), ..., 1.

    Every p is read from the same n skies: the law of the distance is that of two samples.
    """
    steps = np.arange(1, n + 2) / (n + 1)
    distance = np.max(np.abs(np.searchsorted(np.sort(p), steps, side="right") / len(p) - steps))
    return float(stats.kstwo.sf(distance, round(len(p) * n / (len(p) + n))))


def test_post_trial_p_is_uniform(skies: dict[str, np.ndarray]) -> None:
    for region, heat in skies.items():
        assert len(heat) == 2 * N
        p = p_values(heat[:N], heat[N:])
        assert uniformity(p, N) > 0.01, region
        assert p.min() >= 1 / (N + 1)


def test_one_sky_in_ten_that_is_hotter_or_another_region_is_seen(skies: dict[str, np.ndarray]) -> None:
    """Negative controls."""
    data, background = skies["all"][:N], skies["all"][N:]
    hotter = np.where(np.arange(N) % 10 == 0, data + 2, data)
    assert uniformity(p_values(hotter, background), N) < 0.05
    assert uniformity(p_values(data + 0.15, background), N) < 0.01
    assert uniformity(p_values(data, skies["north"][N:]), N) < 0.01


def test_the_steps_are_handled() -> None:
    """With few background skies p takes few values; the test keeps its level, and one that ignores this does not."""
    generator = np.random.default_rng(3)
    low, naive = 0, 0
    for _ in range(300):
        n = 20
        background, data = generator.random(n), generator.random(200)
        p = (1 + (background[None, :] >= data[:, None]).sum(axis=1)) / (n + 1)
        low += uniformity(p, n) < 0.05
        naive += stats.kstest(p, "uniform").pvalue < 0.05
    assert low <= 15 + 4 * np.sqrt(15)
    assert naive > 100
