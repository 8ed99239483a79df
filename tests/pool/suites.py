"""Which HTCondor releases to test on."""

import os

import pytest

from tests.conftest import in_ci
from tests.pool.install import HOST, on_path


def chosen() -> list[str]:
    """Releases to test on: DAGMAKER_POOL_SUITES if set, else the host's own HTCondor, else Debian's."""
    named = os.environ.get("DAGMAKER_POOL_SUITES", "").replace(",", " ").split()
    if named:
        return named
    if on_path():
        return [HOST]
    return ["trixie", "forky"] if in_ci() else ["trixie"]


def param(suite: str) -> object:
    """A parameter of the fixture `pool`."""
    return pytest.param(suite, marks=pytest.mark.pool)


# For what takes long and does not depend on the release. Each release is tested for what HTCondor's own behaviour
# decides: rescue DAGs and retries, holds and their release, the logs and the queue that `status` and `repair` read,
# files that travel, and the pool itself.
on_one_release = pytest.mark.parametrize("pool", [param(chosen()[0])], indirect=True)
