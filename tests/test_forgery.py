"""Files and records that were changed consistently: each is named by the review.

Whoever changes a file changes its sha256 too, wherever it is kept. Comparisons with what is made from trials do not see
each other's files, so that many files are forged at once and the review is made once.
"""

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dagmaker.review import review, verify_plan
from worker.base.arrays import npy_bytes, npz_bytes
from worker.review import aggregates, files, pages, trial_files
from worker.review import unknown_files as unknown
from worker.rundir import layout, store
from worker.rundir.ledger import open_run
from worker.tasks import scratch_run

pytestmark = pytest.mark.slow

BANNER = '<div style="position:fixed;inset:0;background:white;font-size:9vw">5.05 sigma</div>'
FIGURE = "report/figures/post_trial"
Change = Callable[[Path], bytes]


def forge(run: Path, name: str, change: Change) -> None:
    """Change a file, and its sha256 in every record, list and summary of the run."""
    path = run / name
    before, after = path.read_bytes(), change(path)
    assert before != after
    path.write_bytes(after)
    old, new = (hashlib.sha256(raw).hexdigest() for raw in (before, after))
    for record in run.rglob("*.json"):
        text = record.read_text(encoding="utf-8")
        if old in text:
            record.write_text(text.replace(old, new), encoding="utf-8")


def array(change: Callable[[np.ndarray], None]) -> Change:
    def changed(path: Path) -> bytes:
        found = np.load(path)
        change(found)
        return npy_bytes(found)

    return changed


def arrays(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def changed(path: Path) -> bytes:
        found = dict(np.load(path))
        return npz_bytes(found | {name: change(found[name])})

    return changed


def document(change: Callable[[dict], object]) -> Change:
    def changed(path: Path) -> bytes:
        found = json.loads(path.read_text(encoding="utf-8"))
        change(found)
        return store.json_bytes(found)

    return changed


def text(pattern: str, by: str) -> Change:
    def changed(path: Path) -> bytes:
        return re.sub(pattern, by, path.read_text(encoding="utf-8"), count=1, flags=re.DOTALL).encode()

    return changed


def cooler(found: np.ndarray) -> None:
    found["ts"][1] *= 0.5


def hotter(found: np.ndarray) -> None:
    found["ts"][int(np.argmax(found["ts"]))] += 9.0


def another_pixel(found: np.ndarray) -> None:
    """The largest TS of a sky is given the numbers of another ring's: each is the fit of some pixel."""
    best = int(np.argmax(found[0]["ts"]))
    found["pixel"][0, best] += 1


OF_TRIALS = {
    "trials/tiny/bg/dec/+005/trials__N_000100_seed_0000.npy": array(hotter),
    "trials/tiny/bg/dec/-030/trials__N_000100_seed_0000_first_0000100.npy": array(
        lambda a: np.add(a["ns"], 1.0, a["ns"])
    ),
    "trials/tiny/sig/dec/+040/nsig/010.0/trials__N_000100_seed_0000.npy": array(
        lambda a: np.negative(a["ns"], a["ns"])
    ),
    "trials/tiny/scan/nside/004/rings__N_000002_seed_0000.npy": array(cooler),
    "trials/tiny/scan/nside/004/rings__N_000002_seed_0000_first_0000002.npy": array(another_pixel),
    "trials/tiny/map/nside/004/map__band_00_of_02.npy": array(hotter),
}


def p_value(found: dict) -> None:
    found["post_trial"]["p"] = 1e-6


def of_stage(found: dict) -> None:
    found["timing"]["5.05 sigma"] = found["timing"].pop("prepare")


def embedded(path: Path) -> bytes:
    """A picture in the page that is not the one beside it."""
    other = base64.b64encode((path.parent / "figures/bias.png").read_bytes()[:-1]).decode()
    return text(r"(base64,)[A-Za-z0-9+/=]*", rf"\g<1>{other}")(path)


def picture(path: Path) -> bytes:
    return (path.parent / "bias.png").read_bytes()


def worked(path: Path) -> bytes:
    return path.read_bytes().replace(b"/Type /Page", b"/Type /page", 1)


OF_RESULTS = {
    "collected/bg/dec/+005.npz": arrays("ts_even", lambda a: a * 0.5),
    "collected/sig/dec/+040.npz": arrays("n_sig", lambda a: a + 1.0),
    "collected/bg/dec/+040.files.json": document(lambda rows: rows[0].update(n=7)),
    "collected/bg/dec/+040.json": document(lambda record: record.update(n=7)),
    "results/background.json": document(lambda found: found["background"][0].update(eta=0.1)),
    "results/sensitivity.json": document(lambda found: found["sensitivity"][0].update(flux=1e-14)),
    "results/scan.json": document(lambda found: found["hottest"].update(ts=99.0)),
    "results/post_trial.json": document(p_value),
    "results/upper_limits.json": document(lambda found: found.update(cl=0.5)),
    "results/skies_all.npy": array(lambda a: a["mlog10p"].fill(0.0)),
    "results/map_nside_008.npy": array(lambda a: np.multiply(a, 2.0, a)),
    "results/map_nside_008.fits": lambda path: path.read_bytes().replace(b"scrambled", b"unblinded"),
    "results/timing/sensitivity.json": document(lambda record: record["inputs"].popitem()),
}
OF_PAGES = {
    f"{FIGURE}.png": picture,
    f"{FIGURE}.pdf": worked,
    f"{FIGURE}.csv": lambda path: path.read_bytes() + b"9.9,9.9\n",
    "report/figures/skymaps.npz": lambda path: (path.parent / "ts_heat.npz").read_bytes(),
    "report/index.html": text(r"(<dt>numpy</dt><dd>[0-9.]*)</dd>", rf"\g<1>{BANNER}</dd>"),
    "report/skymap.html": text("</body>", f"{BANNER}</body>"),
    "report/data.html": text("<h1>", f"<h1>{BANNER}"),
    "report/data.json": document(lambda found: found.update(n_events=1)),
    "report/report.md": text("Post-trial p-value: ", "Post-trial p-value: 0"),
    "results/summary.json": document(lambda found: (p_value(found), of_stage(found))),
}


def faults(lines: list) -> str:
    return "\n".join(f"{line.what}: {line.found}" for line in lines if line.verdict == "fault")


@pytest.fixture(scope="module")
def forged_trials(finished_run, tmp_path_factory) -> str:
    """What is said of a run in which files of trials were forged."""
    run = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("forged") / "run"))
    for name, change in OF_TRIALS.items():
        forge(run, name, change)
    opened = open_run(run)
    assert next(iter(files.findings(opened, 1, set()))).verdict == "same", "the records agree"
    return faults(list(trial_files.findings(opened, 0, 1, set())))


