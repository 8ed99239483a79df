"""`python -m worker`, and the command `worker`."""

from worker.cli import main as run
from worker.starting import leave


def main() -> None:
    """Run the task that the command line asks for, and end the process."""
    leave(run())


if __name__ == "__main__":
    main()
