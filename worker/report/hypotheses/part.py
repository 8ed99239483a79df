"""Interface of the part of the report that depends on the hypothesis: figures, texts, section of the page."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from worker.report.plot import Plot
from worker.report.results import Results
from worker.report.tables import Table
from worker.spec.sections import Spec


class Section(NamedTuple):
    """The section of the page about the observed sky, with a table of all tested positions.

    `no_page` is empty if an interactive page exists, the reason if it could not be made, None if there is none.
    """

    title: str
    table: Table | None = None
    no_page: str | None = None


class Part(NamedTuple):
    """Parts of the report for a kind of scan.

    Attributes
    ----------
    plots : tuple of Plot
        Figures besides those of background, sensitivity, checks and costs, in their order.
    searched : callable
        ``searched(spec)``: how the first sentence of the page begins.
    hottest : callable
        ``hottest(results, spot)``: noun ("spot", "source") and notes for the hottest spot of the summary.
    method : callable
        ``method(spec)``: sentence on the scanned positions.
    section : callable
        ``section(results)``; also writes files beside the page.
    optional : callable
        ``optional(spec)``: figures of tests that not every such analysis has.
    """

    plots: tuple[Plot, ...]
    searched: Callable[[Spec], str]
    hottest: Callable[[Results, Mapping[str, Any]], tuple[str, tuple[str, ...]]]
    method: Callable[[Spec], str]
    section: Callable[[Results], Section]
    optional: Callable[[Spec], tuple[Plot, ...]] = lambda _: ()
