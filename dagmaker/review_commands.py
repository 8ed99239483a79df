"""dagmaker's commands for a reviewer: verify-plan, review, diff, unblind. Imported when they are called."""

from pathlib import Path


def verify_plan(*, run: str) -> int:
    """Show that a plan is that of its spec, and that no two of its files share random numbers.

    Makes every file of the plan again from the frozen spec and compares bytes. Random streams: keys are all different,
    and the intervals of trials that files hold do not overlap. Looks at no result. Exit code 1 where anything differs.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    dagmaker verify-plan runs/example
    """
    from dagmaker import verdict
    from dagmaker import verify_plan as verification

    lines = []
    for line in verification.verify_plan(Path(run)):
        lines.append(line)
        print(*verdict.text([line]), sep="\n", flush=True)
    return 1 if verdict.faults(lines) else 0


__all__ = ["verify_plan"]
