"""The token for unblinding: a digest of the present spec, background set and checks.

A token is no secret. It shows that this state of the run was reviewed: the token changes if a setting that determines
a number, a background trial or the result of a check changes.
"""

from typing import NamedTuple

from worker.base.errors import InputError, RefusedError
from worker.base.task_rows import COLLECT_BG
from worker.blinding import unblinding_checks
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run
from worker.spec.numbers import digest_of_numbers
from worker.spec.specfile import digest
from worker.tasks import context

LENGTH = 8
_PARTS = ("the analysis (spec or data)", "the background set", "the checks and their waivers")


class Clearance(NamedTuple):
    """A token (start of three digests), the full digests, and passed or waived by name of check."""

    token: str
    analysis: str
    background: str
    checks: str
    verdicts: dict[str, str]


def of(run: Run) -> Clearance:
    """The clearance of the present run.

    Raises
    ------
    RefusedError
        A check failed and is not waived, or results are missing.
    """
    verdicts = unblinding_checks.verdicts(run)
    blocking = unblinding_checks.blocking(verdicts)
    if blocking:
        failures = "".join(f"\n  {verdict.name}: {verdict.sentence}" for verdict in blocking)
        raise RefusedError(
            f"{run.path}: no token while checks fail: cure them, or waive them by name in the spec "
            f"(unblind.waive):{failures}"
        )
    try:
        analysis = digest([digest_of_numbers(run.spec), context.data_digest(run)])
        background = digest(background_set(run))
    except InputError as error:
        raise RefusedError(f"{run.path}: no token before all results are there: {error}") from None
    states = {verdict.name: "waived" if verdict.waived else "passed" for verdict in verdicts}
    checks = digest(states)
    token = "-".join(part[:LENGTH] for part in (analysis, background, checks))
    return Clearance(token, analysis, background, checks, states)


def mismatch_reason(clearance: Clearance, token: str) -> str:
    """Why a token does not match the run."""
    parts, present = token.split("-"), clearance.token.split("-")
    if len(parts) != len(present) or any(len(word) != LENGTH for word in parts):
        return "it is not a token that `dagmaker review` printed"
    changed = [part for part, word, now in zip(_PARTS, parts, present, strict=True) if word != now]
    return f"{' and '.join(changed)} changed since it was given, or it belongs to another run"


def background_set(run: Run) -> dict[str, str]:
    """Sha256 of every set of background trials and skies that p-values are made from."""
    digests = input_digests.collected(run, COLLECT_BG)
    if not run.spec.scan.has_skies:
        return digests
    digests |= input_digests.listed(run, layout.SCAN)
    for rel in (layout.skies_file(region) for region in store.load_json(run.path, layout.SCAN)["regions"]):
        digests |= input_digests.recorded(run, [rel])
    return digests
