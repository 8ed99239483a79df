"""Fixtures of the pool tests: one pool per HTCondor release and session."""

from collections.abc import Iterator

import pytest

from tests.conftest import unavailable
from tests.pool import suites
from tests.pool.errors import PoolUnavailableError
from tests.pool.personal import Pool
from tests.pool.pool import personal_pool


@pytest.fixture(scope="session", params=[suites.param(suite) for suite in suites.chosen()])
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A running pool; skips (in CI: fails) where there can be none."""
    try:
        with personal_pool(request.param, tmp_path_factory.mktemp(f"pool-{request.param}")) as running:
            yield running
    except PoolUnavailableError as error:
        unavailable(f"no HTCondor pool ({request.param}): {error}")
