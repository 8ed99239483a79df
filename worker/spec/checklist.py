"""The checks before unblinding, by name: what a spec may waive, what the report prints, what blocks unblinding.

Names and meanings only: the numbers are in `worker.stats`, the verdicts on a run in
`worker.blinding.unblinding_checks`.
"""

from typing import Literal, get_args

CheckName = Literal[
    "files_complete",
    "p_uniform",
    "n_sig_bias",
    "enough_background_trials",
    "enough_skies",
    "sin_dec_uniform",
    "ra_uniform",
    "smooth_map",
]

NAMES: tuple[str, ...] = get_args(CheckName)

FIGURES: dict[str, str] = {
    "files_complete": "coverage",
    "p_uniform": "check_uniform",
    "n_sig_bias": "bias",
    "enough_background_trials": "check_thresholds",
    "enough_skies": "post_trial",
    "sin_dec_uniform": "positions",
    "ra_uniform": "positions",
    "smooth_map": "check_smooth",
}
"""The figure of the report (RUN/report/figures/NAME.png) that shows what each check found."""
