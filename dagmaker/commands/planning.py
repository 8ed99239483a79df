"""Commands about cost: pilot, efficiency."""

from pathlib import Path, PurePosixPath

from dagmaker.result import Result


def pilot(
    *, spec: str, run: str | None = None, output: str = "pilot.json", pool: bool = False, limit_s: int = 300
) -> Result:
    """Run a few processes of every kind and measure them; writes what the plan cuts the work by.

    Of background and signal trials at several declinations and n_sig, of a background sky and of maps: set-up time,
    CPU time per trial or pixel, peak memory, with errors. Says where a probe was stopped or is too noisy. Then
    `resources: {pilot: pilot.json, target_hours: 2}` in the spec. Where the spec says `signal: {n_sig: goal}`, a quick
    pass finds roughly where sensitivities and discovery potentials lie, from which the grid of n_sig follows.

    Parameters
    ----------
    spec : str
        The YAML file of the analysis.
    run : str
        Folder for the pilot's own run directory; a temporary one if not given. With --pool: one that jobs see.
    output : str
        The file to write.
    pool : bool
        Run it as a small DAG on the pool and wait for it, instead of here.
    limit_s : int, s
        A probe that takes longer is stopped. On a pool: how long to wait for the DAG, in all.

    Returns
    -------
    output : str
        The file that was written.
    pilot : object
        What is in it: for every kind set-up and CPU time per trial or pixel in s, with errors, and memory in MB.

    Examples
    --------
    dagmaker pilot analysis.yaml --output=pilot.json
    """
    import tempfile

    from dagmaker.pilot import pilot as pilots
    from dagmaker.pilot import sensitivity_estimate
    from dagmaker.pilot.pool import pilot_on_pool
    from worker.base.atomic import Written, write_all
    from worker.base.errors import SpecError
    from worker.spec.specfile import load

    loaded = load(spec, for_pilot=True)
    if pool and run is None:
        raise SpecError("--pool: write --run=DIR too, a folder that jobs of the pool can see")
    measure = pilot_on_pool if pool else pilots.pilot
    with tempfile.TemporaryDirectory(prefix="dagmaker-pilot-") as folder:
        directory = Path(folder) / "run" if run is None else Path(run)
        measured = measure(loaded, directory, float(limit_s), lambda line: print(line, flush=True))
    file = Path(output).absolute()
    write_all(file.parent, [Written(PurePosixPath(file.name), pilots.text(measured).encode())])
    hint = f"{output}: written; resources.pilot: {output} in the spec uses it"
    lines = ["", *pilots.lines(measured), *sensitivity_estimate.lines(measured), "", hint]
    return Result({"output": file, "pilot": measured.model_dump(mode="json", exclude_none=True)}, lines)


def efficiency(*, run: str) -> Result:
    """Show what a run asked for and what it used, per kind of task, and the edit of the spec that would improve it.

    CPU time against what was predicted, its share of the wall time, times of single processes, memory, retries,
    machines; and the largest significances that the trials which are there support.

    Parameters
    ----------
    run : str
        The run directory.

    Returns
    -------
    name : str
    kinds : list of object
        Of each kind of task: task, processes, measured, cpu_s, wall_s, predicted_s (sums), spread_s (5th percentile,
        median, 95th of a process), memory_mb, asked_mb, repeated, hosts, slow (machines, and how much).
    edits : list of str
        What to write in the spec.
    quotable : object or null
        Significances that the trials which are there support.

    Examples
    --------
    dagmaker efficiency runs/example
    """
    from dagmaker import columns
    from dagmaker.status import efficiency as efficiencies

    usage = efficiencies.look(Path(run))
    return Result(usage.as_json(), efficiencies.lines(usage, columns.terminal_width()))
