"""A spec becomes a run directory: everything that DAGMan or the local runner needs, from the spec alone.

The same spec and version give the same bytes. A directory holds one analysis; more trials or another site are the
same analysis, another seed or likelihood is not.
"""

from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dagmaker import lock
from dagmaker.htcondor import build_record, dagjob, htcondor_version, queued, render, restore, rounds
from dagmaker.plan import plan, sites
from dagmaker.plan.plan import Plan
from worker.base import shell
from worker.base.atomic import Written, reason, write_all
from worker.base.errors import InputError, RefusedError, SpecError
from worker.base.reading import file_bytes
from worker.rundir import layout
from worker.spec import effects, specfile
from worker.spec.sections import Spec


class Built(NamedTuple):
    """What `build` made.

    Attributes
    ----------
    run : Path
        Absolute.
    changed, same : int
        Files written, and files that already were as they should be.
    notes : tuple of str
        What was left out for this pool.
    """

    run: Path
    spec: Spec
    plan: Plan
    changed: int
    same: int
    notes: tuple[str, ...] = ()


def identity(spec: Spec) -> dict[str, object]:
    """What every trial depends on: changing one of these makes another analysis."""
    gammas = spec.signal.gammas if len(spec.signal.gammas) == 1 else "several"  # named in the tree
    return {key: attrgetter(key)(spec) for key in effects.identity()} | {"signal.gamma": gammas}


def refuse_foreign(run: Path, spec: Spec) -> None:
    """Raise if the directory holds something else, unless its plan was made for this very spec.

    Raises
    ------
    RefusedError
        Another analysis, or files of unknown origin.
    """
    frozen, planned = run / layout.SPEC, restore.planned_digest(run)
    if planned == specfile.text_digest(specfile.resolved_text(spec)):
        return
    again = f"`{shell.dagmaker('restore', run)}` puts it back as it was built"
    if not frozen.exists() and (planned or (run / layout.BUILD).exists()):
        raise RefusedError(f"{frozen}: this file is missing; {again}, and so does a build with the same spec as then")
    if not frozen.exists():
        found = sorted(path.name for path in run.iterdir() if not path.name.startswith("."))
        if found:
            raise RefusedError(
                f"{run}: holds {found[0]}{' and more' if len(found) > 1 else ''}, but no {layout.SPEC}: "
                "it is not a run directory; use a new or an empty directory"
            )
        return
    built = specfile.loads_resolved(restore.frozen_text(run), str(frozen))
    old, new = identity(built), identity(spec)
    differs = [key for key in new if old[key] != new[key]]
    if differs:
        edited = specfile.text_digest(restore.read_text(frozen)) != planned
        raise RefusedError(
            f"{run}: holds another analysis: {', '.join(differs)} differ from "
            f"{'what it was built from' if edited else frozen}; finished trials would not belong to this spec; "
            f"use another run directory{f'. {frozen} itself was edited: {again}' if edited else ''}"
        )


def _changed(run: Path, texts: Iterator[tuple[str, str]], kept: set[str]) -> Iterator[Written]:
    """The files whose bytes differ from what is on the disk."""
    for name, text in texts:
        kept.add(name)
        raw = text.encode()
        try:
            same = file_bytes(run / name) == raw
        except OSError:  # absent, or something that is no file: whether it can be replaced is seen where it is written
            same = False
        if not same:
            yield Written(PurePosixPath(name), raw)


def _remove_stale(run: Path, kept: set[str]) -> None:
    """Remove lists of processes and submit files of an earlier plan: they are ours, and nothing points to them.

    The DAG of a repair is among them: its lists go, and what it would make again belongs to the plan of then.
    """
    for pattern in ("batches/*.txt", "*.sub", dagjob.REPAIR, f"{dagjob.REPAIR}.rescue[0-9]*"):
        for path in run.glob(pattern):
            if str(path.relative_to(run)) not in kept:
                path.unlink()


