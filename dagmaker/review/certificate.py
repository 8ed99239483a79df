"""Certificate of a review, as Markdown, HTML and JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dagmaker.plan import templates
from dagmaker.review.verdict import MARKS
from worker.base.atomic import Written, write_all
from worker.base.finding import Finding

FOLDER = PurePosixPath("review")


@dataclass(frozen=True)
class Certificate:
    """The outcome of a review.

    Attributes
    ----------
    reviewed_at : str
        UTC.
    environment : str
        Origin of the reviewing program.
    wall_s : float, s
    token : str
        Token for unblinding; if empty, `no_token` has the reason.
    real_sky_log : mapping
        Number of lines of the log of the real sky, and sha256 of the last one, to detect removed lines.
    """

    name: str
    run: str
    spec_digest: str
    reviewed_at: str
    reviewer: str
    environment: str
    sample: int
    wall_s: float
    lines: tuple[Finding, ...]
    token: str = ""
    no_token: str = ""
    real_sky_log: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """reproduced; reproduced, but; not reproduced."""
        kinds = {line.verdict for line in self.lines}
        if "fault" in kinds:
            return "not reproduced"
        return "reproduced, but" if "note" in kinds else "reproduced"

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {"outcome": self.outcome, **asdict(self), "lines": [line._asdict() for line in self.lines]}


def write(folder: Path, certificate: Certificate) -> list[Path]:
    """Write certificate.{json,md,html} into `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "certificate.json": json.dumps(certificate.as_json(), indent=2, ensure_ascii=False) + "\n",
        "certificate.md": "\n".join(_markdown(certificate)) + "\n",
        "certificate.html": _page(certificate) + "\n",
    }
    write_all(folder, [Written(PurePosixPath(name), text.encode()) for name, text in texts.items()])
    return [folder / name for name in texts]


def _facts(c: Certificate) -> Sequence[tuple[str, str]]:
    sample = f"{c.sample} files of trials of each kind, those with the largest TS, and the rows that decide results"
    return (
        ("run", c.run),
        ("spec digest", c.spec_digest),
        ("reviewed", f"{c.reviewed_at} by {c.reviewer}, in {c.wall_s:.0f} s"),
        ("environment", c.environment),
        ("sample", sample),
        ("log of the real sky", _log(c.real_sky_log)),
        ("token for unblinding", c.token or f"none: {c.no_token}"),
    )


def _log(state: Mapping[str, Any]) -> str:
    if not state.get("lines"):
        return "no line: the real sky was not opened in this directory"
    return f"{state['lines']} lines, sha256 of the last one {state['sha256']}"


def _markdown(c: Certificate) -> Iterator[str]:
    yield f"# {c.name}: {c.outcome}\n"
    for key, value in _facts(c):
        yield f"- {key}: {value}"
    yield "\n| | what was compared | what was found |\n|---|---|---|"
    for line in c.lines:
        cells = (MARKS[line.verdict], line.what, line.found)
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _page(c: Certificate) -> str:
    values = {"name": c.name, "outcome": c.outcome, "facts": _facts(c), "lines": c.lines, "names": MARKS}
    return templates.page("review/certificate.html.j2", values)
