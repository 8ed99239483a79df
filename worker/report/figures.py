"""The figures of the report in their order, and how they become files."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import matplotlib as mpl

from worker import store
from worker.errors import DagmakerError
from worker.report import background, bias, coverage, scan, sensitivity, skymaps, style, timing, verdicts
from worker.report.drawn import Drawn
from worker.report.results import Results

FOLDER = PurePosixPath("report/figures")


class Plot(NamedTuple):
    """One figure of the report.

    Attributes
    ----------
    name : str
        Of its files.
    section : str
        Of the page.
    title : str
    draw : callable
        Raises a `DagmakerError` where what it shows is not there.
    """

    name: str
    section: str
    title: str
    draw: Callable[[Results], Drawn]


@dataclass(frozen=True)
class Figured:
    """A figure that was drawn, or the reason why not.

    Attributes
    ----------
    plot : Plot
    caption : str
        Empty without a figure.
    png : bytes
        Empty without a figure.
    size : (int, int)
        Of the picture, in pixels.
    reason : str
        Why there is no figure.
    error : Exception or None
        Where drawing failed for another reason than a missing result: the page is written, then it is raised.
    """

    plot: Plot
    caption: str = ""
    png: bytes = b""
    size: tuple[int, int] = (0, 0)
    reason: str = ""
    error: Exception | None = None


PLOTS = (
    Plot("coverage", "background", "Declination grid and trial counts", coverage.draw),
    Plot("ts_panels", "background", "Background TS distributions", background.panels),
    Plot("ts_heat", "background", "Background TS against declination", background.heat),
    Plot("fit_parameters", "background", "Fit parameters against declination", background.parameters),
    Plot("survival", "background", "From TS to p-value", background.survival),
    Plot("sensitivity", "sensitivity", "Sensitivity and discovery potential", sensitivity.fluxes),
    Plot("passing", "sensitivity", "Passing fractions", sensitivity.passing),
    Plot("bias", "sensitivity", "Fitted against injected", bias.draw),
    Plot("skymaps", "scan", "Sky maps", skymaps.whole),
    Plot("zoom", "scan", "Around the hottest spot", skymaps.zoom),
    Plot("ts_against_p", "scan", "TS against p-value", scan.ts_against_p),
    Plot("post_trial", "post_trial", "Hottest-spot distribution", scan.post_trial),
    Plot("positions", "post_trial", "Where the hottest spots lie", scan.positions),
    Plot("check_uniform", "checks", "P-values of background trials", verdicts.uniform),
    Plot("check_thresholds", "checks", "How far the trials reach", verdicts.thresholds),
    Plot("check_smooth", "checks", "Peaks and their neighbours", verdicts.smooth),
    Plot("timing", "timing", "CPU time and memory", timing.draw),
)


def make(results: Results, plot: Plot) -> Figured:
    """Draw one figure and write it as PNG and PDF; a stale one is removed where it cannot be drawn."""
    path = results.run.path
    png, pdf = FOLDER / f"{plot.name}.png", FOLDER / f"{plot.name}.pdf"
    try:
        with mpl.rc_context(style.RC):
            drawn = plot.draw(results)
            style.mark(drawn.figure, results.mark)
            buffer = io.BytesIO()
            drawn.figure.savefig(buffer, format="png", metadata={"Software": None})
            drawn.figure.set_layout_engine("none")  # it has been laid out: the PDF need not do it again
            store.save_file(path, png, lambda file: file.write_bytes(buffer.getvalue()))
            quiet = {"CreationDate": None, "Creator": None, "Producer": None}
            store.save_file(path, pdf, lambda file: drawn.figure.savefig(file, format="pdf", metadata=quiet))
    except DagmakerError as error:
        _remove(path / png, path / pdf)
        return Figured(plot, reason=str(error))
    except Exception as error:  # the page tells what is there; the error is raised once it is written
        _remove(path / png, path / pdf)
        return Figured(plot, reason=f"drawing failed: {type(error).__name__}: {error}", error=error)
    width, height = drawn.figure.get_size_inches() * style.DPI
    return Figured(plot, drawn.caption, buffer.getvalue(), (round(width), round(height)))


def _remove(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)
