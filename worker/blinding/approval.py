"""Approval of an unblinding: the token of the run, also in the spec, with a name, a date and a reason."""

from pathlib import Path

from worker.base import shell
from worker.base.errors import RefusedError, SpecError
from worker.blinding import clearance
from worker.blinding.clearance import Clearance
from worker.rundir import layout
from worker.rundir.ledger import Run
from worker.spec.numbers import deciding
from worker.spec.run_sections import Unblind
from worker.spec.sections import Spec
from worker.spec.specfile import load, load_resolved

KEYS = ("approved_by", "date", "reason")


def approved_clearance(run: Run, token: str | None, spec: str | None) -> tuple[Clearance, Unblind]:
    """The clearance of a run and its approval.

    Raises
    ------
    RefusedError
        A part is missing or does not match the present run.
    """
    approval = _approval(run, spec)
    where = spec or f"{run.path / layout.SPEC}"
    if token is None:
        raise RefusedError(
            f"{run.path}: no --token: `{shell.dagmaker('review', run.path)}` prints it where all checks passed"
        )
    now = clearance.of(run)
    if token != now.token:
        raise RefusedError(
            f"{run.path}: the token {_printable(token)} does not open this run: {clearance.mismatch_reason(now, token)}"
        )
    if approval.token != token:
        token_in_spec = "has none" if approval.token is None else f"has {approval.token}"
        raise RefusedError(
            f"{where}: the token must stand in the spec, too: unblind.token {token_in_spec}{_spec_hint(run, token)}"
        )
    empty_keys = [key for key in KEYS if not getattr(approval, key)]
    if empty_keys:
        raise RefusedError(
            f"{where}: unblind.{', unblind.'.join(empty_keys)} is empty: write who approved, when and why"
        )
    return now, approval


def _printable(token: str) -> str:
    """A given token without control characters."""
    return token[:100] if token.isprintable() else ascii(token[:100])


def _spec_hint(run: Run, token: str) -> str:
    return (
        f"; write\n  unblind: {{token: {token}, approved_by: WHO, date: 'YYYY-MM-DD', reason: WHY}}\nin your spec, and "
        f"`{shell.dagmaker('build', 'SPEC', f'--run={run.path}')}` again or name it with --spec"
    )


def _approval(run: Run, spec: str | None) -> Unblind:
    """The section `unblind` of the frozen spec, or of a spec that differs from it only there."""
    if spec is None:
        return run.spec.unblind
    given = _read(Path(spec))
    given_values, run_values = deciding(given), deciding(run.spec)
    changed = [key for key in run_values if given_values.get(key) != run_values[key]]
    if given.unblind.waive != run.spec.unblind.waive:
        changed.append("unblind.waive")
    if changed:
        raise RefusedError(
            f"{spec}: {', '.join(changed)} differ from {run.path / layout.SPEC}: this is not the spec of the run; "
            "`dagmaker build` it into the run and review again, or correct it"
        )
    return given.unblind


def _read(path: Path) -> Spec:
    """A user's spec, or a frozen one if its data files are missing."""
    try:
        return load(path)
    except SpecError as error:
        try:
            return load_resolved(path)
        except SpecError:
            raise error from None
