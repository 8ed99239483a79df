"""A hypothesis that is no part of the program: one declination, and no sky that anything is looked for in."""

from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import pytest

from dagmaker.cost import cost, significance_reach
from dagmaker.htcondor import build, repair
from dagmaker.pilot import probes
from dagmaker.plan import processes
from dagmaker.plan.plan import Plan, make
from worker.base.errors import SpecError
from worker.blinding import unblind, unblinding_checks
from worker.cli.main import main
from worker.hypotheses.table import HYPOTHESES, ensemble_of, hypothesis_of
from worker.review import audit
from worker.rundir import layout, store
from worker.rundir.ledger import open_run
from worker.spec.fields import DecDeg
from worker.spec.post_trial import PostTrialTail
from worker.spec.scan import SCANS
from worker.spec.scan_section import ScanSection, Survival
from worker.spec.sections import Spec
from worker.spec.specfile import loads

TEXT = """
version: 1
name: one
seed: 7
data: {format: synthetic, n_events: 2000}
background: {tail: none, dec_deg: [0, 10], n_trials: 400, trials_per_file: 200}
signal: {n_sig: [3, 8, 20], n_trials: 60}
sensitivity: {discovery_nsigma: 1.5, n_bootstrap: 20}
scan: {kind: point, dec_deg: 5}
unblind: {quote_nsigma: 1.0, waive: [p_uniform, n_sig_bias, enough_background_trials]}
"""
OF_SKIES = {"scan_trials", "scan_map", "collect_scan", "post_trial", "upper_limits"}


class OnePoint(ScanSection):
    """One declination."""

    sky_bands: ClassVar[int] = 1
    bands: ClassVar[int] = 1
    n_skies: ClassVar[int] = 0
    skies_per_file: ClassVar[int] = 1
    dec_split_deg: ClassVar[float] = 0.0
    interpolation: ClassVar[str] = "linear"
    survival: Survival = "counted"
    post_trial: ClassVar[PostTrialTail] = PostTrialTail()

    kind: Literal["point"]
    dec_deg: DecDeg

    @property
    def decs_deg(self) -> tuple[float, ...]:
        return (self.dec_deg,)

    @property
    def dec_min_deg(self) -> float:
        return self.dec_deg

    @property
    def dec_max_deg(self) -> float:
        return self.dec_deg


class Point(NamedTuple):
    """What is tested there."""

    spec: Spec

    def ensemble(self) -> None:
        return None

    def checks(self) -> Mapping[str, Any]:
        return {}


@pytest.fixture(scope="module")
def spec() -> Iterator[Spec]:
    SCANS["point"], HYPOTHESES["point"] = OnePoint, Point
    Spec.model_rebuild(force=True)
    yield loads(TEXT)
    del SCANS["point"], HYPOTHESES["point"]
    Spec.model_rebuild(force=True)


@pytest.fixture(scope="module")
def plan(spec: Spec) -> Plan:
    return make(spec, "0" * 64)


@pytest.fixture(scope="module")
def run(spec: Spec, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every process of the plan, in its order, in this process."""
    path = tmp_path_factory.mktemp("toy") / "run"
    build.build(spec, build.make_directory(path))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        for node in plan.nodes:
            for process in processes.of(node):
                assert main([*process.argv, f"--run={path}"]) == 0, errors.getvalue()
    return path


def test_the_plan_has_no_task_of_skies(spec: Spec, plan: Plan) -> None:
    assert set(plan.tasks()) == {
        "prepare", "bg_trials", "sig_trials", "collect_bg", "collect_sig", "distributions", "sensitivity", "report",
    }  # fmt: skip
    names = {node.name for node in plan.nodes}
    assert all(set(node.parents) <= names for node in plan.nodes)
    sky = loads(TEXT.replace("kind: point, dec_deg: 5", "nside: 4, dec_min_deg: 0, dec_max_deg: 10, n_skies: 3"))
    assert set(make(sky, "0" * 64).tasks()) >= OF_SKIES, "the negative control"


def test_the_plan_has_a_price_a_pilot_and_a_repair(spec: Spec, plan: Plan) -> None:
    found = cost.estimate(plan, spec)
    assert found.wall_h > 0
    assert found.quotable.post_trial == 0
    assert not any("skies" in line for line in significance_reach.lines(found.quotable))
    assert {short.task for short, _ in probes.pairs(spec)} == {"bg_trials", "sig_trials"}
    assert set(repair.processes_to_run(plan, [])) == {"sensitivity", "report"}


def test_a_key_of_another_kind_is_refused(spec: Spec) -> None:
    with pytest.raises(SpecError, match=r"nside.*kind, dec_deg"):
        loads(TEXT.replace("dec_deg: 5}", "dec_deg: 5, nside: 8}"))


@pytest.mark.slow
def test_the_report_shows_no_sky(run: Path) -> None:
    page = (run / layout.REPORT).read_text(encoding="utf-8")
    assert 'id="sensitivity-section"' in page
    assert 'id="scan"' not in page
    assert 'id="post-trial"' not in page
    assert "not complete" not in page
    found = store.load_json(run, layout.SUMMARY)
    assert found["scan"] is None
    assert len(found["sensitivity"]) == 2
    assert not OF_SKIES & set(found["timing"])


@pytest.mark.slow
def test_checks_and_review_do_without_skies(run: Path) -> None:
    verdicts = {verdict.name: verdict for verdict in unblinding_checks.verdicts(open_run(run))}
    for name in ("files_complete", "enough_skies", "n_eff_bands", "ra_uniform", "smooth_map"):
        assert verdicts[name].passed, verdicts[name]
    found = audit.audit(run, 1, 1)
    assert [row for row in found["findings"] if row["verdict"] == "fault"] == []
    assert found["token"]


@pytest.mark.slow
def test_tasks_of_skies_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = open_run(run)
    assert hypothesis_of(opened.spec).ensemble() is None
    with pytest.raises(SpecError, match="scans no sky"):
        ensemble_of(opened.spec)
    assert main(["scan_trials", f"--run={run}", "--n=1"]) == 2
    assert "point" in capsys.readouterr().err


@pytest.mark.slow
def test_nothing_is_opened_without_skies(run: Path) -> None:
    with pytest.raises(SpecError, match="scans no sky"):
        unblind.unblind(run, audit.audit(run, 1, 1)["token"], None, 1)
    assert not (run / layout.UNBLINDED).exists()
    (line,) = (run / layout.UNBLINDING_LOG).read_text().splitlines()
    assert "refused" in line
