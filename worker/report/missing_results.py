"""What of a run is not there yet, in sentences with the cure."""

from worker.base.errors import InputError
from worker.report.results import Results
from worker.rundir import layout, ledger

STEPS = (
    ("data", "the prepared data", "prepare"),
    ("background", "the background distributions", "distributions"),
    ("sensitivity", "sensitivity and discovery potential", "sensitivity"),
    ("scan", "the maps and the hottest spots", "collect_scan"),
    ("post_trial", "the post-trial p-value", "post_trial"),
    ("upper_limits", "the upper limits", "upper_limits"),
)
TRIALS = ("bg_trials", "sig_trials", "scan_trials", "scan_map")


def sentences(results: Results) -> list[str]:
    """Each result that is not there, the stages whose files are not all there, and how to make them."""
    tasks = {node["task"] for node in results.run.plan["nodes"]}
    out = [
        f"{what[0].upper()}{what[1:]}: not there (made by `worker {task}`)."
        for key, what, task in STEPS
        if not results.summary.get(key) and task in tasks
    ]
    if not out:
        return []
    decs = results.run.spec.background.decs
    path, places = results.run.path, results.places
    background = sum((path / layout.bg_collected(dec, places)).exists() for dec in decs)
    levels = results.run.spec.signal.levels
    signal = sum(all((path / layout.sig_collected(dec, places, level)).exists() for level in levels) for dec in decs)
    out.append(f"Collected: background trials at {background} of {len(decs)} declinations, signal trials at {signal}.")
    out += _files(results)
    out.append(
        f"To make what is missing, run the same command again: `dagmaker run` or `condor_submit_dag` on "
        f"{results.run.path}; what is there is kept."
    )
    return out


def _files(results: Results) -> list[str]:
    out = []
    for task in TRIALS:
        try:
            lost = len(ledger.missing(results.run, task))
        except InputError:
            continue
        if lost:
            out.append(
                f"{task}: {lost:,} of {sum(1 for _ in ledger.each_expected(results.run, task)):,} files missing."
            )
    return out
