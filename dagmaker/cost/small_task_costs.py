"""CPU time of tasks that make neither trials nor maps; they dominate a small analysis.

The constants were fitted to five runs of IC86_I (138,322 events; 5 to 69 declinations, 3 to 10 n_sig, maps of nside
64 to 256, 200 and 1,000 resamplings, up to 22 million trials) on a processor on which a process starts in
`rates.START_S`; they scale with the start time that a pilot measures.
"""

from typing import NamedTuple

from dagmaker.plan import rates
from dagmaker.plan.plan import Node
from worker.base.task_rows import ROWS
from worker.spec.sections import Spec

SEASON_S = 1.7  # read and clean a season and its response
MADE_UP_S = 1.0  # the same for synthetic data
TILTS_S = 0.2  # a pilot that chooses tilts
FILE_S, TRIAL_S = 2e-4, 3e-8  # collect: per file, per trial
DEC_S = 1.8e-3  # distributions: per declination
CURVE_S, RESAMPLING_S = 0.01, 6.5e-5  # fit of a passing curve, and of one resampling
STRATA_S = 0.002  # n_sig from strata: no fit and no resampling
TARGET_S = 0.01  # upper limits: per target, besides its curve
MAP_S, PIXEL_S, SKY_RING_S = 0.85, 4.5e-7, 3e-7  # collect_scan: FITS files; per pixel; per ring of a sky
TEST_S, SKY_S = 0.012, 1e-5  # post-trial p
PAGE_S, DEC_FIGURES_S, PIXEL_FIGURES_S = 9.3, 0.16, 4.4e-6  # report: the page; per declination; per pixel
MOST_FIGURES = 18  # declinations with figures of their own in a report
CURVE_TRIAL_S, TARGET_TRIAL_S, FIGURE_TRIAL_S = 1.5e-7, 9e-8, 2.7e-7  # per collected trial that these stages read


class Start(NamedTuple):
    """CPU time of a new process besides its work; a worker of `dagmaker run` spends it once.

    Attributes
    ----------
    total_s : float, s
        From start to end, without the work.
    inside_s : float, s
        The part that the record of its output includes: compiled code is loaded at its first call.
    """

    total_s: float
    inside_s: float


STEPPED_INSIDE_S = 0.2  # of trials, skies and maps: the likelihood is set up


def start(spec: Spec, task: str) -> Start:
    """Start of a process of a task."""
    row = ROWS[task]
    if row.has_many_files:
        return Start(rates.of(spec, task).start_s, STEPPED_INSIDE_S * rates.slowness(spec))
    return Start(row.start_s * rates.slowness(spec), row.start_inside_s * rates.slowness(spec))


def work_s(node: Node, spec: Spec, files: int) -> float:
    """CPU seconds of a node, without its start.

    Parameters
    ----------
    files : int
        Files of its parents.
    """
    points, injected_at, spectra = len(spec.all_points), len(spec.signal_points), len(spec.signal.gammas)
    resampling_s = RESAMPLING_S * spec.sensitivity.n_bootstrap if spec.sensitivity.method == "curve" else 0.0
    curve_s = CURVE_S + resampling_s if spec.sensitivity.method == "curve" else STRATA_S
    scan = spec.scan
    pixels = sum(map(scan.positions, scan.nsides))
    injected = injected_at * spectra * len(spec.signal.n_sig) * spec.signal.n_trials
    curves_s = injected_at * spectra * (1 + len(spec.sensitivity.nsigmas)) * curve_s + CURVE_TRIAL_S * injected
    work_of = {
        "prepare": _prepare_s(spec),
        "tail_pilot": TILTS_S * rates.events(spec) / rates.REFERENCE_EVENTS,
        "collect_bg": FILE_S * files + TRIAL_S * spec.background.n_trials,
        "collect_sig": FILE_S * files + TRIAL_S * spec.signal.n_trials * len(spec.signal.n_sig),
        "distributions": DEC_S * points,
        "sensitivity": curves_s,
        "judge": curves_s,  # the same curves, from the trials so far
        "upper_limits": scan.n_targets * spectra * (TARGET_S + resampling_s) + TARGET_TRIAL_S * injected,
        "collect_scan": MAP_S + PIXEL_S * pixels + SKY_RING_S * scan.kept_per_sky * scan.n_skies + FILE_S * files,
        "post_trial": TEST_S + SKY_S * scan.n_skies,
        "report": PAGE_S
        + DEC_FIGURES_S * min(points, MOST_FIGURES) * spectra
        + PIXEL_FIGURES_S * pixels
        + FIGURE_TRIAL_S * (injected + points * spec.background.n_trials),
    }
    return rates.slowness(spec) * work_of[node.task]


def _prepare_s(spec: Spec) -> float:
    if spec.data.format == "synthetic":
        return MADE_UP_S * max(1.0, rates.events(spec) / rates.REFERENCE_EVENTS)
    return SEASON_S * max(1, len(getattr(spec.data, "seasons", ())))
