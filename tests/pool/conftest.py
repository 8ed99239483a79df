"""Fixtures of the pool tests: one pool per HTCondor release and session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import made_once, unavailable
from tests.pool import analysis, suites
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


@pytest.fixture(scope="session")
def tiny_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `analysis.TINY` without a pool and without a fault, to read; its spec lies beside it."""

    def make(folder: Path) -> None:
        analysis.run_here(analysis.write_spec(folder / "tiny.yaml", analysis.TINY), folder / "run")

    return made_once(tmp_path_factory, "tiny", make) / "run"


@pytest.fixture(scope="session")
def tiny_spec(tiny_here: Path) -> Path:
    """The spec of `tiny_here`."""
    return tiny_here.parent / "tiny.yaml"
