"""`python -m worker`, and the command `worker`."""

from worker.base.startup import exit_process
from worker.cli.main import main as run


def main() -> None:
    """Run the task that the command line asks for, and end the process."""
    exit_process(run())


if __name__ == "__main__":
    main()
