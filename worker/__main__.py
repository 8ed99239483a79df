"""`python -m worker`, and the command `worker`."""

from worker.base.startup import leave
from worker.cli.main import main as run


def main() -> None:
    """Run the task that the command line asks for, and end the process."""
    leave(run())


if __name__ == "__main__":
    main()
