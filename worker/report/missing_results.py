"""Sentences on missing results, with the commands that make them."""

from worker.base.errors import InputError
from worker.base.task_rows import ROWS, multi_file_tasks
from worker.report.results import Results
from worker.rundir import layout, ledger


def sentences(results: Results) -> list[str]:
    """One sentence per missing result and per stage with missing files, and how to make them."""
    tasks = {node["task"] for node in results.run.plan["nodes"]}
    out = [
        f"{row.makes[0].upper()}{row.makes[1:]}: not there (made by `worker {task}`)."
        for task, row in ROWS.items()
        if row.result and not results.summary.get(row.result) and task in tasks
    ]
    if not out:
        return []
    path, points, levels = results.run.path, results.run.spec.all_points, results.run.spec.signal.levels
    background = sum((path / layout.bg_collected(at)).exists() for at in points)
    injected = results.run.spec.signal_points
    signal = sum(all((path / layout.sig_collected(at, level)).exists() for level in levels) for at in injected)
    out.append(
        f"Collected: background trials at {background} of {len(points)} points, signal trials at {signal} of "
        f"{len(injected)}."
    )
    out += _files(results)
    out.append(
        f"To make what is missing, run the same command again: `dagmaker run` or `condor_submit_dag` on "
        f"{results.run.path}; what is there is kept."
    )
    return out


def _files(results: Results) -> list[str]:
    out = []
    for task in multi_file_tasks():
        try:
            n_missing = len(ledger.missing(results.run, task))
        except InputError:
            continue
        if n_missing:
            out.append(
                f"{task}: {n_missing:,} of {sum(1 for _ in ledger.each_expected(results.run, task)):,} files missing."
            )
    return out
