"""What goes first when several things could: the critical path; the background skies fill what is left."""

# In the order of the work, which tables keep.
PRIORITY = {
    "prepare": 100,
    "bg_trials": 50,
    "sig_trials": 40,
    "scan_trials": 20,
    "scan_map": 30,
    "judge": 90,
    "collect_bg": 70,
    "collect_sig": 60,
    "distributions": 90,
    "sensitivity": 80,
    "collect_scan": 90,
    "post_trial": 80,
    "upper_limits": 80,
    "report": 80,
}
