"""dagmaker's commands on a run directory: submit, status, repair, abort. Imported when they are called."""

import json as codec
from pathlib import Path


def submit(*, run: str, repair: bool = False) -> int:
    """Check a run directory and give its DAG to HTCondor, as `condor_submit_dag DIR/analysis.dag` would.

    Prints the cluster of the DAG and what to do next. Exit code 3 where no schedd answers or a file is missing or
    wrong, 4 where the directory is at work already. After a failure or `dagmaker abort` the same command goes on:
    finished nodes are not run again (DAGMan's rescue file), finished processes end at once.

    Parameters
    ----------
    run : str
        The run directory, as made by `dagmaker build`.
    repair : bool
        Submit DIR/repair.dag, as written by `dagmaker repair`, instead of DIR/analysis.dag.

    Examples
    --------
    dagmaker submit runs/example
    """
    from dagmaker import dagjob
    from dagmaker import submit as submission
    from worker import layout

    print("\n".join(submission.submit(Path(run), dagjob.REPAIR if repair else str(layout.DAG))))
    return 0


def status(*, run: str, watch: bool = False, json: bool = False, html: bool = False) -> int:
    """Show how far a run is and what went wrong: from its files, and from the schedd where one answers.

    Per stage: processes done, running, idle, held, failed and missing, trials per second and time left
    (hours:minutes:seconds). Then what failed or is held, grouped by cause, with the last lines of its standard error
    and the change to make. The schedd is asked for at most 5 s; without it everything else is still shown.

    Parameters
    ----------
    run : str
        The run directory.
    watch : bool
        Show it again every few seconds until the run has ended; Ctrl-C leaves, the run goes on.
    json : bool
        Print JSON, for programs (times in s, rates per s).
    html : bool
        Write DIR/status.html instead: progress, throughput over time, failures by cause; with --watch every 30 s, and
        the page loads itself again.

    Examples
    --------
    dagmaker status runs/example --watch
    """
    from dagmaker import schedd, status_text, watching
    from dagmaker import status as states

    if html:
        from dagmaker import status_page

        return status_page.follow(Path(run), once=not watch)
    if watch:
        return watching.watch(Path(run), as_json=json)
    found = states.look(Path(run))
    if json:
        print(codec.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(status_text.lines(found, schedd.ask(Path(run)) if found.dags else None)))
    return 0


def repair(*, run: str, jobs: int = 0) -> int:
    """Find every output that is missing or corrupt, and write DIR/repair.dag, which makes only these again.

    Every file that the plan promises is loaded and compared with the sha256 of its record. Corrupt files are removed.
    The DAG has only the missing processes and what is made from them, whatever DAGMan's rescue files say. Nothing
    missing: says so, exit code 0. Exit code 4 while a DAG of this directory is in the queue.

    Parameters
    ----------
    run : str
        The run directory.
    jobs : int
        Processes that read files, one core each; 0 for as many as there are cores (at most 8).

    Examples
    --------
    dagmaker repair runs/example
    """
    from dagmaker import repair as repairs

    print("\n".join(repairs.repair(Path(run), jobs)))
    return 0


def abort(*, run: str, timeout: int = 300) -> int:
    """Remove the DAG of a run directory from the queue, and wait until its processes are gone.

    What is finished stays, and `dagmaker submit DIR` goes on from there. Nothing in the queue: says so, exit code 0.

    Parameters
    ----------
    run : str
        The run directory.
    timeout : int, s
        How long to wait for the end of its processes; exit code 85 if some are left then.

    Examples
    --------
    dagmaker abort runs/example
    """
    from dagmaker import abort as removal

    for line in removal.abort(Path(run), float(timeout)):
        print(line, flush=True)
    return 0


__all__ = ["abort", "repair", "status", "submit"]
