"""What a hypothesis adds to the report: its figures, its words, its section of the page."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from worker.report.plot import Plot
from worker.report.results import Results
from worker.report.tables import Table
from worker.spec.sections import Spec


class Section(NamedTuple):
    """The section of the page about the observed sky.

    Attributes
    ----------
    title : str
    table : Table or None
        Of everything that was tested.
    no_page : str or None
        Empty where there is an interactive page beside this one, or why it could not be made; None: there is none.
    """

    title: str
    table: Table | None = None
    no_page: str | None = None


class Part(NamedTuple):
    """What the report asks of a kind of scan.

    Attributes
    ----------
    plots : tuple of Plot
        Figures besides those of background, sensitivity, checks and costs, in their order.
    searched : callable
        ``searched(spec)``: how the first sentence of the page begins.
    hottest : callable
        ``hottest(results, spot)``: what is hottest, and notes, from the hottest spot of the summary.
    method : callable
        ``method(spec)``: what is scanned, in a sentence.
    section : callable
        ``section(results)``; writes what lies beside the page.
    """

    plots: tuple[Plot, ...]
    searched: Callable[[Spec], str]
    hottest: Callable[[Results, Mapping[str, Any]], tuple[str, tuple[str, ...]]]
    method: Callable[[Spec], str]
    section: Callable[[Results], Section]
