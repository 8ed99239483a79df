"""A private HTCondor pool, from a program or by hand.

    python -m tests.pool.pool install --suite trixie     fetch and unpack HTCondor, unless it is there
    python -m tests.pool.pool start                      install if need be, start, wait until ready
    eval "$(python -m tests.pool.pool env)"              condor_q and friends now mean this pool
    python -m tests.pool.pool status
    python -m tests.pool.pool stop                       jobs die, the queue is kept

Nothing is installed on the host, and the pool listens on loopback only.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pool import debian
from tests.pool.errors import PoolBrokenError, PoolUnavailableError
from tests.pool.install import HOST, default_prefix, ensure, installed_at, on_path
from tests.pool.personal import Pool, sweep


@contextmanager
def personal_pool(suite: str, home: Path, prefix: Path | None = None) -> Iterator[Pool]:
    """A running pool in `home`; stopped at the end, whatever happened to its daemons."""
    sweep()
    pool = Pool(ensure(suite, prefix), home.resolve())
    try:
        pool.start(owner=os.getpid())
        yield pool
    finally:
        pool.stop()


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.pool.pool", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["install", "start", "stop", "status", "env"])
    suites = [*debian.SUITES, HOST]
    parser.add_argument("--suite", choices=suites, help="default: host if a condor_master is on PATH, else trixie")
    parser.add_argument("--prefix", type=Path, help="where the programs go (default: below ~/.cache/dagmaker)")
    parser.add_argument("--home", type=Path, help="where queue and logs go (default: beside the programs)")
    args = parser.parse_args(argv)
    suite = args.suite or (HOST if on_path() else "trixie")
    try:
        return _command(args.command, suite, args.prefix, args.home)
    except (PoolUnavailableError, PoolBrokenError) as error:
        print(f"pool: {error}", file=sys.stderr)
        return 1


def _command(command: str, suite: str, prefix: Path | None, home: Path | None) -> int:
    prefix = (prefix or default_prefix(suite)).resolve()
    home = home or prefix.with_name(f"{prefix.name}.pool")
    fetch = command in ("install", "start") or suite == HOST
    pool = Pool(ensure(suite, prefix) if fetch else installed_at(prefix), home.resolve())
    if command == "install":
        print("HTCondor {}.{}.{} in {}".format(*pool.install.version(), pool.install.release))
    elif command == "start":
        pool.start()
        print(f"ready, in {pool.home}")
    elif command == "stop":
        pool.stop()
    elif command == "env":
        for key in ("CONDOR_CONFIG", "PATH"):
            print(f"export {key}={shlex.quote(pool.settings[key])}")
    elif not pool.answers():
        print(f"not running in {pool.home}")
        return 1
    else:
        print(pool.run("condor_status", "-any", "-af:h", "MyType", "Name").stdout, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
