"""Write the run directory of a spec: everything that DAGMan or the local runner needs.

The same spec and version give the same bytes. A directory holds one analysis: the number of trials and the site may
change, seed and likelihood may not.
"""

from collections.abc import Iterable, Iterator
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
    """Result of `build`.

    Attributes
    ----------
    run : Path
        Absolute.
    changed, same : int
        Files that were written, and files that were up to date.
    notes : tuple of str
        Submit commands that this pool's release does not know, and removed files.
    """

    run: Path
    spec: Spec
    plan: Plan
    changed: int
    same: int
    notes: tuple[str, ...] = ()


def identity(spec: Spec) -> dict[str, object]:
    """Values that every trial depends on: changing one makes another analysis."""
    gammas = spec.signal.gammas if len(spec.signal.gammas) == 1 else "several"  # gamma is then part of the paths
    return {key: _value(spec, key) for key in effects.identity()} | {"signal.gamma": gammas}


def _value(spec: Spec, key: str) -> object:
    """Value of a key such as ``signal.poisson``; None if this kind of section has no such key."""
    section, _, name = key.partition(".")
    values = getattr(spec, section)
    return getattr(values, "class_" if name == "class" else name, None) if name else values


def refuse_foreign(run: Path, spec: Spec) -> None:
    """Raise if the directory holds another analysis, unless its plan was made for this spec.

    Raises
    ------
    RefusedError
        Another analysis, or files of unknown origin.
    """
    frozen, digest = run / layout.SPEC, restore.planned_digest(run)
    if digest == specfile.text_digest(specfile.resolved_text(spec)):
        return
    restore_hint = f"`{shell.dagmaker('restore', run)}` puts it back as it was built"
    if not frozen.exists() and (digest or (run / layout.BUILD).exists()):
        raise RefusedError(
            f"{frozen}: this file is missing; {restore_hint}, and so does a build with the same spec as then"
        )
    if not frozen.exists():
        files = sorted(path.name for path in run.iterdir() if not path.name.startswith("."))
        if files:
            raise RefusedError(
                f"{run}: holds {files[0]}{' and more' if len(files) > 1 else ''}, but no {layout.SPEC}: "
                "it is not a run directory; use a new or an empty directory"
            )
        return
    built_spec = specfile.loads_resolved(restore.frozen_text(run), str(frozen))
    old, new = identity(built_spec), identity(spec)
    differs = [key for key in new if old[key] != new[key]]
    if differs:
        edited = specfile.text_digest(restore.read_text(frozen)) != digest
        raise RefusedError(
            f"{run}: holds another analysis: {', '.join(differs)} differ from "
            f"{'what it was built from' if edited else frozen}; finished trials would not belong to this spec; "
            f"use another run directory{f'. {frozen} itself was edited: {restore_hint}' if edited else ''}"
        )


def _changed(run: Path, texts: Iterator[tuple[str, str]], names: set[str]) -> Iterator[Written]:
    """Files whose bytes differ from those on disk; adds every file name to `names`."""
    for name, text in texts:
        names.add(name)
        raw = text.encode()
        try:
            same = file_bytes(run / name) == raw
        except OSError:  # absent, or not a file: writing it fails later if it cannot be replaced
            same = False
        if not same:
            yield Written(PurePosixPath(name), raw)


def _remove_stale(run: Path, names: set[str]) -> None:
    """Remove lists of processes, submit files and the repair DAG of an earlier plan."""
    for pattern in ("batches/*.txt", "*.sub", dagjob.REPAIR, f"{dagjob.REPAIR}.rescue[0-9]*"):
        for path in run.glob(pattern):
            if str(path.relative_to(run)) not in names:
                path.unlink()


def _remove_rescue_files(run: Path, changed: Iterable[Written], spec: Spec) -> Iterator[str]:
    """Remove DAGMan's rescue files if nodes have other processes, or judges other goals, than the "done" ones."""
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


def _make_folders(run: Path, site: sites.Site, names: set[str]) -> None:
    """Make the folders of HTCondor's logs: HTCondor does not make them."""
    for name in sorted(names):
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
    whole_plan = plan.make(spec, specfile.text_digest(resolved))
    names: set[str] = set()
    version = htcondor_version.parse(site.condor_version) if site.condor_version else htcondor_version.of_pool()
    left_out: dict[str, None] = {}
    record = build_record.current(PurePosixPath(run), site, version, dot)
    changed = list(_changed(run, build_record.files(record, whole_plan, spec, resolved, left_out), names))
    if changed:
        queued.refuse(run, "built anew: the DAG would take old work for new")
    _make_folders(run, site, names)
    removed = (*_remove_rescue_files(run, changed, spec), *rounds.remove_outdated_rounds(spec, run, whole_plan))
    for written in changed:
        write_all(run, [written])
    rounds.write_decided_rounds(spec, run)
    _remove_stale(run, {*names, *rounds.file_names(spec, run)})
    if specfile.load_resolved(run / layout.SPEC) != spec:
        raise InputError(f"{run / layout.SPEC}: does not read back as the spec it was written from; report this")
    notes = (*htcondor_version.left_out_notes(left_out, version), *removed)
    return Built(run, spec, whole_plan, len(changed), len(names) - len(changed), notes)


def build_locked(spec: Spec, run: Path, dot: bool = False) -> Built:
    """Build a run directory whose lock the caller holds."""
    refuse_foreign(run, spec)
    try:
        return _write(run, spec, dot)
    except OSError as error:
        raise InputError(f"{error.filename or run}: cannot be written: {reason(error)}") from error


def make_directory(run: Path) -> Path:
    """Make the run directory if it is missing; its absolute path."""
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
    """Write the run directory of a spec; a second call changes nothing. `dot`: DAGMan draws the DAG when it starts.

    Raises
    ------
    RefusedError
        The directory holds another analysis, or is in use.
    InputError
        It cannot be written.
    SpecError
        DAGMan cannot use its path.
    """
    why = render.path_problem(PurePosixPath(run.absolute()), sites.load(spec.site))
    if why:
        raise SpecError(f"{why}; or run it here: `dagmaker run SPEC --run=DIR` takes any path")
    run = make_directory(run)
    with lock.held(run):
        return build_locked(spec, run, dot)
