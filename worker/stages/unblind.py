"""unblind: the one road to real positions. Guarded by a token, done once, recorded, and reproducible ever after."""

import getpass
import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from worker import layout, store
from worker.audit import compare, finding
from worker.audit.finding import Finding
from worker.errors import DagmakerError, InputError
from worker.ledger import Run, open_run
from worker.record import versions
from worker.revision import revision
from worker.spec import Unblind
from worker.stages import approval, clearance, real_sky, scratch, sealed
from worker.stages.clearance import Clearance


def unblind(path: Path, token: str | None, spec: str | None, jobs: int) -> dict[str, Any]:
    """Scan the real sky and write RUN/unblinded/; where that is there already, make it again and compare.

    Raises
    ------
    RefusedError
        Without the token of the run as it is now, in the spec too, with who approved it, when and why.
    InputError
        If a second unblinding gives another result than the first.
    """
    run = open_run(path)
    try:
        cleared, approved = approval.cleared(run, token, spec)
    except DagmakerError as error:
        _log(run, f"refused: {error}")
        raise
    first = not (path / layout.UNBLINDED_RESULTS).exists()
    _log(run, "opened" if first else "opened again", cleared.token)
    if first:
        _record(run, cleared, approved)
        with scratch.beside(run) as root:
            _keep(run, root, made(run, jobs, root))
        _log(run, "written", cleared.token)
        _report(run)
    else:
        rounding = compare.Rounding()
        wrong = differences(run, jobs, rounding)
        _log(run, "differs" if wrong else "reproduced", cleared.token)
        if wrong:
            raise InputError(f"{path / layout.UNBLINDED}: not reproduced, and nothing was overwritten: {wrong[0]}")
        last = f", but for the last digits of {rounding.n:,} numbers" if rounding.n else ""
        print(f"reproduced: {layout.UNBLINDED}: the same results{last}; nothing was written")
    results: dict[str, Any] = store.load_json(path, layout.UNBLINDED_RESULTS)
    _say(results)
    return {"first": first, **results}


def made(run: Run, jobs: int, root: Path) -> list[str]:
    """Write everything that unblinding tells below `root`; names of the files."""
    turn = sealed.open_positions(run)
    store.save_json(root, layout.UNBLINDED_RESULTS, real_sky.scanned(run, turn, jobs, root))
    folder = root / layout.UNBLINDED
    return sorted(file.relative_to(root).as_posix() for file in folder.rglob("*") if file.is_file())


def _record(run: Run, cleared: Clearance, approved: Unblind) -> None:
    """Who, when, why, with what: written once, before the sky is opened."""
    who: dict[str, Any] = {key: getattr(approved, key) for key in approval.KEYS}
    who |= {
        "opened_by": _user(),
        "opened_at": _now(),
        "host": platform.node(),
        "versions": versions(),
        "code": revision(),
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
        told = store.load_json(run.path, layout.OPENED)
        print(f"opened before, by {told['opened_by']} at {told['opened_at']}, and not finished: going on")


def _keep(run: Run, root: Path, names: list[str]) -> None:
    """Put what was made into the run, the results last."""
    last = str(layout.UNBLINDED_RESULTS)
    for name in sorted(names, key=lambda name: name == last):
        raw = (root / name).read_bytes()
        store.save_file(run.path, PurePosixPath(name), partial(_copy, raw))
        print(f"-> {name}")


def _copy(raw: bytes, path: Path) -> None:
    path.write_bytes(raw)


def differences(run: Run, jobs: int, rounding: compare.Rounding) -> list[str]:
    """Make everything again beside the run: how what is there differs."""
    with scratch.beside(run) as root:
        names = made(run, jobs, root)
        found = [(name, compare.files(run.path / name, root / name, rounding)) for name in names]
    return [f"{name}: {text}" for name, text in found if text]


def findings(run: Run, jobs: int) -> Iterator[Finding]:
    """For a review of a run that was unblinded: the same results, and who opened it."""
    if not (run.path / layout.UNBLINDED_RESULTS).exists():
        return
    what = "the unblinded sky: scanned again"
    rounding = compare.Rounding()
    try:
        wrong = differences(run, jobs, rounding)
    except InputError as error:
        yield Finding("note", what, f"could not be done: {error}")
    else:
        yield finding.of(what, wrong, "the same maps, hottest spots and post-trial p-values", rounding)
    try:
        told = store.load_json(run.path, layout.OPENED)
        text = f"by {told['opened_by']} at {told['opened_at']}, approved by {told['approved_by']}: {told['reason']}"
        now = clearance.of(run).token
        right = told["token"] == now
        yield Finding("same" if right else "fault", "the unblinding: opened with the token of this run", text)
    except (DagmakerError, KeyError) as error:
        yield Finding("fault", "the unblinding: opened with the token of this run", f"cannot be told: {error}")


def _log(run: Run, event: str, token: str = "") -> None:
    """Append a line: every attempt is kept, refused ones too."""
    line = {"at": _now(), "by": _user(), "host": platform.node(), "event": event, "token": token}
    path = run.path / layout.UNBLINDING_LOG
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}): nothing is opened without a record") from None


def _report(run: Run) -> None:
    from worker.stages.report import report

    report(run.path, None, None)


def _say(results: dict[str, Any]) -> None:
    spot, post = results["hottest"], results["post_trial"]
    print(
        f"{results['sky']} sky: hottest spot at ra {spot['ra_deg']:.2f} deg, dec {spot['dec_deg']:.2f} deg: TS "
        f"{spot['ts']:.2f}, ns {spot['ns']:.1f}, gamma {spot['gamma']:.2f}, -log10 p {spot['mlog10p']:.2f}\n"
        f"post-trial p = {post['p']:.4g} [{post['lo']:.4g}, {post['hi']:.4g}]: {post['k']} of {post['n']} background "
        "skies are at least as hot"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