def _forget_rescue(run: Path, changed: Iterable[Written], spec: Spec) -> Iterator[str]:
    """Remove DAGMan's rescue files where nodes have other processes now: "done" was said of the old ones.

    So it was of a judge who had other goals.
    """
    names = {str(written.rel) for written in changed}
    other_goals = bool(spec.adaptive.max_rounds) and str(layout.SPEC) in names
    if not other_goals and str(layout.DAG) not in names and not any(name.startswith("batches/") for name in names):
        return
    rescue = sorted(run.glob(f"{layout.DAG}.rescue[0-9]*"))
    for path in rescue:
        path.unlink()
    if rescue:
        yield (
            f"{rescue[-1].name}: removed, since nodes of the DAG have other processes now; "
            "those whose output is there end at once"
        )


def _make_folders(run: Path, site: sites.Site, kept: set[str]) -> None:
    """Make the folders that HTCondor writes logs into: it does not make them itself."""
    for name in sorted(kept):
        path = PurePosixPath(name)
        if path.parent.name == "batches":
            (run / "logs" / path.stem).mkdir(parents=True, exist_ok=True)
    if site.transfer:
        for name in render.SANDBOX_FOLDERS:
            (run / render.SANDBOX / name).mkdir(parents=True, exist_ok=True)
    logs = Path(render.log_dir(site, PurePosixPath(run)))
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{logs}: the folder for event logs cannot be made: {reason(error)}; build on the submit host, or set "
            f"log_dir in the profile of site {site.name} to a folder on its own disk"
        ) from error


def _write(run: Path, spec: Spec, dot: bool) -> Built:
    resolved = specfile.resolved_text(spec)
    site = sites.load(spec.site)
    made = plan.make(spec, specfile.text_digest(resolved))
    kept: set[str] = set()
    version = htcondor_version.parse(site.condor_version) if site.condor_version else htcondor_version.of_pool()
    left_out: dict[str, None] = {}
    begun = build_record.here(PurePosixPath(run), site, version, dot)
    changed = list(_changed(run, build_record.files(begun, made, spec, resolved, left_out), kept))
    if changed:
        queued.refuse(run, "built anew: the DAG would take old work for new")
    _make_folders(run, site, kept)
    forgotten = (*_forget_rescue(run, changed, spec), *rounds.forget_others(spec, run, made))
    for written in changed:
        write_all(run, [written])
    rounds.settled(spec, run)
    _remove_stale(run, {*kept, *rounds.names(spec, run)})
    if specfile.load_resolved(run / layout.SPEC) != spec:
        raise InputError(f"{run / layout.SPEC}: does not read back as the spec it was written from; report this")
    notes = (*htcondor_version.explain(left_out, version), *forgotten)
    return Built(run, spec, made, len(changed), len(kept) - len(changed), notes)


def locked(spec: Spec, run: Path, dot: bool = False) -> Built:
    """Build while the caller holds the lock of the directory."""
    refuse_foreign(run, spec)
    try:
        return _write(run, spec, dot)
    except OSError as error:
        raise InputError(f"{error.filename or run}: cannot be written: {reason(error)}") from error


def make_directory(run: Path) -> Path:
    """The run directory, absolute, made if it is not there."""
    run = run.absolute()
    try:
        str(run).encode()
    except UnicodeEncodeError:
        raise SpecError(f"{run}: the path is not UTF-8 text; use another run directory") from None
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{run}: cannot be made: {reason(error)}") from error
    return run


def build(spec: Spec, run: Path, dot: bool = False) -> Built:
    """Write the run directory of a spec; the same again changes nothing. `dot`: DAGMan draws the DAG when it starts.

    Raises
    ------
    RefusedError
        The directory holds another analysis, or is in use.
    InputError
        It cannot be written.
    SpecError
        DAGMan cannot use its path.
    """
    why = render.unusable(PurePosixPath(run.absolute()), sites.load(spec.site))
    if why:
        raise SpecError(f"{why}; or run it here: `dagmaker run SPEC --run=DIR` takes any path")
    run = make_directory(run)
    with lock.held(run):
        return locked(spec, run, dot)
