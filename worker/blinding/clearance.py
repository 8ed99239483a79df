"""The token that unblinding asks for: bound to the spec, to the background set and to the checks, as they are now.

A token is no secret. It says that somebody reviewed this very state of the run: change anything that decides a number,
add a background trial, or let a check fail, and the token is another.
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
    """A token and what it stands for.

    Attributes
    ----------
    token : str
        Three words: analysis, background set, checks.
    analysis, background, checks : str
        Their full digests.
    verdicts : dict
        Check by name: passed or waived.
    """

    token: str
    analysis: str
    background: str
    checks: str
    verdicts: dict[str, str]


def of(run: Run) -> Clearance:
    """The clearance of a run as it is now.

    Raises
    ------
    RefusedError
        If a check failed and is not waived, or there are no results yet.
    """
    found = unblinding_checks.verdicts(run)
    blocking = unblinding_checks.blocking(found)
    if blocking:
        told = "".join(f"\n  {verdict.name}: {verdict.sentence}" for verdict in blocking)
        raise RefusedError(
            f"{run.path}: no token while checks fail: cure them, or waive them by name in the spec "
            f"(unblind.waive):{told}"
        )
    try:
        analysis = digest([digest_of_numbers(run.spec), context.data_digest(run)])
        background = digest(background_set(run))
    except InputError as error:
        raise RefusedError(f"{run.path}: no token before all results are there: {error}") from None
    verdicts = {verdict.name: "waived" if verdict.waived else "passed" for verdict in found}
    checks = digest(verdicts)
    token = "-".join(part[:LENGTH] for part in (analysis, background, checks))
    return Clearance(token, analysis, background, checks, verdicts)


def why_not(clearance: Clearance, token: str) -> str:
    """What a token that is not that of the run was given for instead."""
    words, mine = token.split("-"), clearance.token.split("-")
    if len(words) != len(mine) or any(len(word) != LENGTH for word in words):
        return "it is not a token that `dagmaker review` printed"
    changed = [part for part, word, now in zip(_PARTS, words, mine, strict=True) if word != now]
    return f"{' and '.join(changed)} changed since it was given, or it belongs to another run"


def background_set(run: Run) -> dict[str, str]:
    """Sha256 of every set of background trials and skies, of which p-values are made."""
    made = input_digests.collected(run, COLLECT_BG)
    if not run.spec.scan.has_skies:
        return made
    made |= input_digests.listed(run, layout.SCAN)
    for rel in (layout.skies_file(region) for region in store.load_json(run.path, layout.SCAN)["regions"]):
        made |= input_digests.recorded(run, [rel])
    return made
