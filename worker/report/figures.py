"""The figures of the report in their order; draws and writes them."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worker.base.errors import DagmakerError
from worker.report import background, bias, coverage, numbers, sensitivity, style, tail, timing, verdicts
from worker.report.hypotheses.table import part_of, plots_of
from worker.report.plot import Drawing, Plot
from worker.report.results import Results
from worker.rundir import store

FOLDER = PurePosixPath("report/figures")


@dataclass(frozen=True)
class FigureFiles:
    """A drawn figure, or the reason why there is none.

    Attributes
    ----------
    size : (int, int)
        Pixels of the picture.
    data : str
        Name of the file with its numbers, beside the picture.
    error : Exception or None
        Error in drawing other than a missing result; raised after the page is written.
    """

    plot: Plot
    caption: str = ""
    png: bytes = b""
    size: tuple[int, int] = (0, 0)
    data: str = ""
    reason: str = ""
    error: Exception | None = None


SECTIONS = ("top", "scan", "post_trial", "scrambled", "sensitivity", "checks", "background", "timing")
"""Sections of the page."""


def chosen(results: Results) -> list[Plot]:
    """Figures of every run and of its hypothesis."""
    part = part_of(results.run.spec)
    of_tail: tuple[Plot, ...] = () if results.run.spec.background.tail == "none" else TAIL
    of_tail += () if results.run.spec.scan.post_trial.tail == "none" else PATCHES
    of_part = (*part.plots, *part.optional(results.run.spec)) if part else ()
    before = (
        [_before(plot) for plot in of_part if plot.of_sky and plot.section != "top"] if results.is_unblinded else []
    )
    plots = sorted(
        (*PLOTS, *plots_of(results.run.spec), *of_tail, *of_part, *before),
        key=lambda plot: SECTIONS.index(plot.section),
    )
    return [plot if results.points.on_sky else plot._replace(title=plot.of_points or plot.title) for plot in plots]


def _before(plot: Plot) -> Plot:
    """The figure of an observed sky as it was before unblinding."""
    return Plot(f"scrambled_{plot.name}", "scrambled", f"{plot.title}: scrambled sky", plot.draw)


PLOTS = (
    Plot("ts_panels", "background", "Background TS distributions", background.panels),
    Plot(
        "ts_heat",
        "background",
        "Background TS against declination",
        background.heat,
        of_points="Background TS of all points",
    ),
    Plot(
        "fit_parameters",
        "background",
        "Fit parameters against declination",
        background.parameters,
        of_points="Fit parameters of all points",
    ),
    Plot("survival", "background", "From TS to p-value", background.survival),
    Plot(
        "coverage",
        "background",
        "Declination grid and trial counts",
        coverage.draw,
        of_points="Points and trial counts",
    ),
    Plot("sensitivity", "sensitivity", "Sensitivity and discovery potential", sensitivity.fluxes),
    Plot("passing", "sensitivity", "Passing fractions", sensitivity.passing),
    Plot("bias", "sensitivity", "Fitted against injected", bias.draw),
    Plot("check_uniform", "checks", "P-values of background trials", verdicts.uniform),
    Plot("check_thresholds", "checks", "How far the trials reach", verdicts.thresholds),
    Plot("timing", "timing", "CPU time and memory", timing.draw),
)


TAIL = (Plot("check_tail", "checks", "Weights of tilted trials", tail.draw),)
"""Figures of an analysis with tilted trials."""
PATCHES = (Plot("check_pixel_sum", "checks", "Local p of all pixels", verdicts.pixel_sum),)
"""Figures of an analysis with patches."""


def make(results: Results, plot: Plot) -> FigureFiles:
    """Draw one figure and write it as PNG and PDF, with its numbers; removes old files if it cannot be drawn."""
    path, stem = results.run.path, FOLDER / plot.name
    try:
        with style.settings():
            shown = results if plot.of_sky else results.blind
            drawn = plot.draw(shown)
            style.mark(drawn.figure, shown.mark)
            png = _save(path, stem, drawn)
        data = numbers.save(path, stem, drawn.numbers, shown.mark).name
    except DagmakerError as error:
        _remove(path, stem)
        return FigureFiles(plot, reason=str(error))
    except Exception as error:  # the page is written first, then the error is raised
        _remove(path, stem)
        return FigureFiles(plot, reason=f"drawing failed: {type(error).__name__}: {error}", error=error)
    width, height = drawn.figure.get_size_inches() * style.DPI
    return FigureFiles(plot, drawn.caption, png, (round(width), round(height)), data)


def _save(run: Path, stem: PurePosixPath, drawn: Drawing) -> bytes:
    """Write PNG and PDF, without a clock or a version in them; returns the PNG."""
    png = style.png(drawn.figure)
    store.save_file(run, stem.with_suffix(".png"), lambda file: file.write_bytes(png))
    quiet = {"CreationDate": None, "Creator": None, "Producer": None}
    store.save_file(
        run, stem.with_suffix(".pdf"), lambda file: drawn.figure.savefig(file, format="pdf", metadata=quiet)
    )
    return png


def _remove(run: Path, stem: PurePosixPath) -> None:
    for suffix in (".png", ".pdf"):
        (run / stem.with_suffix(suffix)).unlink(missing_ok=True)
    numbers.remove(run, stem)
