"""Further findings for the certificate: plug-in, raw data, missing files, failed checks, versions and code."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import PurePosixPath

from worker import data
from worker.base.errors import DagmakerError, InputError
from worker.base.finding import SHOWN, Finding
from worker.blinding import unblinding_checks
from worker.data.prepared import content_digest
from worker.engines.plugin.engine import Described
from worker.engines.table import engine_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run, files_of_node
from worker.rundir.record import IS_VERSION, Record, versions
from worker.rundir.revision import revision
from worker.tasks import context, engine_tables, plugin_files

_HOW = {
    "per-trial": "single trials are made again bit by bit",
    "per-file": "whole files are made again bit by bit, single trials are not",
    "no": "no trial is made again: distributions are compared",
}


def plugin(run: Run) -> Iterator[Finding]:
    """Compare the plug-in here with what `prepare` wrote down; nothing for the built-in engine."""
    if run.spec.engine.kind == "builtin":
        return
    what = f"{layout.ENGINE}: the plug-in here is the one that the run was prepared with"
    try:
        told = Described(run.spec, plugin_files.facts(run))
        context.engine(run)
    except DagmakerError as error:
        yield Finding("fault", what, str(error).replace("\n", " "))
        return
    files = ", ".join(f"{name} {sha256[:12]}" for name, sha256 in told.facts.identity["files"].items())
    how = f"it says that it is deterministic {told.deterministic!r}: {_HOW[told.deterministic]}"
    yield Finding("same", what, f"{files}; {how}. {told.blindness()}")


def prepared(run: Run) -> Finding:
    """Compare the prepared data with the raw data, if these are available."""
    what = f"{layout.DATA}: read again from the raw data"
    if run.spec.data.format == "engine":
        return Finding("same", what, "there are none here: the plug-in reads its own data")
    try:
        digest = store.load_record(run.path, layout.DATA).digest
        store.load_arrays(run.path, layout.DATA, digest)
    except InputError as error:
        return Finding("fault", what, str(error))
    try:
        raw_digest = content_digest(data.read(run.spec), run.spec.hypothesis.timed)
    except DagmakerError as error:
        why = str(error).partition(";")[0]
        text = f"not compared, trials were replayed from this file as it is: {why}"
        return Finding("note", what, text)
    if raw_digest != digest:
        return Finding("fault", what, f"its content has the digest {digest[:12]}, the raw data give {raw_digest[:12]}")
    return Finding("same", what, f"the same content, digest {digest[:12]}")


def tables(run: Run) -> Iterator[Finding]:
    """Let the engine make its tables again: every trial that is replayed reads them."""
    if run.spec.engine.kind == "plugin":
        return
    what = f"{layout.TABLES}: made again"
    if not (run.path / layout.TABLES).exists():
        yield Finding("note", what, "there is none: every process makes what it needs")
        return
    written = store.load_arrays(run.path, layout.TABLES)
    with redirect_stdout(StringIO()):  # an engine may print, and findings are lines of stdout
        again = engine_of(context.without_device(run.spec), context.dataset_of(run)).prepare()
    same = engine_tables.same(written, again)
    text = f"{len(written)} arrays with the same bits" if same else "other arrays than the engine makes from the data"
    yield Finding("same" if same else "fault", what, text)


def holes(missing: set[str]) -> Iterator[Finding]:
    """Files that were allowed to be missing."""
    if missing:
        shown = ", ".join(sorted(missing)[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        yield Finding("note", "allowed holes", f"{len(missing):,} files were missing when results were made: {shown}")


def checks(run: Run) -> Iterator[Finding]:
    """Checks that failed, and whether they were waived."""
    for verdict in unblinding_checks.verdicts(run):
        if not verdict.passed:
            what = f"check {verdict.name}: failed, {'waived by the spec' if verdict.waived else 'not waived'}"
            yield Finding("note", what, verdict.sentence)


def software(run: Run) -> Iterator[Finding]:
    """Compare versions and code of the run with those of this review."""
    records = list(_records(run))
    installed, code = versions(), revision()
    used: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            used.setdefault(name, set()).add(version)
    changed = [f"{name} {'/'.join(sorted(v))} (here {installed.get(name, 'none')})" for name, v in sorted(used.items())
               if v != {installed.get(name)}]  # fmt: skip
    what = "versions of Python and packages"
    others = sorted(
        {version for versions_used in used.values() for version in versions_used if not IS_VERSION.fullmatch(version)}
    )
    if others:
        yield Finding("fault", what, f"records hold what is no version: {', '.join(map(repr, others[:SHOWN]))}")
    elif changed:
        yield Finding("note", what, f"changed: {', '.join(changed)}")
    else:
        yield Finding("same", what, ", ".join(f"{name} {version}" for name, version in installed.items()))
    sources = {record.code["source"] for record in records if record.code.get("source")}
    commits = sorted({record.code["commit"][:12] for record in records if record.code.get("commit")})
    edited = any(record.code.get("modified") == "yes" for record in records)
    text = f"commit {', '.join(commits) or 'not known'}{', with changes that are not committed' if edited else ''}"
    if sources == {code["source"]}:
        yield Finding("note" if edited else "same", "the code of the run", f"is the code that reviews it; {text}")
    else:
        yield Finding("note", "the code of the run", f"is not the code that reviews it; {text}")


def origins(run: Run) -> Iterator[Finding]:
    """Files of trials that were taken over from other runs; they were checked like all others."""
    count: dict[str, int] = {}
    for node in run.plan["nodes"]:
        for file in files_of_node(node):
            try:
                origin = store.load_record(run.path, file.path).origin.get("run")
            except InputError:
                continue
            if origin:
                count[origin] = count.get(origin, 0) + 1
    for origin, n in sorted(count.items()):
        yield Finding("note", "origin of trials", f"{n:,} files were taken over from the run {origin}")


def _records(run: Run) -> Iterator[Record]:
    """Records of the prepared data and of every result; trials are too many, and were replayed."""
    for node in run.plan["nodes"]:
        if node["file"] and not node["file"].endswith((".json", ".html")):
            try:
                yield store.load_record(run.path, PurePosixPath(node["dir"]) / node["file"])
            except InputError:
                continue
