"""The tasks of a plan: arguments, units and meaning. Heavy modules are imported when a task is called."""

from collections.abc import Callable

from worker.tasks.table import results, trials
from worker.tasks.table.results import Answer

TASKS: dict[str, Callable[..., Answer | None]] = {
    task.__name__: task
    for task in (
        trials.prepare, trials.bg_trials, trials.tail_pilot, trials.tail_trials, trials.sig_trials, trials.scan_trials,
        trials.patch_trials, trials.scan_map, results.reach, results.judge, results.collect_bg, results.collect_sig,
        results.distributions, results.sensitivity, results.collect_scan, results.post_trial, results.upper_limits,
    )
}  # fmt: skip
