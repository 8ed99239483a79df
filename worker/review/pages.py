"""The report: written again from recomputed results in a scratch directory, and compared with that of the run."""

import base64
import binascii
import hashlib
import html
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from difflib import SequenceMatcher
from io import StringIO
from itertools import islice
from pathlib import Path

from worker.base import compare, finding
from worker.base.compare import Rounding
from worker.base.errors import InputError
from worker.base.finding import Finding
from worker.base.reading import file_bytes
from worker.report.produce import write_pages
from worker.review import pictures
from worker.rundir import layout
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import IS_VERSION, versions
from worker.tasks import scratch_run

_WHAT = "every number of the report"
_DRAWN = "every picture of the report, drawn again"
_TEXTS = (".md", ".html", ".txt", ".json", ".csv")
_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]*)")
_PACKED = re.compile(r"H4sI[A-Za-z0-9+/=]{64,}")  # base64 of gzip: other builds of zlib give other bytes
_PLACE = re.compile(r"<dt>run</dt><dd>([^<]*)</dd>")
_VERSION = f"(?:{IS_VERSION.pattern})"
_LARGEST = 500_000_000  # bytes that are unpacked


def findings(run: Run, root: Path) -> Iterator[Finding]:
    """Write all pages in the scratch directory `root`, and compare texts, numbers and pictures."""
    place = _original_path(run)
    try:
        with redirect_stdout(StringIO()), scratch_run.disk_errors_as_machine_errors():
            write_pages(open_run(root), place)
    except InputError as error:
        yield Finding("fault", _WHAT, f"it cannot be written again: {error}")
        return
    rounding = Rounding()
    yield compared(run, root, rounding)
    drawn = pictures.compare(run.path, root, rounded=rounding.n > 0)
    result = finding.of(_DRAWN, drawn.wrong, f"{drawn.same} pictures, the same")
    yield Finding("note", _DRAWN, pictures.coarse_note(drawn)) if result.verdict == "same" and drawn.near else result


def compared(run: Run, root: Path, rounding: Rounding | None = None) -> Finding:
    """Compare the texts and numbers of all pages."""
    rounding = Rounding() if rounding is None else rounding
    stored, remade = (path / layout.REPORT.parent for path in (run.path, root))
    names, place = (_picture_names(stored), _picture_names(remade)), _original_path(run)
    wrong, n = [], 0
    for path in sorted(remade.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".npz":
            difference = compare.file_difference(run.path / name, path, rounding)
            wrong += [f"{name}: {difference}"] if difference else []
        elif path.suffix in _TEXTS:
            try:
                stored_text = _text(file_bytes(run.path / name).decode("utf-8"), names[0])
            except (OSError, UnicodeDecodeError) as error:
                wrong.append(f"{name}: cannot be read ({error})")
                continue
            remade_text = _text(_with_path(path.read_text(encoding="utf-8"), root, place, path.suffix), names[1])
            wrong += [f"{name}: {text}" for text in _line_differences(stored_text, remade_text, rounding)]
        else:
            continue
        n += 1
    return finding.of(_WHAT, wrong, f"{n} pages and lists of numbers, the same text", rounding)


def _original_path(run: Run) -> Path:
    """Path of the run when its report was written, from the page."""
    try:
        match = _PLACE.search(file_bytes(run.path / layout.REPORT).decode("utf-8"))
    except (OSError, UnicodeDecodeError):
        match = None
    return Path(html.unescape(match[1])) if match else run.path


def _with_path(page: str, root: Path, place: Path, suffix: str) -> str:
    """A page with the scratch directory replaced by the path of the run."""
    return page.replace(str(root), html.escape(str(place)) if suffix == ".html" else str(place))


def _picture_names(folder: Path) -> dict[str, str]:
    """Names of the picture files beside a page, by sha256; the page must contain the same pictures."""
    paths = [path for path in sorted(folder.rglob("*.png")) if path.is_file()]
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in paths}


def _text(raw: str, known: Mapping[str, str]) -> list[str]:
    """Lines of a page, with pictures, packed maps and versions replaced by names or digests."""
    raw = _PICTURE.sub(lambda match: _picture_name(match[1], known), raw)
    raw = _PACKED.sub(lambda match: _unpacked(match[0]), raw)
    for name in versions():
        line = re.escape(f"<dt>{name}</dt><dd>") + rf"{_VERSION}(?: \(report: {_VERSION}\))?</dd>"
        raw = re.sub(rf"^{line}$", f"<dt>{name}</dt><dd>VERSION</dd>", raw, flags=re.MULTILINE)
    return raw.splitlines()


def _picture_name(encoded: str, known: Mapping[str, str]) -> str:
    try:
        sha256 = hashlib.sha256(base64.b64decode(encoded, validate=True)).hexdigest()
    except (binascii.Error, ValueError):
        return "a picture that cannot be read"
    return known.get(sha256, f"a picture that does not lie beside the page (sha256 {sha256[:12]})")


def _unpacked(encoded: str) -> str:
    try:
        content = zlib.decompressobj(31).decompress(base64.b64decode(encoded, validate=True), _LARGEST)
    except (binascii.Error, ValueError, zlib.error):
        return encoded
    return f"packed, sha256 {hashlib.sha256(content).hexdigest()}"


def _line_differences(stored: list[str], remade: list[str], rounding: Rounding) -> Iterator[str]:
    if stored == remade:
        return
    if len(stored) == len(remade):
        for one, other in islice(compare.line_differences(stored, remade, rounding), 3):
            yield f"says {_cut([one])}, written again {_cut([other])}"
        return
    changes = (op for op in SequenceMatcher(None, stored, remade, autojunk=False).get_opcodes() if op[0] != "equal")
    for _, a, b, c, d in islice(changes, 3):
        yield f"says {_cut(stored[a:b])}, written again {_cut(remade[c:d])}"


def _cut(lines: list[str]) -> str:
    text = " ".join(line.strip() for line in lines)
    return repr(text if len(text) < 160 else text[:157] + "...") if text else "nothing"
