"""The tasks of a plan by name, and what each needs."""

NEEDS: dict[str, tuple[str, ...]] = {
    "prepare": (),
    "bg_trials": ("dec",),
    "sig_trials": ("dec", "n_sig"),
    "scan_trials": (),
    "scan_map": (),
    "judge": ("round",),
    "collect_bg": ("dec",),
    "collect_sig": ("dec",),
    "distributions": (),
    "sensitivity": (),
    "collect_scan": (),
    "post_trial": (),
    "upper_limits": (),
    "report": (),
}
"""Tasks that a plan may have, each with the arguments that every node of it has."""
STREAMS = ("bg_trials", "sig_trials", "scan_trials")  # cut into pieces
MANY = (*STREAMS, "scan_map")  # several files, whose names follow from cuts and bands
