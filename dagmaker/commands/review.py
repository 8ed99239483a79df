"""Commands for a reviewer: verify-plan, review, diff, unblind."""

from pathlib import Path
from typing import Annotated

from dagmaker.result import Result
from worker.base.argument import Argument, Jobs, Run, Token


def verify_plan(*, run: Run) -> Result:
    """Check that a plan follows from its spec, and that no two of its files share random numbers.

    Makes every file of the plan again from the frozen spec and compares bytes. Random streams: all keys are different,
    and the trial intervals of files do not overlap. Reads no result. Exit code 1 if anything differs.

    Returns
    -------
    outcome : str
        same, or differs.
    lines : list of {verdict, what, found}
        verdict: same, note, fault.

    Examples
    --------
    dagmaker verify-plan runs/example
    """
    from dagmaker.review import verdict
    from dagmaker.review import verify_plan as verification

    lines = []
    for line in verification.verify_plan(Path(run)):
        lines.append(line)
        print(*verdict.text([line]), sep="\n", flush=True)
    differs = bool(verdict.faults(lines))
    document = {"outcome": "differs" if differs else "same", "lines": [line._asdict() for line in lines]}
    return Result(document, code=int(differs))


def review(
    *,
    run: Run,
    sample: Annotated[
        int,
        Argument(
            "Files of trials of each kind that are made again, chosen at random each time.", "3", 0, 10**6, "files"
        ),
    ] = 3,
    jobs: Jobs = 1,
    fresh: Annotated[
        bool, Argument("Use a new virtual environment, into which pip installs this version; needs a network.")
    ] = False,
    out: Annotated[str | None, Argument("Folder of the certificate; default DIR/review.", "DIR")] = None,
) -> Result:
    """Verify everything in a run directory, and write a certificate.

    Makes again and compares: the plan and its files; a sample of trials, those with the largest TS and those that
    decide a p-value or threshold, bit by bit; all results and the post-trial p-value; summary.json and the report.
    Checks every sha256, and lists unknown files, waivers, allowed holes and changed versions. Needs only the run
    directory; raw data, if present, are compared with the prepared ones. The real sky is scanned only if the log of
    openings has the token of this run.

    Writes certificate.md, .html and .json; ends with "reproduced", "reproduced, but" (exit code 0) or "not reproduced"
    (1). Prints the token for `dagmaker unblind` if all checks pass.

    Returns
    -------
    outcome : str
        reproduced; reproduced, but; not reproduced.
    name, run, spec_digest, reviewed_at, reviewer, environment : str
        What was reviewed, when (UTC), by whom, and with which installation.
    sample : int
        As given.
    wall_s : float, s
    lines : list of {verdict, what, found}
        verdict: same, note, fault.
    token, no_token : str
        Token for unblinding, or the reason why there is none; the other one is empty.
    real_sky_log : {lines, sha256}
        Lines of openings/log.jsonl, and sha256 of the last one.
    files : list of str
        Files of the certificate.

    Examples
    --------
    dagmaker review runs/example --sample=5 --jobs=2
    """
    from dagmaker.review import fresh as environments
    from dagmaker.review import review as reviews
    from dagmaker.review import verdict

    reviews.writable(Path(run), out)
    if fresh:
        flags = [f"--sample={sample}", f"--jobs={jobs}", *([f"--out={Path(out).absolute()}"] if out else [])]
        with environments.environment() as (python, environment_text):
            code, answer = environments.review(python, environment_text, [str(Path(run).absolute()), *flags])
        return Result(answer, reviews.summary_lines(answer), code)
    reviewed = reviews.review(Path(run), sample, jobs, lambda line: print(*verdict.text([line]), flush=True))
    files = reviews.write(Path(run), reviewed, out)
    answer = {**reviewed.as_json(), "files": files}
    return Result(answer, reviews.summary_lines(answer), 1 if verdict.faults(reviewed.lines) else 0)


def unblind(
    *,
    run: Run,
    token: Token = None,
    spec: Annotated[
        str | None,
        Argument(
            "Your spec with the approval, otherwise equal to that of the run; not needed after another "
            "`dagmaker build SPEC --run=DIR` with it.",
            "analysis.yaml",
        ),
    ] = None,
    jobs: Jobs = 1,
) -> Result:
    """Open the real sky, once: maps, hottest spots and the post-trial p-value, into DIR/unblinded/.

    Needs the token that `dagmaker review` prints for the present run: it depends on spec, background set and checks.
    The spec's section unblind must have the token too, with who approved it, when and why. A second call makes
    everything again and compares; nothing is overwritten. Every attempt is recorded in DIR/openings/log.jsonl. Exit
    code 4, with the reason, if something is missing or has changed.

    Returns
    -------
    first : bool
        Whether this call opened the sky; else it was made again, with the same result.
    sky, label : str
        What was scanned, and of which data.
    hottest, regions : object
        Hottest spot (ra, dec in rad, ra_deg, dec_deg, ts, ns, gamma, mlog10p), of the whole sky and of each region.
    post_trial, post_trial_regions : object
        p with its interval lo to hi, k of n background skies, and the parametrised p.
    better_hemisphere : object
        Region with the smaller post-trial p, and this p corrected for the choice (p_of_two); null without two regions.
    upper_limits, made_from : object
        Limits of the hottest spots or sources; sha256 of the files that it rests on, by path.
    nside, map_nside, maps : optional
        Of a map.
    kind, n_sources, sources, binomial : optional
        Of a list of sources.

    Examples
    --------
    dagmaker unblind runs/example --token=TOKEN --spec=analysis.yaml
    """
    from dagmaker.review import unblind as unblinding

    answer = unblinding.unblind(Path(run), token, spec, jobs)
    return Result(answer["result"], answer["printed"])


def diff(
    *,
    a: Annotated[str, Argument("YAML file or run directory.", "runs/example")],
    b: Annotated[str, Argument("YAML file or run directory that it is compared with.", "analysis.yaml")],
    html: Annotated[
        str | None,
        Argument("Write a page with all numbers and the figures of both runs side by side to this file.", "diff.html"),
    ] = None,
) -> Result:
    """Show what changed between two specs or runs, and which work it invalidates; exit code 0.

    Of two runs with results, their numbers are compared too, with pulls: the difference over both errors.

    Returns
    -------
    changes : list of {key, before, after, effect}
    work : list of {task, kept, new, dropped}
        Files that are valid for both, new files, and files that are no longer used.
    refused : list of str
        Changed keys for which `dagmaker build` needs a new run directory.
    notes : list of str
    results : list of {quantity, at, before, after, before_error, after_error, pull} or null
        Numbers of both runs, the largest pulls first; null unless both have results.

    Examples
    --------
    dagmaker diff runs/example runs/other --html=diff.html
    """
    from dagmaker import columns
    from dagmaker.review import compared_results
    from dagmaker.review import diff as differences

    difference = differences.diff(Path(a), Path(b))
    lines = [*differences.text(difference, columns.terminal_width())]
    if html is not None:
        compared_results.write_page(Path(html), (Path(a), Path(b)), difference.results, difference.changes)
        lines.append(f"-> {html}")
    return Result(difference.as_json(), lines)