@pytest.fixture(scope="module")
def forged_results(finished_run, tmp_path_factory) -> str:
    """What is said of a run in which results, pages and other files were forged."""
    run = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("forged") / "run"))
    for name, change in (OF_RESULTS | OF_PAGES).items():
        forge(run, name, change)
    forge(run, "report/data.html", embedded)  # of a page with many differences only the first ones are shown
    (run / "results/discovery.png").write_bytes((run / f"{FIGURE}.png").read_bytes())
    (run / "discovery.html").write_text(BANNER)
    (run / "batches/bg_m030.txt").write_text("--dec=-30 --n=1\n")
    opened = open_run(run)
    found = list(verify_plan.verify_plan(run))
    with scratch_run.create(opened, trials=True) as root:
        found += [*aggregates.findings(opened, root, set()), *aggregates.summary_findings(opened, root)]
        found += pages.findings(opened, root)
        notes = [unknown.finding(opened, root), review.unknown_files(run)]
    return "\n".join([faults(found), *(f"{line.verdict} {line.found}" for line in notes)])


@pytest.mark.parametrize("name", OF_TRIALS)
def test_a_forged_file_of_trials_is_named_without_any_luck(forged_trials, name):
    """With --sample=0 nothing is left to chance but which row of a file is looked at."""
    assert f"{name}: " in forged_trials


@pytest.mark.parametrize("name", [*OF_RESULTS, *OF_PAGES, "batches/bg_m030.txt"])
def test_a_forged_result_is_named(forged_results, name):
    assert f"{name}: " in forged_results


@pytest.mark.parametrize(
    "said",
    [
        "5.05 sigma",
        "a picture that does not lie beside the page",
        "timing has not the stages",
        "note 1, which no part of this review looked at: results/discovery.png",
        "note discovery.html",
    ],
)
def test_what_a_reader_would_be_shown_is_told(forged_results, said):
    assert said in forged_results


@pytest.mark.parametrize("lie", [False, True])
def test_a_digest_of_an_input_that_differs_is_accepted_only_if_it_is_that_of_its_file(finished_run, tmp_path, lie):
    """Another processor may round an input otherwise; a digest that is that of no file is a forgery all the same."""
    run, root = (Path(shutil.copytree(finished_run, tmp_path / name)) for name in ("run", "root"))
    forge(root, "results/scan.json", lambda path: path.read_bytes() + b"\n")
    record = layout.timing_file("upper_limits")
    if lie:
        right = hashlib.sha256((run / layout.SCAN).read_bytes()).hexdigest()
        for rel in (record, layout.SUMMARY):
            path = run / rel
            assert right in path.read_text(encoding="utf-8")
            path.write_text(path.read_text(encoding="utf-8").replace(right, "0" * 64), encoding="utf-8")
    opened = open_run(run)
    of_record = aggregates._record_difference(opened, root, record, ())
    of_summary = next(aggregates.summary_findings(opened, root))
    assert ("inputs.results/scan.json" in of_record) is lie, of_record
    assert (of_summary.verdict, "made_from" in of_summary.found) == (("fault", True) if lie else ("same", False))
