"""What a reader of the certificate should know besides what was compared: waivers, holes, versions, raw data."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from worker import data
from worker.base.errors import DagmakerError, InputError
from worker.base.finding import SHOWN, Finding
from worker.blinding import unblinding_checks
from worker.data.prepared import content_digest
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.rundir.record import IS_VERSION, Record, versions
from worker.rundir.revision import revision


def prepared(run: Run) -> Finding:
    """The prepared data against the raw ones, where those are here."""
    what = f"{layout.DATA}: read again from the raw data"
    try:
        digest = store.load_record(run.path, layout.DATA).digest
        store.load_arrays(run.path, layout.DATA, digest)
    except InputError as error:
        return Finding("fault", what, str(error))
    try:
        found = content_digest(data.read(run.spec))
    except DagmakerError as error:
        why = str(error).partition(";")[0]
        text = f"not compared, trials were replayed from this file as it is: {why}"
        return Finding("note", what, text)
    if found != digest:
        return Finding("fault", what, f"its content has the digest {digest[:12]}, the raw data give {found[:12]}")
    return Finding("same", what, f"the same content, digest {digest[:12]}")


def holes(found: set[str]) -> Iterator[Finding]:
    """Files that were allowed to be missing."""
    if found:
        shown = ", ".join(sorted(found)[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        yield Finding("note", "allowed holes", f"{len(found):,} files were missing when results were made: {shown}")


def checks(run: Run) -> Iterator[Finding]:
    """Checks that failed, and whether they were waived."""
    for verdict in unblinding_checks.verdicts(run):
        if not verdict.passed:
            what = f"check {verdict.name}: failed, {'waived by the spec' if verdict.waived else 'not waived'}"
            yield Finding("note", what, verdict.sentence)


def software(run: Run) -> Iterator[Finding]:
    """Versions of what made the run and of what reviews it."""
    records = list(_records(run))
    here, code = versions(), revision()
    made: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            made.setdefault(name, set()).add(version)
    changed = [f"{name} {'/'.join(sorted(v))} (here {here.get(name, 'none')})" for name, v in sorted(made.items())
               if v != {here.get(name)}]  # fmt: skip
    what = "versions of Python and packages"
    others = sorted({version for found in made.values() for version in found if not IS_VERSION.fullmatch(version)})
    if others:
        yield Finding("fault", what, f"records hold what is no version: {', '.join(map(repr, others[:SHOWN]))}")
    elif changed:
        yield Finding("note", what, f"changed: {', '.join(changed)}")
    else:
        yield Finding("same", what, ", ".join(f"{name} {version}" for name, version in here.items()))
    sources = {record.code["source"] for record in records if record.code.get("source")}
    commits = sorted({record.code["commit"][:12] for record in records if record.code.get("commit")})
    edited = any(record.code.get("modified") == "yes" for record in records)
    told = f"commit {', '.join(commits) or 'not known'}{', with changes that are not committed' if edited else ''}"
    if sources == {code["source"]}:
        yield Finding("note" if edited else "same", "the code of the run", f"is the code that reviews it; {told}")
    else:
        yield Finding("note", "the code of the run", f"is not the code that reviews it; {told}")


def _records(run: Run) -> Iterator[Record]:
    """Those of the prepared data and of every result: trials are too many, and were replayed."""
    for node in run.plan["nodes"]:
        if node["file"] and not node["file"].endswith((".json", ".html")):
            try:
                yield store.load_record(run.path, PurePosixPath(node["dir"]) / node["file"])
            except InputError:
                continue
