"""`python -m tests.mutations RUN N`: N damaged copies of a finished run, through the commands that read its files.

Prints what ended with a traceback, took over 5 s of CPU time or waited, then the counts.
"""

import contextlib
import io
import json
import random
import resource
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from dagmaker import cli
from dagmaker.htcondor import repair
from dagmaker.review import verify_plan
from tests.mutations import Ended
from worker.cli import main as worker_cli
from worker.report import figures
from worker.report.figures import FigureFiles

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 0.5, 1e308, float("nan"), float("inf"), 10**400, "", "x", "x" * 100_000, "../../etc", "\0",
    "\ud800", [], {}, [[]], [None], [{}], {"x": 1}, [1, 2, 3],
)  # fmt: skip
TEXTS = (
    b"", b"{", b"null", b"[]", b"{}", b'"x"', b"7", b"NaN", b"\xff\xfe\0", b"[" * 100_000, b'{"a":' * 100_000,
    b"9" * 100_000, b'{"n_skies": 1e999}', b"[{}]", b"[null]", b"\0" * 4096,
)  # fmt: skip
READ_BY_HUMANS = (".html", ".md", ".png", ".pdf", ".txt", ".csv", ".fits", ".log", ".err", ".js")
WAITS_S = 120


def _inner(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: what holds it, and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _inner(item)


def mutated(raw: bytes, suffix: str, dice: random.Random) -> tuple[str, bytes]:
    """What was done to a file, and its bytes after that."""
    how = dice.choice(
        ("text", "cut", "flip", "value", "value", "value", "drop", "swap") if suffix != ".npy" else ("cut", "flip")
    )
    if how == "text" or not raw:
        text = dice.choice(TEXTS)
        return f"is {text[:20]!r}", text
    if how == "cut":
        n = dice.randrange(len(raw))
        return f"is cut after {n} bytes", raw[:n]
    try:
        document = json.loads(raw)
        places = list(_inner(document))
        holder, key = dice.choice(places)
    except (ValueError, IndexError):
        at = dice.randrange(len(raw))
        return f"byte {at} is flipped", raw[:at] + bytes([raw[at] ^ (1 << dice.randrange(8))]) + raw[at + 1 :]
    value: Any = dice.choice(VALUES)
    if how == "drop":
        del holder[key]
    elif how == "swap":
        other, its = dice.choice(places)
        holder[key], other[its] = json.loads(json.dumps([other[its], holder[key]]))
    else:
        holder[key] = value
    return f"{how} {key}" + (f" = {value!r:.30}" if how in ("value", "flip") else ""), json.dumps(document).encode()


def commands(run: Path, rel: str) -> Iterator[tuple[Callable[[list[str]], int], list[str]]]:
    """What reads a run; the slow ones only where they read such a file."""
    for word in ("status", "efficiency", "verify-plan"):
        yield cli.main, [word, str(run)]
    yield cli.main, ["diff", str(run), str(run)]
    tasks = ["verify", "streams", "rounds", "distributions", "post_trial", "upper_limits", "unblind --token=a-b-c"]
    tasks += ["sensitivity"] if rel.startswith(("collected/sig", "prepared")) else []
    tasks += ["collect_scan"] if rel.startswith(("collected", "trials", "prepared")) and "/sig" not in rel else []
    for task in [*tasks, "report"]:
        yield worker_cli.main, [*task.split(), f"--run={run}"]
    yield cli.main, ["repair", str(run), "--set_aside"]
    yield cli.main, ["restore", str(run)]


class _WaitedError(Exception):
    pass


def _waited(_number: int, _frame: FrameType | None) -> None:
    raise _WaitedError(f"waited for {WAITS_S} s")


def _in_process(run: Path, task: str) -> Any:
    """What `dagmaker.review.verify_plan._worker` asks a process for."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = worker_cli.main([task, f"--run={run}"])
    return "refused" if code else json.loads(said.getvalue().splitlines()[-1])


def _checked(run: Path, _jobs: int) -> tuple[int, list[repair.Fault]]:
    """What `dagmaker.htcondor.repair.verify` asks a process for."""
    from worker.review.verify import verify

    with contextlib.redirect_stdout(io.StringIO()):
        found = verify(run, 1)
    return found["checked"], [repair.Fault(**fault) for fault in found["faults"]]


def _no_figure(_results: Any, plot: Any) -> FigureFiles:
    return FigureFiles(plot, reason="not drawn here")


def ended(run: Path, main: Callable[[list[str]], int], words: list[str]) -> Ended:
    """One command in this process."""
    said, began = io.StringIO(), time.process_time()
    with (
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
        mock.patch.object(verify_plan, "_worker", _in_process),
        mock.patch.object(repair, "verify", _checked),
        mock.patch.object(figures, "make", _no_figure),
        mock.patch("worker.report.data_summary.write_of", lambda run: None),
    ):
        signal.alarm(WAITS_S)
        try:
            code = main(words)
        finally:
            signal.alarm(0)
    return Ended(code, time.process_time() - began, said.getvalue())


def fault(found: Ended) -> str:
    """What is wrong with it; empty if nothing: whether it refuses, finds faults or goes on is its own affair."""
    return Ended(0, found.cpu_s, "Traceback" if "Traceback" in found.printed else "").fault


def files(run: Path) -> list[str]:
    """What programs read of a run."""
    found = (path for path in sorted(run.rglob("*")) if path.is_file() and path.suffix not in READ_BY_HUMANS)
    return [str(path.relative_to(run)) for path in found]


def everything(run: Path, n: int, seed: int) -> Iterator[tuple[str, Ended]]:
    """Each damaged copy and command; one file of each kind in turn, since trials are many and alike."""
    dice = random.Random(seed)
    kinds: dict[str, list[str]] = {}
    for rel in files(run):
        kinds.setdefault(
            Path(rel).parts[0] + "".join(Path(rel).suffixes[-2:]) if "/" in rel else Path(rel).suffix, []
        ).append(rel)
    signal.signal(signal.SIGALRM, _waited)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        for number in range(n):
            rel = dice.choice(kinds[sorted(kinds)[number % len(kinds)]])
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(run, copy)
            how, raw = mutated((run / rel).read_bytes(), Path(rel).suffix, dice)
            (copy / rel).write_bytes(raw)
            for main, words in commands(copy, rel):
                yield f"{words[0]}: {rel} {how}", ended(copy, main, words)


def main(run: Path, n: int, seed: int = 1) -> None:
    """Print what is wrong, and the counts."""
    counts: Counter[int] = Counter()
    slowest, faults = 0.0, 0
    for name, found in everything(run, n, seed):
        counts[found.code] += 1
        slowest = max(slowest, found.cpu_s)
        if why := fault(found):
            faults += 1
            print(f"{name}: {why}: {found.printed[-600:]}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    codes = ", ".join(f"{n} with exit code {code}" for code, n in sorted(counts.items()))
    print(
        f"{n} files, {counts.total()} commands: {codes}; {faults} faults; the slowest took {slowest:.2f} s; "
        f"{peak} MB at most"
    )
