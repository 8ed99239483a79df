"""The names that a notebook uses: the numbers of the tasks' files, and a page that says what comes out."""

import doctest
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import worker
from tests.conftest import ROOT
from tests.report_run import SPEC, built
from worker import Analysis, open_analysis
from worker.base.errors import InputError, SpecError
from worker.hypotheses import hottest_spots
from worker.hypotheses.sky.rings import rings as rings_of
from worker.rundir import layout
from worker.rundir.ledger import open_run
from worker.spec.point import declination
from worker.tasks import collect, prepare, scans, trials

MORE = SPEC.replace("n_skies: 8", "n_skies: 3").replace("map_nside: 16", "map_nside: 4")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a file of each kind, and its spec beside it."""
    place = tmp_path_factory.mktemp("notebook")
    (place / "spec.yaml").write_text(MORE)
    path = built(place / "run", MORE)
    prepare.prepare(path)
    for dec in (-40, 5, 60):
        trials.bg_trials(path, dec, 400, 0, 0)
        collect.collect_bg(path, dec, False)
    trials.bg_trials(path, 5, 30, 7, 50)
    trials.sig_trials(path, 5, 8, 40, 0, 0)
    scans.scan_trials(path, 3, 0, 0, None)
    scans.scan_map(path, 4, 0, 1)
    return path


@pytest.fixture(scope="module", params=["run", "spec.yaml"])
def ana(run: Path, request: pytest.FixtureRequest) -> Analysis:
    return open_analysis(run.parent / request.param)


def same(file: Path, there: np.ndarray) -> bool:
    found = np.load(file)
    return len(found) == len(there) and all(np.array_equal(found[name], there[name]) for name in ("ts", "ns", "gamma"))


def test_trials_are_those_of_the_files(run: Path, ana: Analysis) -> None:
    bg, sig = run / layout.bg_dir("tiny", declination(5)), run / layout.sig_dir("tiny", declination(5), 8)
    assert same(bg / layout.trials_name(400, 0), ana.trials(5, 400))
    assert same(bg / layout.trials_name(30, 7, 50), ana.trials(5, 30, seed=7, first=50))
    assert same(sig / layout.trials_name(40, 0), ana.trials(5, 40, 8))
    assert not same(bg / layout.trials_name(30, 7, 50), ana.trials(5, 30, first=50)), "another seed, another stream"


def test_a_scan_is_that_of_the_files(run: Path, ana: Analysis) -> None:
    opened = open_run(run)
    rings = rings_of(opened.spec.healpix, 4)
    tsds = hottest_spots.load_tsds(opened)
    mine = {dec: ana.distribution(dec, 400) for dec in tsds}
    assert repr(mine) == repr(tsds)
    sky = ana.scan(mine)
    assert sky.survival == opened.spec.scan.survival
    inside = slice(rings.first[0], rings.first[-1] + rings.n_pix[-1])
    seen = {name: getattr(sky, name)[inside] for name in ("ts", "ns", "gamma")}
    file = np.load(run / layout.map_dir("tiny", "nside/004") / layout.band_name(0, 1))
    assert all(np.array_equal(file[name], seen[name]) for name in seen)
    dec = np.repeat(rings.dec, rings.n_pix)
    assert np.array_equal(sky.mlog10p[inside], hottest_spots.p_map(opened.spec, tsds, dec, seen["ts"]))
    assert np.isnan(sky.ts).sum() == sky.ts.size - dec.size > 0
    maxima = np.load(run / layout.scan_dir("tiny", "nside/004") / "rings__N_000003_seed_0000.npy")
    for i in range(3):
        assert np.array_equal(ana.scan(sky=i).ts[maxima[i]["pixel"]], maxima[i]["ts"])


def test_a_map_says_what_data_it_shows(ana: Analysis) -> None:
    with pytest.raises(SpecError, match="layers: mlog10p, ts, ns, gamma"):
        ana.plot(ana.scan(nside=4), "sigma")
    with pytest.raises(SpecError, match="found 'ns' as the sky"):
        ana.plot("ns")
    figure = ana.plot(ana.scan(), "ns")
    assert [text.get_text() for text in figure.texts] == ["tiny: synthetic data, scrambled sky"]


def test_what_cannot_be_is_told(ana: Analysis, tmp_path: Path) -> None:
    for wrong in ({"n": 0}, {"n": 5, "first": -1}, {"n": 5, "n_sig": -2.0}, {"n": 5, "n_sig": float("inf")}):
        with pytest.raises(SpecError, match="n must be > 0"):
            ana.trials(5, **wrong)
    with pytest.raises(SpecError, match="between -90 and 90"):
        ana.trials(95, 1)
    with pytest.raises(SpecError, match="power of 2"):
        ana.scan(nside=5)
    with pytest.raises(SpecError, match="begin at 0"):
        ana.scan(sky=-1)
    with pytest.raises(InputError, match="dagmaker build"):
        open_analysis(tmp_path)


def test_the_names_cost_nothing_until_they_are_used() -> None:
    script = "import sys, json, worker; from worker import cli; dir(worker); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"numpy", "numba", "pydantic", "matplotlib", "worker.notebook"} & set(json.loads(done.stdout))
    assert all(getattr(worker, name) for name in worker.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        worker.nothing  # noqa: B018


@pytest.mark.slow
def test_the_page_shows_what_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "docs/tutorial.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/notebook.md").read_text(encoding="utf-8").replace("```", "")
    page = doctest.DocTestParser().get_doctest(text, {}, "notebook.md", "docs/notebook.md", 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(page, out=said.append)
    assert result.attempted > 15
    assert result.failed == 0, "".join(said)
    assert (tmp_path / "sky.png").stat().st_size > 10_000


def test_backgrounds_that_do_not_reach_over_the_scan(ana: Analysis) -> None:
    one = ana.distribution(5, 20)
    for backgrounds in ({5.0: one}, {-40.0: one, 5.0: one}, {}):
        with pytest.raises(SpecError, match=r"backgrounds (reach from|are empty).*there is no p-value"):
            ana.scan(backgrounds, nside=2)


def test_a_declination_that_may_be_in_radians(ana: Analysis) -> None:
    with pytest.warns(UserWarning, match=r"0.0873 is taken as degrees; if it is in radians, write 5"):
        ana.trials(0.0873, 1)
    with pytest.warns(UserWarning, match=r"write 5"):
        ana.flux(0.0873, 1)
    with pytest.raises(SpecError, match="between -90 and 90 degrees"):
        ana.flux(95, 1)


def test_a_task_says_it_too(run: Path) -> None:
    with pytest.raises(SpecError, match=r"--dec=0.0873: .*0.0873 is taken as degrees; if it is in radians, write 5\)"):
        trials.bg_trials(run, 0.0873, 1, 0, 0)
