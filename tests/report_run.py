"""A small analysis, run for real, for the tests of the report."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.text import Text

from dagmaker.cli import main
from dagmaker.htcondor.build import build
from dagmaker.status import summary as terminal
from worker.base.errors import DagmakerError
from worker.report import figures, style
from worker.report.results import load
from worker.rundir import layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.specfile import load as load_spec
from worker.spec.specfile import loads
from worker.tasks import collect, limits, prepare, results, scans, trials

SPEC = """
version: 1
name: tiny
seed: 3
data: {format: synthetic, n_events: 10000}
background: {tail: none, dec_deg: [-40, 5, 60], n_trials: 400}
signal: {n_sig: [3, 8, 20], n_trials: 60}
sensitivity: {n_bootstrap: 20}
scan: {nside: 4, map_nside: 16, n_skies: 8, dec_min_deg: -40, dec_max_deg: 60}
"""


def write_result(run: Path, rel: PurePosixPath, task: str, found: object) -> None:
    """Write other contents of a result, as if its task had written them: its record has their sha256."""
    store.save_json(run, rel, found)
    record = json.loads((run / layout.timing_file(task)).read_text())
    record["sha256"] = hashlib.sha256((run / rel).read_bytes()).hexdigest()
    store.save_json(run, layout.timing_file(task), record)


def built(run: Path, spec: str = SPEC) -> Path:
    """A run directory in which nothing was done yet."""
    build(loads(spec), run)
    return run


def finished(run: Path, spec: str = SPEC) -> Path:
    """Everything but the report."""
    built(run, spec)
    prepare.prepare(run)
    compute(run)
    return run


def compute(run: Path) -> None:
    """Everything between the prepared data and the report."""
    opened = open_run(run)
    for e in expected(opened, "bg_trials"):
        trials.bg_trials(run, e.point["dec"], e.n, e.seed, e.first)
    for e in expected(opened, "sig_trials"):
        trials.sig_trials(run, e.point["dec"], e.point["n_sig"], e.n, e.seed, e.first)
    for e in expected(opened, "scan_trials"):
        scans.scan_trials(run, e.n, e.seed, e.first, None)
    for e in expected(opened, "scan_map"):
        scans.scan_map(run, int(e.point["nside"]), *(e.band or (0, 1)))
    for dec in opened.spec.background.decs:
        collect.collect_bg(run, dec, False)
    for dec in opened.spec.signal_decs:
        collect.collect_sig(run, dec, False)
    results.distributions(run)
    results.sensitivity(run)
    collect.collect_scan(run, False)
    results.post_trial(run)
    limits.upper_limits(run)


def run_to_summary(spec: Path, run: Path) -> None:
    """`dagmaker run` as far as results/summary.json: a file is in the way of the pages, which cost most."""
    build(load_spec(spec), run)
    pages = run / layout.REPORT.parent
    pages.touch()
    assert main(["run", str(spec), f"--run={run}", "--jobs=1"]) == 3
    pages.unlink()
    assert [log.name for log in run.glob("logs/failed_*")] == ["failed_report_0.log"]
    assert (run / layout.SUMMARY).is_file()


def run_without(run: Path, spec: Path) -> None:
    """`dagmaker run` where a report is there, but for a new report, which costs most: a folder is in its way."""
    summary = run / layout.SUMMARY
    summary.unlink()
    summary.mkdir()
    assert main(["run", str(spec), f"--run={run}", "--jobs=1"]) == 3
    summary.rmdir()
    assert [log.name for log in run.glob("logs/failed_*")] == ["failed_report_0.log"]


TEXTS = (
    "report/*.html",
    "report/*.md",
    "report/*.txt",
    "report/figures/*.csv",
    "report/figures/*.json",
    "results/*.json",
)
CLAIM = re.compile(r"\bobserved\b|(?<![\w.])[-−]\d[\d.]*[\s ]*(?:σ|sigma\b)", re.IGNORECASE)
"""What no text of a blind run may say: that its sky was observed, or a negative significance."""


def texts(run: Path) -> Iterator[tuple[str, str]]:
    """Everything that a finished run shows: pages, numbers, the terminal's summary, all words in the figures."""
    for pattern in TEXTS:
        for path in sorted(run.glob(pattern)):
            text = re.sub(r"base64,[\w+/=]+|<script.*?</script>", "", path.read_text("utf-8"), flags=re.DOTALL)
            yield path.name, text
    yield "terminal", "\n".join(terminal.lines(run))
    results = load(open_run(run))
    for plot in figures.chosen(results):
        with mpl.rc_context(style.RC):
            try:
                drawn = plot.draw(results)
            except DagmakerError:
                continue
        words = [text.get_text() for text in drawn.figure.findobj(Text)]
        plt.close(drawn.figure)
        yield plot.name, "\n".join((plot.title, drawn.caption, *words, *map(str, drawn.numbers)))


def claims(run: Path) -> list[str]:
    """Where a run says what it may not, with the words around."""
    return [
        f"{name}: {text[max(found.start() - 40, 0) : found.end() + 40]!r}"
        for name, text in texts(run)
        for found in CLAIM.finditer(text)
    ]
