"""What goes first when several things could: the critical path; the background skies fill what is left."""

PRIORITY = {
    "prepare": 100,
    "distributions": 90,
    "collect_scan": 90,
    "sensitivity": 80,
    "post_trial": 80,
    "report": 80,
    "collect_bg": 70,
    "collect_sig": 60,
    "bg_trials": 50,
    "sig_trials": 40,
    "scan_map": 30,
    "scan_trials": 20,
}
