"""Fixtures of the pool tests: one pool per HTCondor release and session."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import in_ci, unavailable
from tests.pool.errors import PoolUnavailableError
from tests.pool.install import HOST, on_path
from tests.pool.personal import Pool
from tests.pool.pool import personal_pool


def suites() -> list[str]:
    """The releases to test on: DAGMAKER_POOL_SUITES if set, else the host's own HTCondor, else Debian's."""
    chosen = os.environ.get("DAGMAKER_POOL_SUITES", "").replace(",", " ").split()
    if chosen:
        return chosen
    if on_path():
        return [HOST]
    return ["trixie", "forky"] if in_ci() else ["trixie"]


def _param(suite: str) -> object:
    # Tests of one pool stay in one xdist process: they kill daemons, and each other's jobs would be among them.
    return pytest.param(suite, marks=[pytest.mark.pool, pytest.mark.xdist_group(f"pool-{suite}")])


@pytest.fixture(scope="session", params=[_param(suite) for suite in suites()])
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A running pool; skips (in CI: fails) where there can be none."""
    try:
        with personal_pool(request.param, tmp_path_factory.mktemp(f"pool-{request.param}")) as running:
            yield running
    except PoolUnavailableError as error:
        unavailable(f"no HTCondor pool ({request.param}): {error}")
