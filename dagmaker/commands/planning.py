"""Commands about cost: pilot, efficiency."""

from pathlib import Path, PurePosixPath
from typing import Annotated

from dagmaker.result import Result
from worker.base.argument import Argument, Changes, Run, Spec


def pilot(
    *,
    spec: Spec,
    run: Annotated[
        str | None,
        Argument(
            "Folder for the pilot's own run directory; a temporary one if not given. With --pool: one that jobs see.",
            "runs/pilot",
        ),
    ] = None,
    set_: Changes = (),
    output: Annotated[str, Argument("The file to write.", "pilot.json")] = "pilot.json",
    pool: Annotated[bool, Argument("Run it as a small DAG on the pool and wait for it, instead of here.")] = False,
    limit_s: Annotated[
        int, Argument("Time limit of a probe; on a pool, of the whole DAG.", "300", 1, 10**6, "s")
    ] = 300,
) -> Result:
    """Run a few processes of every kind and measure them; writes the costs that the plan uses.

    Measures background and signal trials at several declinations and n_sig, a background sky and maps: set-up time,
    CPU time per trial or pixel, peak memory, with errors. Reports probes that were stopped or are too noisy. Use it
    with `resources: {pilot: pilot.json, target_hours: 2}` in the spec. If the spec has `signal: {n_sig: goal}`, rough
    sensitivities and discovery potentials are computed too, which determine the grid of n_sig.

    Returns
    -------
    output : str
        The file that was written.
    pilot : object
        Its content: for every kind set-up and CPU time per trial or pixel in s, with errors, and memory in MB.

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

    loaded = load(spec, set_, for_pilot=True)
    if pool and run is None:
        raise SpecError("--pool: write --run=DIR too, a folder that jobs of the pool can see")
    measure = pilot_on_pool if pool else pilots.pilot
    with tempfile.TemporaryDirectory(prefix="dagmaker-pilot-") as folder:
        directory = Path(folder) / "run" if run is None else Path(run)
        measured = measure(loaded, directory, float(limit_s), lambda line: print(line, flush=True))
    file = Path(output).absolute()
    write_all(file.parent, [Written(PurePosixPath(file.name), pilots.text(measured).encode())])
    hint = f"{output}: written; resources.pilot: {output} in the spec uses it"
    lines = ["", *pilots.lines(measured, loaded), *sensitivity_estimate.lines(measured), "", hint]
    return Result({"output": file, "pilot": measured.model_dump(mode="json", exclude_none=True)}, lines)


def efficiency(*, run: Run) -> Result:
    """Show requested and used resources of a run, per kind of task, and edits of the spec that would improve it.

    Measured and predicted CPU time, its share of the wall time, times of single processes, memory, retries, machines;
    and the largest significances that the existing trials support.

    Returns
    -------
    name : str
    kinds : list of object
        Of each kind of task: task, processes, measured, cpu_s, wall_s, predicted_s (sums), spread_s (5th percentile,
        median, 95th of a process), memory_mb, asked_mb, repeated, hosts, slow (machines, and how much).
    edits : list of str
        Lines for the spec.
    quotable : object or null
        Significances that the existing trials support.

    Examples
    --------
    dagmaker efficiency runs/example
    """
    from dagmaker import columns
    from dagmaker.status import efficiency as efficiencies

    usage = efficiencies.look(Path(run))
    return Result(usage.as_json(), efficiencies.lines(usage, columns.terminal_width()))
