"""data_summary: one page about the data of an analysis, from the prepared data of a run or from the files of a spec."""

import base64
import math
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from worker import data
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError, SpecError
from worker.data.dataset import Dataset
from worker.data.describe import season_numbers
from worker.data.prepared import content_digest
from worker.report import data as figures
from worker.report import densities, spread, style
from worker.report import numbers as figure_numbers
from worker.report.plot import Drawing
from worker.report.template import render
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.spec.point import Point
from worker.spec.sections import Spec
from worker.spec.specfile import load
from worker.tasks import context


def of_run(path: Path) -> dict[str, Any]:
    """Write RUN/report/data.{html,txt,json,...} from the prepared data; returns its numbers."""
    run = open_run(path)
    numbers = write_of(run)
    print(f"-> {layout.DATA_PAGE}")
    return numbers


def write_of(run: Run) -> dict[str, Any]:
    """Write the page of a run; InputError if its data are not prepared."""
    return write(run.path, layout.DATA_PAGE, run.spec, context.described(run))


def of_spec(spec_path: Path, output: Path) -> dict[str, Any]:
    """Read the files that a spec describes, and write DIR/data.{html,txt,json,...}; returns its numbers."""
    spec = load(spec_path)
    dataset = context.with_notes_or_refusal(data.read(spec), spec)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be made ({error.strerror}); choose another --output") from None
    page = PurePosixPath(layout.DATA_PAGE.name)
    numbers = write(output, page, spec, dataset)
    print((output / page.with_suffix(".txt")).read_text(encoding="utf-8"), end="")
    print(f"-> {output / page}")
    return numbers


def write(folder: Path, page: PurePosixPath, spec: Spec, dataset: Dataset) -> dict[str, Any]:
    """Write the page as HTML, text and JSON, and its figures; returns its numbers."""
    if not dataset.seasons:
        raise SpecError(f"{spec.name}: the plug-in reads its own data: there is no page about them")
    numbers = _numbers(spec, dataset)
    drawn = []
    for name, title, draw in _figures(spec, dataset):
        with style.settings():
            figure = draw()
            style.mark(figure.figure, f"{spec.name}: {dataset.label} data")
            png = style.png(figure.figure)
        write_all(folder, [Written(page.with_name(f"{name}.png"), png)])
        figure_numbers.save(folder, page.with_name(name), figure.numbers, f"{spec.name}: {dataset.label} data")
        width, height = (round(x * style.DPI) for x in figure.figure.get_size_inches())
        image = base64.b64encode(png).decode("ascii")
        drawn.append({"title": title, "caption": figure.caption, "data": image, "width": width, "height": height})
    store.save_json(folder, page.with_suffix(".json"), numbers)
    store.save_text(folder, page.with_suffix(".txt"), text_of(numbers))
    seasons = [{**season, **_table_cells(season)} for season in numbers["seasons"]]
    store.save_text(folder, page, render("data.html.j2", {**numbers, "seasons": seasons, "figures": drawn}))
    return numbers


def _figures(spec: Spec, dataset: Dataset) -> Iterator[tuple[str, str, Callable[[], Drawing]]]:
    """Name of the files, title, and function that draws the figure."""
    yield "data_events", "Events", lambda: figures.events(dataset)
    yield "data_response", "Response", lambda: figures.response(dataset)
    engine = context.with_densities(dataset, spec)
    if engine is not None:
        names, counts = [season.name for season in dataset.seasons], engine.band_counts()
        yield "data_densities", "Events against background densities", lambda: densities.draw(names, counts)
        at, gamma = min(spec.all_points, key=_from_the_horizon), spec.signal.gammas[0]
        curves, dec_deg = engine.spread(at, gamma), math.degrees(at.model.dec[0])
        yield "data_spread", "Point-spread function of the likelihood", lambda: spread.draw(curves, dec_deg, gamma)


def _from_the_horizon(at: Point) -> float:
    """Angle between the source of a point and the celestial equator, rad."""
    return abs(at.model.dec[0])


def _numbers(spec: Spec, dataset: Dataset) -> dict[str, Any]:
    seasons = [season_numbers(season) for season in dataset.seasons]
    return {
        "name": spec.name,
        "label": dataset.label,
        "format": spec.data.format,
        "digest": content_digest(dataset, spec.hypothesis.timed),
        "n_events": sum(season["n_events"] for season in seasons),
        "livetime_days": sum(season["livetime_days"] for season in seasons),
        "seasons": seasons,
    }


def _table_cells(season: dict[str, Any]) -> dict[str, str]:
    """Quantiles and the response as text for a table."""
    made = season["response"]
    grid = made.get("energy_and_declination_bins")
    detail = f"{grid[0]} × {grid[1]} bins" if grid else f"{made['declination_bands']} bands"
    return {
        "energy": _range(season["log10_energy_gev"], ".2f"),
        "sigma": _range(season["sigma_deg"], ".2f", "°"),
        "made_of": f"{made['n']:,} {made['kind']}, {detail}",
    }


def _range(quantiles: dict[str, float] | None, form: str, unit: str = "") -> str:
    if quantiles is None:
        return "none"
    low, middle, high = (format(quantiles[q], form) for q in ("q05", "q50", "q95"))
    return f"{middle}{unit} ({low} to {high})"


def text_of(numbers: dict[str, Any]) -> str:
    """The page as plain text."""
    lines = [
        f"{numbers['name']}: {numbers['label']} data, format {numbers['format']}, {numbers['n_events']:,} events, "
        f"{numbers['livetime_days']:,.1f} days, digest {numbers['digest'][:16]}",
        "",
        f"{'season':<12} {'events':>9} {'usable':>9} {'days':>9} {'per day':>8}  {'log10(E/GeV)':<22} {'sigma':<22} "
        "response",
    ]
    for season in numbers["seasons"]:
        cells = _table_cells(season)
        lines.append(
            f"{season['name']:<12} {season['n_events']:>9,} {season['n_usable_sigma']:>9,} "
            f"{season['livetime_days']:>9,.2f} {season['events_per_day']:>8,.1f}  {cells['energy']:<22} "
            f"{cells['sigma']:<22} {cells['made_of']}"
        )
    lines += ["", *(f"{season['name']}: {note}" for season in numbers["seasons"] for note in season["notes"])]
    return "\n".join(lines) + "\n"
