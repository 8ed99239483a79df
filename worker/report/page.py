"""RUN/report: one self-contained page, and the figures as files."""

import base64
from pathlib import Path, PurePosixPath
from typing import Any

from worker.report import (
    figures,
    formats,
    headline,
    method,
    missing_results,
    provenance,
    rounds,
    sources,
    tables,
    unblinded,
    verdict_strip,
)
from worker.report.figures import FigureFiles
from worker.report.hypotheses.table import part_of
from worker.report.results import Results, load
from worker.report.template import PAGE, render
from worker.rundir import layout, store
from worker.rundir.ledger import Run

MARKDOWN = PurePosixPath("report/report.md")
LONGEST_LINE = 500


def write(run: Run, place: Path | None = None) -> None:
    """Write RUN/report/{index.html, skymap.html, report.md, figures/*} from the available results.

    The page names missing results. An error in drawing is raised after the page is written. `worker report` writes
    results/summary.json first. `place` is the path of the run that the page shows.
    """
    results = load(run, place)
    opened = unblinded.section(results)
    drawn = [figures.make(results, plot) for plot in figures.chosen(results)]
    part = part_of(run.spec)
    values = _values(results, drawn) | {"unblinded": opened, "section": part.section(results) if part else None}
    store.save_text(run.path, MARKDOWN, render("report.md.j2", values))
    store.save_text(run.path, layout.REPORT, render(PAGE, values))
    for figured in drawn:
        if figured.error is not None:
            raise figured.error


def _values(results: Results, drawn: list[FigureFiles]) -> dict[str, Any]:
    """Everything the templates may use."""
    checks = [dict(check) for check in results.summary.get("checks") or []]
    return {
        "name": results.run.spec.name,
        "label": results.label,
        "sky": results.sky,
        "point": results.points.what[:-1],
        "plugin": results.run.spec.engine.kind == "plugin",
        "searched": headline.search_sentence(results),
        "cards": headline.cards(results),
        "absent": missing_results.sentences(results),
        "seasons": (results.summary.get("data") or {}).get("seasons") or [],
        "data_page": (results.run.path / layout.DATA_PAGE).exists(),
        "method": method.paragraphs(results),
        "figures": {section: [_figure(f) for f in drawn if f.plot.section == section] for section in figures.SECTIONS},
        "background": tables.background(results),
        "sensitivity": tables.sensitivity(results),
        "flux_unit": formats.strength(results.run.spec).unit,
        "rounds": rounds.table(results),
        "level_note": results.summary.get("level_note"),
        "not_bracketed": tables.not_bracketed(results),
        "strip": verdict_strip.entries(results),
        "hottest": tables.hottest(results),
        "unlimited": sources.missing_limits(results),
        "skies": tables.skies(results),
        "timing": tables.timing(results),
        "processes": tables.processes(results),
        "checks": tables.checks(results),
        "drawn": [figured.plot.name for figured in drawn if figured.png],
        "n_failed": sum(not check["passed"] for check in checks),
        "waived": [check["name"] for check in checks if check.get("waived")],
        "blocking": [check["name"] for check in checks if check.get("blocks")],
        "commands": provenance.commands(results),
        "facts": provenance.facts(results),
        "spec": _shown((results.run.path / layout.SPEC).read_text(encoding="utf-8")),
    }


def _shown(spec: str) -> str:
    """The text of a spec; of its longest lines the beginning, since a frozen map has 100,000 characters."""
    return "\n".join(_cut(line) for line in spec.splitlines())


def _cut(line: str) -> str:
    more = len(line) - LONGEST_LINE
    return f"{line[:LONGEST_LINE]} ... ({more:,} more characters in {layout.SPEC})" if more > 0 else line


def _figure(figured: FigureFiles) -> dict[str, Any]:
    return {
        "name": figured.plot.name,
        "title": figured.plot.title,
        "caption": figured.caption,
        "reason": figured.reason,
        "width": figured.size[0],
        "height": figured.size[1],
        "files": [f"{figured.plot.name}.png", f"{figured.plot.name}.pdf", figured.data],
        "data": base64.b64encode(figured.png).decode("ascii"),
    }
