"""Review of the unblinding: whether the real sky was opened, by whom, and whether a scan gives the same results.

The real sky is scanned only if RUN/unblinded/opened.json and a line of the log have the token of the present run; each
scan adds a line to the log. A review reports only whether files agree with the scan, no value of it.
"""

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO

from worker.base import finding
from worker.base.compare import Rounding
from worker.base.errors import DagmakerError, InputError
from worker.base.finding import Finding
from worker.blinding import clearance, unblind, unblinding_log
from worker.rundir import layout
from worker.rundir.ledger import Run
from worker.tasks import blinded_positions

_TOKEN = "the unblinding: opened with the token of this run"
_SCAN = f"{layout.UNBLINDED}: the real sky scanned again"

_SEEN = {layout.OPENED: "log", layout.CERTIFICATE: "real_sky_log"}
"""Files that contain an earlier state of the log, and its key."""


def findings(run: Run, jobs: int) -> Iterator[Finding]:
    """Findings on the log, the opening, and (if allowed) the scan."""
    try:
        log, traces = unblinding_log.read(run), list(unblinding_log.traces(run))
    except InputError as error:
        yield Finding("fault", _log_name(), str(error))
        return
    yield _log_finding(run, log, traces)
    if not any(name.startswith(f"{layout.UNBLINDED}/") for name in traces):
        return
    why = why_closed(run, log)
    if why:
        yield Finding("fault", _TOKEN, f"the real sky was not scanned: {why}")
        return
    record = unblinding_log.record(run)
    summary = (
        f"by {record['opened_by']} at {record['opened_at']}, approved by {record['approved_by']}: {record['reason']}"
    )
    yield Finding("same", _TOKEN, summary)
    yield from _scan_findings(run, jobs, record["token"])


def why_closed(run: Run, log: unblinding_log.Log | None = None) -> str:
    """Why a review must not scan the real sky; empty if it may."""
    try:
        log = unblinding_log.read(run) if log is None else log
        record = unblinding_log.record(run)
        now = clearance.of(run).token
    except DagmakerError as error:
        return str(error).replace("\n", " ")
    if record["token"] != now:
        return f"{layout.OPENED} holds the token {record['token']!r}, that of the run as it is now is another"
    if not log.opened(now):
        return f"{layout.UNBLINDING_LOG} has no line of an opening with the token of {layout.OPENED}"
    return ""


def _log_name() -> str:
    return f"{layout.UNBLINDING_LOG}: every opening of the real sky and every scan of it"


def _log_finding(run: Run, log: unblinding_log.Log, traces: list[str]) -> Finding:
    """Summary of the log, and whether it is complete."""
    opened = log.opened()
    wrong = [f"{layout.UNBLINDING_LOG}: {text}" for text in log.faults]
    if traces and not opened:
        wrong.append(
            f"it has no line of the opening that {', '.join(traces[:3])} tell of: lines or the file were removed"
        )
    seen = {rel: unblinding_log.json_value_at(run, rel, key) for rel, key in _SEEN.items()}
    lost = [rel for rel, state in seen.items() if state is not None and not log.holds(state)]
    wrong += [f"it does not begin with the lines that {rel} saw: lines were changed or removed" for rel in lost]
    if not log.heads:
        return finding.of(_log_name(), wrong, "there is none: the real sky was not opened in this directory")
    state = log.state()
    n_scans = sum(line["event"] == unblinding_log.SCANNED for line in log.lines)
    n_refused = sum(line["event"].startswith("refused") for line in log.lines)
    text = (
        f"{state['lines']} lines, the last one has sha256 {state['sha256'][:16]}: {n_refused} attempts refused, opened "
        f"{len(opened)} times, scanned by {n_scans} reviews"
    )
    reopened = [line for line in opened if line["event"] != unblind.AGAIN][1:]
    if reopened and not wrong:
        openings = "; ".join(f"at {line['at']} by {line['by']}: {line['event']}" for line in reopened)
        return Finding("note", _log_name(), f"{text}; OPENED MORE THAN ONCE: {openings}")
    return finding.of(_log_name(), wrong, text)


def _scan_findings(run: Run, jobs: int, token: str) -> Iterator[Finding]:
    try:
        unblinding_log.append(run, unblinding_log.SCANNED, token)
    except InputError as error:
        yield Finding("note", _SCAN, f"not done: {error}")
        return
    try:
        raw = blinded_positions.compare_with_raw_data(run)
        blinded_positions.open_positions(run)
    except InputError as error:
        exists = (run.path / layout.SEALED).exists()
        yield Finding("fault" if exists else "note", _SCAN, f"not done: {error}")
        return
    if raw == "other":
        yield Finding(
            "fault", _SCAN, f"{layout.SEALED}: does not hold the right ascensions of the raw data; not scanned"
        )
        return
    rounding = Rounding()
    with redirect_stdout(StringIO()):
        differing = unblind.differences(run, jobs, rounding)
    wrong = [f"{name}: is not what the scan gives (which is not told here)" for name, _ in differing]
    where = "" if raw == "same" else f"; {layout.SEALED} was not compared: there are no raw data here"
    yield finding.of(_SCAN, wrong, f"the same maps, hottest spots and post-trial p-values{where}", rounding)
