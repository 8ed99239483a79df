"""The line below the title: whether checks passed, who approved the unblinding and when, and which code made it."""

from typing import NamedTuple

from worker.base.errors import InputError
from worker.blinding import unblinding_log
from worker.report.results import Results
from worker.rundir import layout, store

SHORT = 10
"""Characters of a commit or digest that are shown."""


class Entry(NamedTuple):
    """A fact with its state: pass, fail, note, or empty."""

    name: str
    text: str
    state: str = ""
    link: str = ""


def entries(results: Results) -> list[Entry]:
    """Checks, sky, approval, code and seed, in this order."""
    out = [_checks(results)]
    if results.run.spec.scan.has_skies:
        out += [Entry("sky", results.sky, "note" if results.is_unblinded else "", "#scan"), _approval(results)]
    return [*out, _code(results), Entry("seed", str(results.run.spec.seed))]


def _checks(results: Results) -> Entry:
    checks = results.summary.get("checks") or []
    if not checks:
        return Entry("checks", "not made yet", "note", "#checks")
    passed = sum(bool(check["passed"]) for check in checks)
    waived = sum(bool(check.get("waived")) for check in checks)
    blocking = len(checks) - passed - waived
    parts = [f"{passed} of {len(checks)} passed"]
    parts += [f"{waived} waived"] if waived else []
    parts += [f"{blocking} failed"] if blocking else []
    return Entry("checks", ", ".join(parts), "fail" if blocking else "note" if waived else "pass", "#checks")


def _approval(results: Results) -> Entry:
    """Who approved the unblinding and when: from the record of the opening, else from the spec."""
    approved = results.run.spec.unblind
    if results.is_unblinded:
        try:
            opening = unblinding_log.record(results.run)
            return Entry("unblinding", f"approved by {opening['approved_by']}, {opening['date']}", "", "#unblinded")
        except (InputError, KeyError):
            return Entry("unblinding", "its record is missing or damaged", "fail", "#unblinded")
    if approved.approved_by:
        return Entry("unblinding", f"approved by {approved.approved_by}, {approved.date}; not opened yet")
    return Entry("unblinding", "not approved, not opened")


def _code(results: Results) -> Entry:
    """Commit of the code that prepared the data, or the digest of its sources; with its version."""
    try:
        record = store.load_record(results.run.path, layout.DATA)
    except InputError:
        return Entry("code", "data are not prepared yet")
    version = record.versions.get("dagmaker", "")
    commit, source = (record.code.get(key, "")[:SHORT] for key in ("commit", "source"))
    which = f"commit {commit}" if commit else f"source {source}" if source else "of unknown commit"
    return Entry("code", f"dagmaker {version}, {which}", "", "#again")
