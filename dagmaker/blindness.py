"""The real sky stays closed: there is nothing in a run directory that could be opened."""

from pathlib import Path
from typing import NoReturn

from dagmaker.status import read_plan
from worker import layout
from worker.errors import RefusedError


def refuse(run: Path, token: str | None) -> NoReturn:
    """Say why nothing can be unblinded.

    Raises
    ------
    RefusedError
        Always, for a run directory.
    """
    read_plan(run)
    given = "no token can" if token is None else f"the token {token!r} cannot"
    raise RefusedError(
        f"{run}: unblinding is not possible in this version: measured right ascensions are not in {layout.DATA}, so "
        f"{given} open them; the sky in the results is a scrambled one"
    )
