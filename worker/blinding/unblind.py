"""unblind: the only access to real positions. Needs a token, is done once, recorded, and can be reproduced."""

import os
import platform
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from worker.base import compare
from worker.base.errors import DagmakerError, InputError
from worker.blinding import approval, real_sky, unblinding_log
from worker.blinding.clearance import Clearance
from worker.hypotheses.table import ensemble_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.post_trial_text import sentence
from worker.rundir.record import versions
from worker.rundir.revision import revision
from worker.spec.run_sections import Unblind
from worker.tasks import blinded_positions, scratch_run

AGAIN = f"{unblinding_log.OPENED} again"
ANEW = f"{unblinding_log.OPENED} anew"


def unblind(path: Path, token: str | None, spec: str | None, jobs: int) -> dict[str, Any]:
    """Scan the real sky and write RUN/unblinded/; if it exists, scan again and compare.

    Raises
    ------
    RefusedError
        The token of the present run, or its approval in the spec (who, when, why), is missing.
    InputError
        A second unblinding gives another result than the first.
    """
    run = open_run(path)
    try:
        ensemble_of(run.spec)  # without skies there is nothing to open
        cleared, approved = approval.approved_clearance(run, token, spec)
    except DagmakerError as error:
        unblinding_log.append(run, f"refused: {error}", token or "")
        raise
    log = unblinding_log.read(run)
    first = not (path / layout.UNBLINDED_RESULTS).exists()
    event = _event(run, log, first)
    unblinding_log.append(run, event, cleared.token)
    if first:
        if event.startswith(ANEW):
            print(event)
        _write_record(run, cleared, approved, log)
        with scratch_run.create(run) as root:
            _copy_into_run(run, root, write_results(run, jobs, root))
        unblinding_log.append(run, "written", cleared.token)
    else:
        rounding = compare.Rounding()
        wrong = differences(run, jobs, rounding)
        unblinding_log.append(run, "differs" if wrong else "reproduced", cleared.token)
        if wrong:
            difference = ": ".join(wrong[0])
            raise InputError(f"{path / layout.UNBLINDED}: not reproduced, and nothing was overwritten: {difference}")
        last = f", but for the last digits of {rounding.n:,} numbers" if rounding.n else ""
        print(f"reproduced: {layout.UNBLINDED}: the same results{last}; nothing was written")
    results: dict[str, Any] = store.load_json(path, layout.UNBLINDED_RESULTS)
    _print_results(results)
    return {"first": first, **results}


def write_results(run: Run, jobs: int, root: Path) -> list[str]:
    """Write all results of unblinding below `root`; returns the names of the files."""
    turn = blinded_positions.open_positions(run)
    store.save_json(root, layout.UNBLINDED_RESULTS, real_sky.scan(run, turn, jobs, root))
    folder = root / layout.UNBLINDED
    return sorted(file.relative_to(root).as_posix() for file in folder.rglob("*") if file.is_file())


def _event(run: Run, log: unblinding_log.Log, first: bool) -> str:
    """Event of this opening for the log; says whether results of an earlier one were removed."""
    if not first or (run.path / layout.OPENED).exists():
        return AGAIN
    if before := log.opened():
        last = before[-1]
        return f"{ANEW}: {layout.UNBLINDED} was removed since it was opened at {last['at']} by {last['by']}"
    if trace := next(unblinding_log.traces(run), ""):
        return f"{ANEW}: {layout.UNBLINDING_LOG} has no line of the opening that {trace} tells of"
    return unblinding_log.OPENED


def _write_record(run: Run, cleared: Clearance, approved: Unblind, log: unblinding_log.Log) -> None:
    """Write who opens the sky, when, why, with which code, and the state of the log, before the sky is opened."""
    who: dict[str, Any] = {key: getattr(approved, key) for key in approval.KEYS}
    who |= {
        "opened_by": unblinding_log.user(),
        "opened_at": unblinding_log.now(),
        "host": platform.node(),
        "versions": versions(),
        "code": revision(),
        "earlier": [f"{line['at']} by {line['by']}" for line in log.opened()],
        "log": unblinding_log.read(run).state(),
    }
    text = store.json_bytes({**cleared._asdict(), **who, "waived": list(run.spec.unblind.waive)})
    path = run.path / layout.OPENED
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        earlier = unblinding_log.record(run)
        print(f"opened before, by {earlier['opened_by']} at {earlier['opened_at']}, and not finished: going on")


def _copy_into_run(run: Run, root: Path, names: list[str]) -> None:
    """Copy the new files into the run, the results last."""
    last = str(layout.UNBLINDED_RESULTS)
    for name in sorted(names, key=lambda name: name == last):
        raw = (root / name).read_bytes()
        store.save_file(run.path, PurePosixPath(name), partial(Path.write_bytes, data=raw))
        print(f"-> {name}")


def differences(run: Run, jobs: int, rounding: compare.Rounding) -> list[tuple[str, str]]:
    """Scan again in a scratch directory; returns each file that differs, and how."""
    with scratch_run.create(run) as root:
        names = write_results(run, jobs, root)
        texts = [(name, compare.file_difference(run.path / name, root / name, rounding)) for name in names]
    return [(name, text) for name, text in texts if text]


def _print_results(results: dict[str, Any]) -> None:
    spot, post = results["hottest"], results["post_trial"]
    ns = f"ns {spot['ns']:.1f}, " if "ns" in spot else ""
    gamma = f"gamma {spot['gamma']:.2f}, " if "gamma" in spot else ""
    print(
        f"{results['sky']} sky: hottest {_place(results.get('kind', ''), spot)}: TS {spot['ts']:.2f}, "
        f"{ns}{gamma}-log10 p {spot['mlog10p']:.2f}\n"
        f"post-trial p = {post['p']:.4g} [{post['lo']:.4g}, {post['hi']:.4g}]: {sentence(post)}"
    )


def _place(kind: str, spot: Mapping[str, Any]) -> str:
    """Which point, or where on the sky."""
    if kind in ("points", "stacking"):
        return f"{'point' if kind == 'points' else 'catalogue'} {spot['name']}"
    return f"spot at ra {spot['ra_deg']:.2f} deg, dec {spot['dec_deg']:.2f} deg"
