"""CPU time of what makes neither trials nor maps: small beside them, and all of a small analysis.

The constants were fitted to three runs of IC86_I (138,322 events; 6 and 18 declinations, 8 and 10 n_sig, maps of nside
64 to 256, 200 and 1,000 resamplings) on a processor on which a process starts in `rates.START_S`; a pilot's start
scales them to another.
"""

from typing import NamedTuple

from dagmaker.cost import rates
from dagmaker.planning import sky
from dagmaker.planning.plan import Node
from worker.spec import Spec

SEASON_S = 1.7  # read and clean the files of a season with its response
MADE_UP_S = 1.0  # the same for synthetic data
FILE_S, TRIAL_S = 2e-4, 3e-8  # collect: a file that is read, a trial in it
DEC_S = 1.8e-3  # distributions: a declination
CURVE_S, RESAMPLING_S = 0.01, 6.5e-5  # a fit of a passing curve, and one of its resamplings
TARGET_S = 0.01  # upper limits: a target, besides its curve
MAP_S, PIXEL_S, SKY_RING_S = 0.85, 4.5e-7, 3e-7  # collect_scan: FITS files; p of a pixel, p of a ring of a sky
TEST_S, SKY_S = 0.012, 1e-5  # post-trial p
PAGE_S, DEC_FIGURES_S, PIXEL_FIGURES_S = 9.3, 0.16, 4.4e-6  # report: figures of the page, of declinations, of maps


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


STARTS = {
    "prepare": Start(1.2, 0.0),
    "collect_bg": Start(0.6, 0.002),
    "collect_sig": Start(0.6, 0.002),
    "distributions": Start(1.0, 0.045),
    "sensitivity": Start(1.3, 0.2),
    "collect_scan": Start(1.0, 0.0),
    "post_trial": Start(1.0, 0.045),
    "upper_limits": Start(1.35, 0.28),
    "report": Start(1.9, 0.4),
}
STEPPED_INSIDE_S = 0.2  # of trials, skies and maps: the likelihood is put up


def start(spec: Spec, task: str) -> Start:
    """Start of a process of a kind."""
    kind = STARTS.get(task)
    if kind is None:
        return Start(rates.of(spec, task).start_s, STEPPED_INSIDE_S * rates.slowness(spec))
    return Start(*(part * rates.slowness(spec) for part in kind))


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
    pixels = sum(sky.positions(spec, nside) for nside in sky.nsides(spec))
    rings = 4 * sky.main_nside(spec) or pixels
    found = {
        "prepare": _prepare_s(spec),
        "collect_bg": FILE_S * files + TRIAL_S * spec.background.n_trials,
        "collect_sig": FILE_S * files + TRIAL_S * spec.signal.n_trials * len(spec.signal.n_sig),
        "distributions": DEC_S * decs,
        "sensitivity": decs * spectra * (1 + len(spec.sensitivity.nsigmas)) * curve_s,
        "upper_limits": sky.targets(spec) * spectra * (TARGET_S + RESAMPLING_S * spec.sensitivity.n_bootstrap),
        "collect_scan": MAP_S + PIXEL_S * pixels + SKY_RING_S * rings * spec.scan.n_skies + FILE_S * files,
        "post_trial": TEST_S + SKY_S * spec.scan.n_skies,
        "report": PAGE_S + DEC_FIGURES_S * decs * spectra + PIXEL_FIGURES_S * pixels,
    }
    return found[node.task]


def _prepare_s(spec: Spec) -> float:
    if spec.data.format == "synthetic":
        return MADE_UP_S * max(1.0, rates.events(spec) / rates.REFERENCE_EVENTS)
    return SEASON_S * max(1, len(getattr(spec.data, "seasons", ())))
