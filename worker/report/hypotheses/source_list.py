"""A list of sources in the report: p-value and limit of each, and the binomial test."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.hypotheses.source_list.sources import positions, scan_of
from worker.report import formats, scan, sources, surroundings, verdicts
from worker.report.hypotheses.part import Part, Section
from worker.report.plot import Drawing, Plot
from worker.report.results import Results
from worker.report.style import dec_text
from worker.spec.sections import Spec


def _searched(spec: Spec) -> str:
    n = len(scan_of(spec).entries)
    ends = dec_text(spec.scan.dec_min_deg), dec_text(spec.scan.dec_max_deg)
    return f"A search for {n:,} listed source" + (f"s between declinations {ends[0]} and {ends[1]}" if n > 1 else "")


def _hottest(results: Results, spot: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return "source", (spot["name"], formats.position(spot), formats.fit_text(spot))


def _method(spec: Spec) -> str:
    return (
        f"{len(scan_of(spec).entries):,} listed sources are fitted at their positions, all of them in the same skies: "
        "each sky is scrambled once and seen by every source, so that its p-values are correlated as in reality."
    )


def _section(results: Results) -> Section:
    return Section("List of sources", sources.table(results))


def _positions(results: Results) -> Drawing:
    """Hottest spots compared with all sources of the list."""
    where = positions(results.run.spec)
    return scan.positions(results, np.sin(where.dec), where.turn * 2.0 * np.pi, "sources are")


PART = Part(
    (
        Plot("sources", "scan", "Every source", sources.local, True),
        Plot("surroundings", "scan", "Events around the hottest sources", surroundings.draw, True),
        Plot("post_trial", "post_trial", "Hottest-spot distribution", scan.post_trial, True),
        Plot("binomial", "post_trial", "Binomial test over the list", sources.binomial, True),
        Plot("positions", "post_trial", "Where the hottest spots lie", _positions),
        Plot("check_n_eff", "checks", "N_eff by declination", verdicts.n_eff),
    ),
    _searched,
    _hottest,
    _method,
    _section,
)
