"""Names of the checks before unblinding; their statistics are in `worker.stats.checks`."""

from typing import Literal, get_args

CheckName = Literal[
    "files_complete",
    "p_uniform",
    "n_sig_bias",
    "enough_background_trials",
    "tail_weights",
    "tail_agrees",
    "tail_covers",
    "enough_skies",
    "n_eff_bands",
    "pixel_sum",
    "ra_uniform",
    "smooth_map",
]

NAMES: tuple[str, ...] = get_args(CheckName)

FIGURES: dict[str, str] = {
    "files_complete": "coverage",
    "p_uniform": "check_uniform",
    "n_sig_bias": "bias",
    "enough_background_trials": "check_thresholds",
    "tail_weights": "check_tail",
    "tail_agrees": "survival",
    "tail_covers": "check_tail",
    "enough_skies": "post_trial",
    "n_eff_bands": "check_n_eff",
    "pixel_sum": "check_pixel_sum",
    "ra_uniform": "positions",
    "smooth_map": "check_smooth",
}
"""Figure of the report (RUN/report/figures/NAME.png) that shows each check."""
