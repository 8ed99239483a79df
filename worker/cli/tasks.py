"""All tasks of the command line: those of a plan, and those of reports, reviews and unblinding."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from worker.base.argument import Argument, Jobs, Run, Spec, Token
from worker.base.bounds import MAX_TRIALS
from worker.base.errors import SpecError
from worker.base.startup import light_import
from worker.tasks import table
from worker.tasks.table.results import Answer


def report(
    *,
    run: Run,
    dag_status: Annotated[
        int | None, Argument("DAGMan's $DAG_STATUS (0 for success), where a DAG calls this as its FINAL node.", "0")
    ] = None,
    failed_count: Annotated[
        int | None, Argument("DAGMan's $FAILED_COUNT: how many nodes failed.", "0", 0, 10**9)
    ] = None,
) -> None:
    """Write figures and RUN/report/index.html from whatever results there are.

    Examples
    --------
    worker report --run=runs/example
    """
    with light_import():
        from worker.report.produce import report as task
    task(Path(run), dag_status=dag_status, failed_count=failed_count)


def verify(*, run: Run, jobs: Jobs = 1) -> Answer:
    """Load every file that the plan promises and compare it with its record: what `dagmaker repair` rests on.

    Prints one JSON object per line for each file that is absent, corrupt, foreign (of another analysis) or stale (made
    from other files than those that are there): node, position, path, state, why. The last line counts: checked,
    faults. Exit code 0 whatever is found; removes and changes nothing.

    Examples
    --------
    worker verify --run=runs/example --jobs=2
    """
    with light_import():
        from worker.review.verify import verify as task
    return task(Path(run), jobs=jobs)


def data_summary(
    *,
    run: Annotated[str | None, Argument("The run directory.", "runs/example")] = None,
    spec: Annotated[str | None, Argument("The YAML file of the analysis, with --output.", "analysis.yaml")] = None,
    output: Annotated[str | None, Argument("Folder to write to; made if it is not there.", "DIR")] = None,
) -> Answer:
    """One page about the data: counts, cleaning, rate against sin(dec), energies, angular errors, livetime, response.

    Either of a run whose data are prepared: writes RUN/report/data.html (pictures included), .txt and .json, as
    `worker report` does too. Or of the files that a spec describes, before anything is built: writes the same to DIR.
    Right ascensions and times are neither shown nor summarised.

    Examples
    --------
    worker data_summary --run=runs/example
    worker data_summary --spec=analysis.yaml --output=about_the_data
    """
    if run is not None and spec is None and output is None:
        with light_import():
            from worker.report.data_summary import of_run
        return of_run(Path(run))
    if run is None and spec is not None and output is not None:
        with light_import():
            from worker.report.data_summary import of_spec
        return of_spec(Path(spec), output=Path(output))
    raise SpecError(
        "write either --run=RUN, or both --spec=SPEC and --output=DIR; e.g. --spec=analysis.yaml --output=about"
    )


def take_over(*, run: Run, old: Annotated[str, Argument("The other run directory.", "runs/old")]) -> Answer:
    """Take over files of trials of another run that hold for this one: what `dagmaker build --from` rests on.

    Files are linked, or copied. They hold if data, likelihood, engine, seed, signal and address are the same; names of
    folders may differ. Prints the number of files of each task.

    Examples
    --------
    worker take_over --run=runs/new --old=runs/old
    """
    with light_import():
        from worker.tasks.take_over import take_over as task
    return task(Path(run), Path(old))


def check_engine(*, spec: Spec) -> Answer:
    """Load the engine of a spec, and try its determinism: what `dagmaker check --engine` rests on.

    Prints one JSON object per line: verdict (same, note, fault), what, found. The same keys are given again, to another
    process, cut, one by one, and in another order. Exit code 2 if something differs that the plug-in says is the same.

    Examples
    --------
    worker check_engine --spec=analysis.yaml
    """
    with light_import():
        from worker.tasks.engine_check import check_engine as task
    return task(Path(spec))


def streams(*, run: Run) -> Answer:
    """Show that no two files of the plan share random numbers: what `dagmaker verify-plan` rests on.

    Prints one JSON object: keys, files, trials, faults. Exit code 0 whatever is found; reads the plan and nothing else.

    Examples
    --------
    worker streams --run=runs/example
    """
    with light_import():
        from worker.review.streams import streams as task
    return task(Path(run))


def rounds(*, run: Run) -> Answer:
    """Decide every round of an adaptive analysis again, and compare: what `dagmaker verify-plan` rests on.

    Prints one JSON object: rounds, faults. Exit code 0 whatever is found; changes nothing.

    Examples
    --------
    worker rounds --run=runs/example
    """
    with light_import():
        from worker.tasks.adaptive_round import rounds as task
    return task(Path(run))


def replay(
    *,
    run: Run,
    file: Annotated[
        str,
        Argument(
            "A file of trials, skies or a map band, by its path in the run directory.",
            "trials/NAME/bg/dec/+005/trials__N_001000_seed_0000.npy",
        ),
    ],
    trial: Annotated[
        int | None, Argument("Number of the trial (or sky) in the file, from 0.", "0", 0, MAX_TRIALS)
    ] = None,
) -> Answer:
    """Make one file of trials again, or one trial of it, and compare bits; exit code 3 where one differs.

    With --trial: that trial is run alone and looked into: the events that decide it, the fit against brute force, and
    a picture of the likelihood over ns and gamma, RUN/replay/*.png.

    Examples
    --------
    worker replay --run=runs/example --file=trials/NAME/bg/dec/+005/trials__N_005000_seed_0000.npy --trial=17
    """
    with light_import():
        from worker.review.replay import replay as task
    return task(Path(run), file=file, trial=trial)


def audit(
    *,
    run: Run,
    sample: Annotated[
        int,
        Argument(
            "Files of trials of each kind that are made again, chosen by chance, besides those with the "
            "largest TS and the rows that decide a result.",
            "3",
            0,
            10**6,
            "files",
        ),
    ] = 3,
    jobs: Jobs = 1,
) -> Answer:
    """Compare everything in a run with what it should be: what `dagmaker review` rests on.

    Prints one JSON object per line for each comparison: verdict (same, note, fault), what, found. The last line has the
    token for unblinding, or why there is none. Exit code 0 whatever is found. Changes nothing in the run directory, but
    that a scan of the real sky, which only a run that was opened with its token gets, adds a line to the log.

    Examples
    --------
    worker audit --run=runs/example --sample=3 --jobs=2
    """
    with light_import():
        from worker.review.audit import audit as task
    return task(Path(run), sample=sample, jobs=jobs)


def unblind(
    *,
    run: Run,
    token: Token = None,
    spec: Annotated[
        str | None,
        Argument(
            "A spec with the approval in its section ``unblind``; the frozen spec of the run where none is given.",
            "analysis.yaml",
        ),
    ] = None,
    jobs: Jobs = 1,
) -> Answer:
    """Open the real sky, once: maps, hottest spots and the post-trial p-value, into RUN/unblinded/.

    Refused (exit code 4) without the token that `dagmaker review` printed for the run as it is now, which must stand in
    the spec too, with who approved it, when and why. A second time everything is made again and compared; nothing is
    overwritten. Every attempt is kept in RUN/openings/log.jsonl.

    Examples
    --------
    worker unblind --run=runs/example --token=TOKEN --spec=analysis.yaml
    """
    with light_import():
        from worker.blinding.unblind import unblind as task
        from worker.report.produce import report as write_report
    opened = task(Path(run), token=token, spec=spec, jobs=jobs)
    if opened["first"]:
        write_report(Path(run), None, None)
    return opened


def serve() -> None:
    """Run tasks one after another, as told on standard input: for the local runner.

    Reads one JSON list of arguments per line, such as ["bg_trials", "--run=RUN", "--dec=5", "--n=1000"], and
    answers each with one line {"rc": int, "out": str, "err": str, "wall_s": float, "cpu_s": float}. Ends with its
    input.

    Examples
    --------
    echo '["prepare", "--run=runs/example"]' | worker serve
    """
    raise SpecError("serve is no task of a server: type `worker serve` in a shell")  # `worker.cli.main` serves


TASKS: dict[str, Callable[..., Answer | None]] = table.TASKS | {
    task.__name__: task
    for task in (report, verify, take_over, data_summary, check_engine, streams, rounds, replay, audit, unblind, serve)
}
