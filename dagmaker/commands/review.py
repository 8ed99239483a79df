"""Commands for a reviewer: verify-plan, review, diff, unblind."""

from pathlib import Path

from dagmaker.result import Result


def verify_plan(*, run: str) -> Result:
    """Show that a plan is that of its spec, and that no two of its files share random numbers.

    Makes every file of the plan again from the frozen spec and compares bytes. Random streams: keys are all different,
    and the intervals of trials that files hold do not overlap. Looks at no result. Exit code 1 where anything differs.

    Parameters
    ----------
    run : str
        The run directory.

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


def review(*, run: str, sample: int = 3, jobs: int = 1, fresh: bool = False, out: str | None = None) -> Result:
    """Compare everything in a run directory with what it should be, and write a certificate.

    The plan and all its files, made again from the spec. Every sha256. A sample of trials replayed bit by bit, those
    with the largest TS, and all that decide a p-value or a threshold. All results and the post-trial p-value, made
    again from all trials. Every number of summary.json, every text and picture of the report. Files that nothing knows.
    Waivers, allowed holes, changed versions. Needs the run directory alone: raw data, if they are here, are compared
    with the prepared ones. The real sky is scanned only where the log of openings holds the token of this run.

    Writes certificate.md, .html and .json; ends with "reproduced", "reproduced, but" (exit code 0) or "not reproduced"
    (1). Prints the token for `dagmaker unblind` where nothing speaks against it.

    Parameters
    ----------
    run : str
        The run directory.
    sample : int
        Files of trials of each kind that are made again, chosen anew by chance each time.
    jobs : int
        Processes, one core each.
    fresh : bool
        In a new virtual environment, into which pip installs this version: needs a network.
    out : str
        Where the certificate goes: DIR/review where not given.

    Returns
    -------
    outcome : str
        reproduced; reproduced, but; not reproduced.
    name, run, spec_digest, reviewed_at, reviewer, environment : str
        What was reviewed, when (UTC), by whom, and where the program came from.
    sample : int
        As asked for.
    wall_s : float, s
    lines : list of {verdict, what, found}
        verdict: same, note, fault.
    token, no_token : str
        For unblinding, or why there is none; the other one is empty.
    real_sky_log : {lines, sha256}
        Lines of openings/log.jsonl, and sha256 of the last one.
    files : list of str
        The certificate.

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


def unblind(*, run: str, token: str | None = None, spec: str | None = None, jobs: int = 1) -> Result:
    """Open the real sky, once: maps, hottest spots and the post-trial p-value, into DIR/unblinded/.

    Needs the token that `dagmaker review` prints for the run as it is now: it is bound to the spec, to the background
    set and to the checks. The token must stand in the spec's section unblind too, with who approved it, when and why.
    A second time everything is made again and compared; nothing is overwritten. Every attempt is recorded in
    DIR/openings/log.jsonl. Exit code 4, with the reason, where something is lacking or has changed.

    Parameters
    ----------
    run : str
        The run directory.
    token : str
        As printed by `dagmaker review`.
    spec : str
        Your spec with the approval, which may differ from that of the run in nothing else; not needed where it was
        built into the run again (`dagmaker build SPEC --run=DIR`).
    jobs : int
        Processes that scan, one core each.

    Returns
    -------
    first : bool
        Whether this opened it; else it was made again, and is the same.
    sky, label : str
        What was scanned, and of which data.
    hottest, regions : object
        Hottest spot (ra, dec in rad, ra_deg, dec_deg, ts, ns, gamma, mlog10p), of the whole sky and of each region.
    post_trial, post_trial_regions : object
        p with its interval lo to hi, k of n background skies, and the parametrised p.
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


def diff(*, a: str, b: str) -> Result:
    """Show what changed between two specs or runs, in words, and which work it invalidates.

    Per kind of task: files that serve both, files to make, files that are no longer used. Exit code 0.

    Parameters
    ----------
    a, b : str
        YAML files, or run directories.

    Returns
    -------
    changes : list of {key, before, after, effect}
    work : list of {task, kept, new, dropped}
        Files that serve both, that are new, and that are no longer used.
    refused : list of str
        Keys for which `dagmaker build` will not put the second into a run of the first.
    notes : list of str

    Examples
    --------
    dagmaker diff runs/example analysis.yaml
    """
    from dagmaker.review import diff as differences

    difference = differences.diff(Path(a), Path(b))
    return Result(difference.as_json(), differences.text(difference))
