"""Commands on a run directory: submit, status, repair, restore, abort, round."""

from pathlib import Path
from typing import Annotated

from dagmaker.result import Result
from worker.base.argument import Argument, Round, Run


def submit(
    *,
    run: Run,
    repair: Annotated[
        bool, Argument("Submit DIR/repair.dag, as written by `dagmaker repair`, instead of DIR/analysis.dag.")
    ] = False,
) -> Result:
    """Check a run directory and give its DAG to HTCondor, as `condor_submit_dag DIR/analysis.dag` would.

    Prints the cluster of the DAG and the next command; "complete" if every output exists. Exit code 3 if no schedd
    answers or a file is missing or wrong, 4 if a command or DAG already works in the directory. After a failure or
    `dagmaker abort` the same command continues: finished nodes are skipped (DAGMan's rescue file), finished processes
    end at once.

    Returns
    -------
    run, dag : str
        The directory, and the file that was submitted.
    cluster : int or null
        DAGMan's cluster; null if the run is complete and nothing was submitted.
    notes : list of str

    Examples
    --------
    dagmaker submit runs/example
    """
    from dagmaker.htcondor import dagjob
    from dagmaker.htcondor import submit as submission
    from worker.rundir import layout

    submitted = submission.submit(Path(run), dagjob.REPAIR if repair else str(layout.DAG))
    return Result(submitted._asdict(), submitted.lines())


def status(
    *,
    run: Run,
    watch: Annotated[
        bool, Argument("Repeat every few seconds until the run has ended; Ctrl-C does not stop the run.")
    ] = False,
    html: Annotated[
        bool,
        Argument("Write DIR/status.html instead: progress, throughput, failures by cause; with --watch every 30 s."),
    ] = False,
) -> Result:
    """Show progress and failures of a run: from its files, and from the schedd if one answers.

    Per stage: processes done, running, idle, held, failed and missing, trials per second and time left
    (hours:minutes:seconds). Then failed and held processes grouped by cause, with the last lines of standard error and
    the change to make; at last the next command. A query of the schedd takes at most 5 s.

    Returns
    -------
    name, run : str
        The analysis, and its directory.
    complete, active : bool
        Whether all outputs exist; whether a DAG is in the queue according to its files.
    stages : list of object
        Of each kind of task: task, total, done (processes), trials, trials_done, missing (the first nodes that are not
        complete), running, idle, held, failed, repeated, per_second (trials, or processes), left_s, longest (of those
        that run: id, host, run_s, median_s of its stage, late, hangs).
    dags : list of {file, cluster, state, submitted, since, code, reason, rescue, host}
        Last submissions; state: idle, running, held, done, failed, removed, lost (no queue has it).
    causes : list of {kind, task, count, what, said, file, by_hand, cure, ids, code, hold}
        Failed and held processes; kind: failed, held, removed (while held), gone (removed), lost (success without
        output), node (DAGMan could not run it), host.
    last_event, dag_error : str
        Time of HTCondor's newest event; DAGMan's last error message.
    waiting : int
        Number of nodes that wait for others.
    quiet_s : float or null, s
        Time since HTCondor's newest event, if a DAG is in the queue.
    fault : str
        Why the run is not complete although all outputs exist: an edited spec, results of an earlier one; else empty.
    here : bool
        Whether `dagmaker run` works in the directory and no DAG is in the queue.
    next : str
        The next command, quoted for the shell; empty if the run is complete.
    page : str, optional
        The page that --html wrote.

    Examples
    --------
    dagmaker status runs/example --watch
    """
    from dagmaker.status import status as states
    from dagmaker.status import watching

    if html:
        from dagmaker.status import status_page

        status_page.follow(Path(run), once=not watch)
        return Result({**states.look(Path(run)).as_json(), "page": Path(run).absolute() / status_page.FILE})
    if watch:
        return Result(watching.watch(Path(run)).as_json())
    from dagmaker import columns
    from dagmaker.htcondor import schedd
    from dagmaker.status import status_text

    watcher = states.Watcher(Path(run))
    answer = schedd.ask(Path(run)) if watcher.on_pool() else None
    current = watcher.look(answer)
    return Result(current.as_json(), status_text.lines(current, answer, columns.terminal_width()))


