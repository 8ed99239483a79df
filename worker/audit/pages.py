"""The report, written again beside the run from recomputed results, and compared with the one that is there."""

import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from difflib import SequenceMatcher
from io import StringIO
from itertools import islice
from pathlib import Path

from worker import layout
from worker.audit import finding
from worker.audit.compare import Rounding, lines
from worker.audit.finding import Finding
from worker.errors import DagmakerError
from worker.ledger import Run, open_run
from worker.record import versions
from worker.stages.report import write_pages

_WHAT = "every number of the report"
_TEXTS = (".md", ".html", ".txt", ".json", ".csv")
_PICTURE = re.compile(r"data:[a-z]+/[a-z+]+;base64,[A-Za-z0-9+/=]*")
_PLACE = re.compile(r"worker report --run=([^\s<`]+)")


def findings(run: Run, root: Path) -> Iterator[Finding]:
    """Write all pages again in the scratch directory `root`, and compare."""
    try:
        with redirect_stdout(StringIO()):
            write_pages(open_run(root))
    except DagmakerError as error:
        yield Finding("fault", _WHAT, f"it cannot be written again: {error}")
        return
    yield compared(run, root)


def compared(run: Run, root: Path) -> Finding:
    """Compare the texts of all pages; pictures may differ in bytes with the drawing library."""
    wrong, n, rounding = [], 0, Rounding()
    for path in sorted((root / layout.REPORT.parent).rglob("*")):
        if path.suffix not in _TEXTS:
            continue
        n += 1
        name = path.relative_to(root).as_posix()
        try:
            theirs = (run.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            wrong.append(f"{name}: cannot be read ({error})")
            continue
        wrong += [
            f"{name}: {text}" for text in _differences(_text(theirs), _text(path.read_text(encoding="utf-8")), rounding)
        ]
    return finding.of(_WHAT, wrong, f"{n} pages and lists of numbers, the same text", rounding)


def _text(raw: str) -> list[str]:
    """Lines without pictures, the place of the run, and versions, which are told elsewhere."""
    place = _PLACE.search(raw)
    if place:
        raw = raw.replace(place[1].strip(), "RUN")
    raw = _PICTURE.sub("", raw)
    facts = tuple(versions())
    return [line for line in raw.splitlines() if not _is_version(line, facts)]


def _is_version(line: str, names: tuple[str, ...]) -> bool:
    return any(f"<dt>{name}</dt>" in line for name in names)


def _differences(theirs: list[str], mine: list[str], rounding: Rounding) -> Iterator[str]:
    if theirs == mine:
        return
    if len(theirs) == len(mine):
        for one, other in islice(lines(theirs, mine, rounding), 3):
            yield f"says {_cut([one])}, written again {_cut([other])}"
        return
    changes = (op for op in SequenceMatcher(None, theirs, mine, autojunk=False).get_opcodes() if op[0] != "equal")
    for _, a, b, c, d in islice(changes, 3):
        yield f"says {_cut(theirs[a:b])}, written again {_cut(mine[c:d])}"


def _cut(lines: list[str]) -> str:
    text = " ".join(line.strip() for line in lines)
    return repr(text if len(text) < 160 else text[:157] + "...") if text else "nothing"
