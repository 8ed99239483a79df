"""The report of a real small run: complete, incomplete, damaged; alone in its file, and the same twice."""

import csv
import dataclasses
import io
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests import report_run
from worker.base.errors import InputError, RefusedError
from worker.report import figures, formats, headline, interactive, numbers, page, produce, sensitivity
from worker.report.hypotheses import sky
from worker.report.plot import Drawing, Plot
from worker.report.results import load
from worker.report.summary import summary
from worker.rundir import layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.point import declination
from worker.spec.reference import Reference

PLOTS = (*figures.PLOTS, *sky.PART.plots)  # this run scans the whole sky
NAMES = [plot.name for plot in PLOTS]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(reported_run: Path) -> Path:
    """A finished run with its report."""
    return reported_run


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(done, tmp_path / "run"))


class Links(HTMLParser):
    """Everything on a page that a browser would load or follow, and its visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key in ("src", "href", "srcset", "data", "poster", "action", "background"):
                self.loaded.append(value or "")
            if key == "id":
                self.ids.add(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(run: Path) -> Links:
    """The page, parsed."""
    parsed = Links()
    parsed.feed((run / layout.REPORT).read_text(encoding="utf-8"))
    return parsed


def refresh(run: Path) -> Any:
    """Write summary.json again, as the report does, and read the results."""
    store.save_json(run, layout.SUMMARY, summary(open_run(run)))
    return load(open_run(run))


def plot(name: str) -> Plot:
    """A figure by its name."""
    return next(p for p in PLOTS if p.name == name)


def is_trivial(png: bytes) -> bool:
    """Whether a picture shows next to nothing below its mark."""
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")[40:, :, :3]
    drawn = np.mean(np.any(pixels < 0.97, axis=2))
    colors = len(np.unique((pixels * 15).astype(int) @ (256, 16, 1)))
    return bool(drawn < 0.01 or colors < 8)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_there_and_shows_something(done: Path, name: str) -> None:
    png = (done / figures.FOLDER / f"{name}.png").read_bytes()
    assert not is_trivial(png)
    assert (done / figures.FOLDER / f"{name}.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_its_numbers_beside_it(done: Path, name: str) -> None:
    [file] = [f for f in (done / figures.FOLDER).glob(f"{name}.*") if f.suffix in numbers.SUFFIXES]
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            assert str(arrays["mark"]) == "tiny: synthetic data, scrambled sky"
            assert len(arrays.files) > 1
            assert all(arrays[key].size for key in arrays.files)
    else:
        assert len(table(file)) > 0


def test_numbers_are_those_of_the_summary(done: Path) -> None:
    found = json.loads((done / layout.SUMMARY).read_text())
    rows = table(done / figures.FOLDER / "sensitivity.csv")
    told = sorted((float(row["dec_deg"]), row["flux"]) for row in rows)
    wanted = [row for kind in ("sensitivity", "discovery", "discovery_lower") for row in found.get(kind) or []]
    assert told == sorted((r["dec_deg"], "" if r["flux"] is None else repr(r["flux"])) for r in wanted)
    with np.load(done / figures.FOLDER / "skymaps.npz") as arrays:
        kept = np.load(done / layout.map_file(16))
        assert arrays["ts"] == pytest.approx(kept[1], nan_ok=True)


def table(file: Path) -> list[dict[str, str]]:
    """A CSV beside a figure: a line that says what data it shows, names, rows."""
    mark, _, rest = file.read_text(encoding="utf-8").partition("\n")
    assert mark == "# tiny: synthetic data, scrambled sky"
    return list(csv.DictReader(io.StringIO(rest)))


def test_a_blank_picture_is_trivial() -> None:
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.ones((200, 300, 3)), format="png")
    assert is_trivial(buffer.getvalue())


def test_the_page_needs_nothing_else(done: Path) -> None:
    found = read(done)
    assert sum(link.startswith("data:image/png;base64,") for link in found.loaded) == len(NAMES)
    for link in found.loaded:
        beside = (done / layout.REPORT).parent / link
        assert link.startswith("data:") or link[1:] in found.ids or beside.parent.name in ("report", "figures"), link[
            :80
        ]
        assert link.startswith(("data:", "#")) or beside.is_file()
    assert not {"script", "link", "iframe", "object", "embed"} & set(found.tags)
    raw = (done / layout.REPORT).read_text(encoding="utf-8")
    assert "@import" not in raw
    assert "url(" not in raw


def test_headline_and_tables_say_what_the_summary_says(done: Path) -> None:
    found = json.loads((done / layout.SUMMARY).read_text())
    text = " ".join(read(done).text.split())
    post = found["post_trial"]
    assert formats.p_value(post["p"]) in text
    assert f"{post['k']} of {post['n']} background skies are at least as hot" in text
    assert f"−log₁₀ p = {found['scan']['hottest']['mlog10p']:.2f}" in text
    for row in found["background"]:
        assert formats.plain(row["eta"], 4) in text
    known = [row for kind in ("sensitivity", "discovery") for row in found[kind] if row["flux"]]
    assert known
    for row in known:
        assert " ".join(formats.power(row["flux"], row["flux_error"]).split()) in text
    for check in found["checks"]:
        assert " ".join(check["sentence"].split()) in text
    for note in found["data"]["seasons"][0]["notes"]:
        assert note in text


def test_data_and_sky_are_marked_everywhere(done: Path) -> None:
    raw = (done / layout.REPORT).read_text(encoding="utf-8")
    assert "synthetic data</span>" in raw
    assert "scrambled sky</span>" in raw
    assert "real right ascensions were not opened" in raw
    results = load(open_run(done))
    assert results.mark == "tiny: synthetic data, scrambled sky"
    drawn = plot("sensitivity").draw(results)
    figures.style.mark(drawn.figure, results.mark)
    assert [text.get_text() for text in drawn.figure.texts] == [results.mark]


def test_the_same_run_gives_the_same_page(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "chosen", lambda _: [plot("coverage"), plot("skymaps")])
    pages = []
    for _ in range(2):
        page.write(open_run(copy))
        pages.append([(copy / rel).read_bytes() for rel in (layout.REPORT, figures.FOLDER / "skymaps.pdf")])
    assert pages[0] == pages[1]


def test_no_figure_stays_open(done: Path) -> None:
    assert plt.get_fignums() == []


def test_nothing_done_yet(tmp_path: Path) -> None:
    run = report_run.built(tmp_path / "run")
    produce.report(run, None, None)
    text = " ".join(read(run).text.split())
    assert "This run is not complete." in text
    for task in ("prepare", "distributions", "sensitivity", "collect_scan", "post_trial"):
        assert f"worker {task}" in text
    assert "background trials at 0 of 3" in text
    assert "sig_trials: 9 of 9 files missing." in text
    assert "unprepared data" in text
    # The grid is known from the plan alone: its figure shows that every trial is missing.
    assert [f.name for f in (run / figures.FOLDER).glob("*.png")] == ["coverage.png"]


def test_a_failed_dag_still_gets_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "chosen", lambda _: [plot("timing")])
    run = report_run.built(tmp_path / "run")
    with pytest.raises(RefusedError, match="the DAG did not succeed"):
        produce.report(run, 2, 1)
    assert "no file has a record of its cost" in read(run).text


@pytest.mark.parametrize(
    ("lost", "without"),
    [
        (layout.SENSITIVITY, {"sensitivity", "passing", "bias"}),
        (layout.SCAN, {"post_trial"}),
        (layout.POST_TRIAL, {"post_trial"}),
        (layout.map_file(16), {"skymaps", "zoom", "spots", "ts_against_p"}),
        (layout.skies_file(), {"positions"}),
        (layout.bg_collected(declination(5.0)), set[str]()),
    ],
)
def test_what_is_lost_is_left_out_and_said(copy: Path, lost: PurePosixPath, without: set[str]) -> None:
    (copy / lost).unlink()
    results = refresh(copy)
    drawn = {name: figures.make(results, plot(name)) for name in {*without, "coverage", "timing"}}
    assert {name for name, figured in drawn.items() if not figured.png} == without
    for name in without:
        assert drawn[name].reason
        assert drawn[name].error is None
        assert list((copy / figures.FOLDER).glob(f"{name}.*")) == []  # nor a stale one of the run before


def test_a_damaged_map_is_named(copy: Path) -> None:
    with (copy / layout.map_file(16)).open("rb+") as file:
        file.truncate(1000)
    figured = figures.make(load(open_run(copy)), plot("skymaps"))
    assert "map_nside_016.npy" in figured.reason
    assert "corrupt" in figured.reason


def test_without_a_map_there_is_no_interactive_page(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "chosen", lambda _: [plot("timing")])
    assert (copy / interactive.FILE).is_file()
    (copy / layout.map_file(16)).unlink()
    page.write(open_run(copy))
    assert not (copy / interactive.FILE).exists()  # the stale one of the run before
    assert "Interactive map: no page: " in read(copy).text
    assert "map_nside_016.npy" in read(copy).text


def test_a_published_curve_is_drawn_beside_the_sensitivities(done: Path) -> None:
    """Its values are on the axis of fluxes, with its name; without it there is no such line."""
    results = load(open_run(done))
    curve = Reference(name="published, γ = 2", dec_deg=(-40, 0, 60), flux=(3e-11, 1e-12, 2e-12))
    settings = results.run.spec.sensitivity.model_copy(update={"reference": curve})
    spec = results.run.spec.model_copy(update={"sensitivity": settings})
    for run, n in ((results.run, 0), (dataclasses.replace(results.run, spec=spec), 1)):
        with figures.style.settings():
            drawn = sensitivity.fluxes(dataclasses.replace(results, run=run))
        lines = [line for line in drawn.figure.axes[0].lines if line.get_label() == curve.name]
        assert len(lines) == n
        assert (curve.name in drawn.caption) == bool(n)
    assert lines[0].get_xdata() == pytest.approx(np.sin(np.radians(curve.dec_deg)))
    assert list(lines[0].get_ydata()) == list(curve.flux)


def test_what_is_not_bracketed_is_a_gap_and_a_sentence(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads((copy / layout.SENSITIVITY).read_text())
    row = found["discovery"][1]
    lost = dict.fromkeys(("n_sig", "n_sig_error", "flux", "flux_error"))
    keep = {key: row[key] for key in ("dec_deg", "beta", "threshold", "unit")}
    found["discovery"][1] = {**keep, **lost, "reason": "needs n_sig above 20: add <b>25</b>"}
    for other in (0, 2):  # no flux at all is drawn too
        found["discovery"][other] |= lost
    report_run.write_result(copy, layout.SENSITIVITY, "sensitivity", found)
    refresh(copy)
    monkeypatch.setattr(figures, "chosen", lambda _: [plot("sensitivity"), plot("passing")])
    page.write(open_run(copy))
    parsed = read(copy)
    assert "discovery at +5°: needs n_sig above 20: add <b>25</b>" in parsed.text  # as text: escaped
    assert "3 values are missing (crosses)" in parsed.text
    assert "not bracketed" in parsed.text


def test_an_error_in_drawing_is_raised_after_the_page(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(results: Any) -> Drawing:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(figures, "chosen", lambda _: [Plot("bug", "scan", "A bug", broken), plot("timing")])
    with pytest.raises(ZeroDivisionError):
        page.write(open_run(copy))
    assert "drawing failed: ZeroDivisionError: a bug" in read(copy).text


def test_an_unreadable_summary_counts_as_empty(copy: Path) -> None:
    (copy / layout.SUMMARY).write_text("{")
    results = load(open_run(copy))
    assert results.summary == {}
    with pytest.raises(InputError, match=r"no sensitivity in results/summary\.json"):
        results.rows("sensitivity")


def test_nothing_of_a_blind_run_says_observed_or_a_negative_significance(done: Path) -> None:
    assert len(list(report_run.texts(done))) > 30
    assert report_run.claims(done) == []
    for text in ("the observed sky", "p = 0.9, −1.28σ one-sided", "-0.3 sigma"):
        assert report_run.CLAIM.search(text), "the negative control"


def test_the_card_names_the_map_of_its_hottest_spot_and_gives_that_of_the_map_below(done: Path) -> None:
    results = load(open_run(done))
    card = headline.cards(results)[1]
    scan = results.summary["scan"]
    coarse, fine = (scan["maps"][nside]["all"]["mlog10p"] for nside in ("4", "16"))
    assert coarse != fine, "or this shows nothing"
    assert card.title == "Hottest spot of the scrambled sky"
    assert card.value == f"−log₁₀ p = {coarse:.2f}"
    assert card.notes[2] == "of the map with nside 4, as all background skies"
    assert card.notes[3].startswith(f"in the map drawn below, nside 16: −log₁₀ p = {fine:.2f} at RA ")
    assert not any("N_eff" in note for card in headline.cards(results) for note in card.notes)


def test_the_count_of_processes_is_that_of_the_plan(done: Path) -> None:
    run = open_run(done)
    files = [e for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map") for e in expected(run, task)]
    decs = len(run.spec.background.decs)
    counted = 1 + len(files) + 2 * decs + 5  # prepare; collections; results from distributions to upper limits
    assert run.n_processes == counted + 1, "the report is one more"
    said = f"holds the {counted} processes whose files have a record of their cost, of {counted + 1} in the plan"
    for name in ("index.html", "report.md"):
        assert said in (done / "report" / name).read_text("utf-8")


@pytest.mark.parametrize(("ks_p", "why"), [(3e-20, "do not follow its curve"), (None, "every sky has p = 1")])
def test_a_run_without_n_eff_says_why(
    copy: Path, ks_p: float | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the skies do not follow the curve there is none, in the table and in the figure."""
    found = json.loads((copy / layout.POST_TRIAL).read_text())
    for part in (found["post_trial"], *found["regions"].values()):
        part |= {"n_eff": None, "n_eff_error": None, "p_eff": None, "ks_p": ks_p}
    report_run.write_result(copy, layout.POST_TRIAL, "post_trial", found)
    refresh(copy)
    monkeypatch.setattr(figures, "chosen", lambda _: [plot("post_trial")])
    page.write(open_run(copy))
    page_text = (copy / "report/index.html").read_text("utf-8")
    assert why in page_text
    assert "No curve for whole sky, north, south: the skies there follow that of no N_eff." in page_text