def repair(
    *,
    run: Run,
    jobs: Annotated[
        int,
        Argument(
            "Processes that read files, one core each; 0: as many as there are cores, at most 8.",
            "2",
            0,
            4096,
            "processes",
        ),
    ] = 0,
    set_aside: Annotated[
        bool,
        Argument(
            "Move files of another analysis, and folders and files at the path of an output or its folder, to"
            " DIR/set_aside. Without it they are listed, and nothing is changed (exit code 3)."
        ),
    ] = False,
) -> Result:
    """Find every output that is missing or corrupt, and write DIR/repair.dag, which makes only these again.

    Every file of the plan is loaded and compared with the sha256 of its record. Corrupt files are removed. The DAG has
    the missing processes and those that depend on them, independent of DAGMan's rescue files. Exit code 0 also if
    nothing is missing, 4 while a DAG of this directory is in the queue.

    Returns
    -------
    run : str
        The directory.
    checked : int
        Files that were loaded and compared.
    faults : list of {node, position, path, state, why}
        state: absent, corrupt (and removed), stale (and removed), foreign (and moved).
    dag : str or null
        The DAG; null if nothing is missing, or DAGMan cannot use the path.
    processes : int
        Processes of the DAG.
    nodes : object
        Positions of the processes to run, by node.
    moved : list of str
        Paths that --set_aside moved.

    Examples
    --------
    dagmaker repair runs/example
    """
    from dagmaker.htcondor import repair as repairs

    repaired = repairs.repair(Path(run), jobs, set_aside)
    return Result(repaired.as_json(), repaired.lines())


def restore(*, run: Run) -> Result:
    """Restore the frozen spec of a run directory as it was built, and every other file that `dagmaker build` wrote.

    Every process refuses a run whose DIR/analysis.yaml was edited, since finished files belong to the original spec.
    The edited file is kept as DIR/analysis.edited.yaml.

    Returns
    -------
    run : str
        The directory.
    files : list of str
        Files that were written again.
    kept : str
        New path of the edited spec; empty if it was not edited.

    Examples
    --------
    dagmaker restore runs/example
    """
    from dagmaker.htcondor import restore as restoring

    restored = restoring.restore(Path(run))
    return Result(restored._asdict(), restored.lines())


def abort(
    *,
    run: Run,
    timeout: Annotated[
        int, Argument("Time limit for the end of its processes; exit code 85 if some are left.", "300", 0, 10**6, "s")
    ] = 300,
) -> Result:
    """Remove the DAG of a run directory from the queue, and wait until its processes are gone.

    Finished files stay, and `dagmaker submit DIR` continues. Exit code 0 also if nothing is in the queue.

    Returns
    -------
    run : str
        The directory.
    removed : list of {dag, cluster, processes}
        DAGs that were in the queue.

    Examples
    --------
    dagmaker abort runs/example
    """
    from dagmaker.htcondor import abort as removal

    removed = removal.abort(Path(run), float(timeout), lambda line: print(line, flush=True))
    return Result({"run": str(Path(run).absolute()), "removed": [dag._asdict() for dag in removed]})


def round(*, run: Run, round: Round) -> Result:  # noqa: A001, A002 (names of the command and of its flag)
    """Write processes and DAG of a round from the judge's decision; DAGMan calls this by itself.

    Writes DIR/rounds/round_1.plan.json, and lists of processes and DIR/rounds/round_1.dag if the round adds trials.
    The same decision gives the same bytes.

    Returns
    -------
    round, nodes, trials : int
        Number of the round, and what it adds.

    Examples
    --------
    dagmaker round runs/example --round=1
    """
    from dagmaker.htcondor import rounds
    from worker.rundir import layout
    from worker.spec import specfile

    directory = Path(run).absolute()
    rounds.read_plan(directory)
    nodes = rounds.write_round(specfile.load_resolved(directory / layout.SPEC), directory, round)
    n = sum(node.n_trials for node in nodes)
    document = {"round": round, "nodes": len(nodes), "trials": n}
    return Result(document, [f"round {round}: {n:,} trials in {len(nodes):,} nodes"])
