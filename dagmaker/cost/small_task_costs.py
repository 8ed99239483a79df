"""CPU time of what makes neither trials nor maps: small beside them, and all of a small analysis.

The constants were fitted to five runs of IC86_I (138,322 events; 5 to 69 declinations, 3 to 10 n_sig, maps of nside
64 to 256, 200 and 1,000 resamplings, up to 22 million trials) on a processor on which a process starts in
`rates.START_S`; a pilot's start scales them to another.
"""

from typing import NamedTuple

from dagmaker.plan import rates
from dagmaker.plan.plan import Node
from worker.base.task_rows import ROWS
from worker.spec.sections import Spec

SEASON_S = 1.7  # read and clean the files of a season with its response
MADE_UP_S = 1.0  # the same for synthetic data
FILE_S, TRIAL_S = 2e-4, 3e-8  # collect: a file that is read, a trial in it
DEC_S = 1.8e-3  # distributions: a declination
CURVE_S, RESAMPLING_S = 0.01, 6.5e-5  # a fit of a passing curve, and one of its resamplings
TARGET_S = 0.01  # upper limits: a target, besides its curve
MAP_S, PIXEL_S, SKY_RING_S = 0.85, 4.5e-7, 3e-7  # collect_scan: FITS files; p of a pixel, p of a ring of a sky
TEST_S, SKY_S = 0.012, 1e-5  # post-trial p
PAGE_S, DEC_FIGURES_S, PIXEL_FIGURES_S = 9.3, 0.16, 4.4e-6  # report: figures of the page, of declinations, of maps
MOST_FIGURES = 18  # declinations that a report shows one by one
CURVE_TRIAL_S, TARGET_TRIAL_S, FIGURE_TRIAL_S = 1.5e-7, 9e-8, 2.7e-7  # a collected trial that these stages read


class Start(NamedTuple):
    """What a new process takes beyond its work; a worker of `dagmaker run` pays it once.

    Attributes
    ----------
    total_s : float, s
        Until it ends, its work apart.
    inside_s : float, s
        The part of it that the record of its output sees: compiled code is loaded when it is first called.
    """

    total_s: float
    inside_s: float


STEPPED_INSIDE_S = 0.2  # of trials, skies and maps: the likelihood is put up


def start(spec: Spec, task: str) -> Start:
    """Start of a process of a kind."""
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
    return rates.slowness(spec) * _work_s(node, spec, files)


def _work_s(node: Node, spec: Spec, files: int) -> float:
    decs, spectra = len(spec.background.decs), len(spec.signal.gammas)
    curve_s = CURVE_S + RESAMPLING_S * spec.sensitivity.n_bootstrap
    scan = spec.scan
    pixels = sum(map(scan.positions, scan.nsides))
    injected = decs * spectra * len(spec.signal.n_sig) * spec.signal.n_trials
    curves_s = decs * spectra * (1 + len(spec.sensitivity.nsigmas)) * curve_s + CURVE_TRIAL_S * injected
    found = {
        "prepare": _prepare_s(spec),
        "collect_bg": FILE_S * files + TRIAL_S * spec.background.n_trials,
        "collect_sig": FILE_S * files + TRIAL_S * spec.signal.n_trials * len(spec.signal.n_sig),
        "distributions": DEC_S * decs,
        "sensitivity": curves_s,
        "judge": curves_s,  # the same curves, of the trials that are there
        "upper_limits": scan.n_targets * spectra * (TARGET_S + RESAMPLING_S * spec.sensitivity.n_bootstrap)
        + TARGET_TRIAL_S * injected,
        "collect_scan": MAP_S + PIXEL_S * pixels + SKY_RING_S * scan.kept_per_sky * scan.n_skies + FILE_S * files,
        "post_trial": TEST_S + SKY_S * scan.n_skies,
        "report": PAGE_S
        + DEC_FIGURES_S * min(decs, MOST_FIGURES) * spectra
        + PIXEL_FIGURES_S * pixels
        + FIGURE_TRIAL_S * (injected + decs * spec.background.n_trials),
    }
    return found[node.task]


def _prepare_s(spec: Spec) -> float:
    if spec.data.format == "synthetic":
        return MADE_UP_S * max(1.0, rates.events(spec) / rates.REFERENCE_EVENTS)
    return SEASON_S * max(1, len(getattr(spec.data, "seasons", ())))
