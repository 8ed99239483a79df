import math

import pytest

from dagmaker.cost import cost, plan_text, significance_reach
from dagmaker.plan import plan, rates
from tests.dagmaker_spec import spec, text
from worker.base.task_rows import ROWS
from worker.spec import specfile
from worker.spec.sky_scan import pixels


def _cost(slots=1, **changes):
    made = spec(**changes)
    return cost.estimate(plan.make(made, ""), made, slots)


def _stage(total, task):
    return next(stage for stage in total.stages if stage.task == task)


def test_background_costs_its_starts_and_its_trials():
    stage = _stage(_cost(n_bg=30_000, bg_file=10_000), "bg_trials")
    assert (stage.processes, stage.trials, stage.files, stage.files_per_folder) == (9, 90_000, 18, 6)
    assert stage.cpu_h * 3600 == pytest.approx(9 * rates.START_S + 90_000 / (ROWS["bg_trials"].per_s * 138322 / 20000))
    assert stage.longest_s == pytest.approx(rates.START_S + 10_000 / (ROWS["bg_trials"].per_s * 138322 / 20000))


def test_workers_that_start_once_take_less_than_processes_that_each_start():
    total = _cost()
    starts = sum(stage.start_h for stage in total.stages)
    assert total.cpu_h - starts < total.local_h < total.cpu_h - starts + 3 / 3600
    assert _stage(total, "bg_trials").start_h * 3600 == pytest.approx(9 * rates.START_S)


@pytest.mark.parametrize(
    ("task", "few", "many"),
    [
        ("collect_bg", {"n_bg": 1000}, {"n_bg": 10**8}),
        ("collect_sig", {"n_trials": 100}, {"n_trials": 10**7}),
        ("distributions", {"decs": [-30, 40]}, {"decs": [*range(-80, 80)]}),
        ("sensitivity", {"decs": [-30, 40]}, {"decs": [*range(-80, 80, 2)]}),
        ("collect_scan", {"map_nside": 8}, {"map_nside": 1024}),
        ("post_trial", {"n_skies": 5}, {"n_skies": 10**6}),
        ("report", {"map_nside": 8}, {"map_nside": 1024}),
    ],
)
def test_small_stages_cost_by_what_drives_them(task, few, many):
    one_file_each = {"bg_file": 10**9, "sig_file": 10**9, "sky_file": 10**9}
    one, other = (_stage(_cost(**one_file_each, **changes), task) for changes in (few, many))
    assert other.cpu_h - other.start_h > 1.5 * (one.cpu_h - one.start_h)


def test_pixels_between_declinations():
    healpy = pytest.importorskip("healpy")
    import numpy as np

    dec = np.pi / 2 - healpy.pix2ang(64, np.arange(12 * 64**2))[0]
    inside = int(np.sum((dec >= np.radians(-85)) & (dec <= np.radians(85))))
    assert pixels(64, -85, 85) == pytest.approx(inside, rel=0.01)


def test_judges_of_rounds_cost_what_their_curves_take():
    judged = specfile.loads(text() + "goal: {sensitivity_error: 0.03}\nadaptive: true\n")
    stages = {stage.task: stage for stage in cost.estimate(plan.make(judged, ""), judged).stages}
    assert stages["judge"].processes == 3
    assert stages["judge"].cpu_h > stages["sensitivity"].cpu_h > 0


def test_wall_time_is_bounded_by_the_critical_path():
    few, many = _cost(slots=1), _cost(slots=10_000)
    assert few.wall_h == pytest.approx(few.cpu_h)
    path = ("prepare", "bg_trials", "collect_bg", "distributions", "collect_scan", "post_trial", "report")
    assert many.wall_h * 3600 >= sum(_stage(many, task).longest_s for task in path)
    assert many.wall_h < few.wall_h


def test_one_folder_for_all_n_sig_of_the_collected_files():
    """Files of nodes that share a folder are counted together."""
    assert _stage(_cost(), "collect_bg").files_per_folder == 6


@pytest.mark.parametrize("n", [100, 10_000, 10_000_000])
def test_significance_that_can_be_counted(n):
    total = _cost(n_bg=n, bg_file=n)
    assert 0.5 * math.erfc(total.local_sigma / math.sqrt(2)) == pytest.approx(significance_reach.TAIL / n)
    assert total.post_trial_p == pytest.approx(1 / 6)


def test_too_few_trials_for_any_significance():
    assert _cost(n_bg=15, bg_file=15).local_sigma == 0


def test_warnings_name_the_key_to_change():
    warnings = "\n".join(_cost(n_bg=600_000, bg_file=1000).warnings)
    assert "bg_trials: 1200 files in one folder (more than 1000): raise background.trials_per_file" in warnings
    assert "bg_trials: a process works 0.0 s and starts for 0.45 s: raise background.trials_per_file" in warnings
    assert not [line for line in _cost().warnings if "folder" in line]


@pytest.mark.parametrize(
    ("hours", "text"), [(0.001, "3.6 s"), (0.5, "30 min"), (1, "1 h"), (47, "47 h"), (240, "10 d"), (0, "0 s")]
)
def test_hours_in_words(hours, text):
    assert plan_text.hours(hours) == text


def test_text_has_a_row_per_stage():
    made = spec()
    lines = list(plan_text.lines(plan.make(made, ""), cost.estimate(plan.make(made, ""), made, 4)))
    rows = [line for line in lines if line.split(" ")[0] in plan.make(made, "").tasks()]
    assert len(rows) == 13
    assert any(line.startswith("post-trial   0.97 sigma (p >= 0.17)") for line in lines)
