"""Work cut by its time: nothing is lost, pieces are alike, and what is computed does not change."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagmaker.cost import cost
from dagmaker.cost.significance_reach import Quotable, lines, sigma
from dagmaker.htcondor import render
from dagmaker.htcondor.build import build
from dagmaker.pilot import probes
from dagmaker.pilot.probes import Measurement, Probe
from dagmaker.plan import plan, rates, sites, sizing
from tests.dagmaker_spec import spec, text
from worker.base.errors import SpecError
from worker.rundir.cuts import even
from worker.spec import goals, specfile
from worker.spec.sections import Spec

PILOT = {
    "pilot_version": 1,
    "cpu": "a processor",
    "bg_trials": {
        "start_s": 0.8,
        "start_s_error": 0.01,
        "memory_mb": 190,
        "rates": [
            {"dec_deg": -30, "unit_s": 1e-3, "unit_s_error": 1e-5},
            {"dec_deg": 40, "unit_s": 1e-1, "unit_s_error": 1e-3},
        ],
    },
    "scan_trials": {
        "start_s": 0.8,
        "start_s_error": 0.01,
        "start_unit_s": 1e-3,
        "memory_mb": 512.3,
        "rates": [{"nside": 4, "unit_s": 0.5, "unit_s_error": 0.01}],
    },
}


def sized(tmp_path: Path, hours: float, **changes):
    (tmp_path / "pilot.json").write_text(json.dumps(PILOT))
    resources = f"{{target_hours: {hours}, pilot: {tmp_path / 'pilot.json'}}}"
    return spec(resources=resources, **changes)


@given(n=st.integers(1, 10**9), pieces=st.integers(1, 3000))
def test_even_pieces_are_the_whole_stream(n: int, pieces: int) -> None:
    made = even(n, pieces)
    assert sum(size for _, size in made) == n
    assert all(before[0] + before[1] == after[0] for before, after in pairwise(made))
    sizes = [size for _, size in made]
    assert sizes == sorted(sizes, reverse=True), "small ones last"
    assert max(sizes) - min(sizes) <= 1


def test_points_that_cost_more_are_cut_finer(tmp_path: Path) -> None:
    made = plan.make(sized(tmp_path, 0.01, n_bg=100_000), "")
    pieces = {node.name: len(node.cuts) for node in made.nodes if node.task == "bg_trials"}
    assert pieces == {"bg_m030": 3, "bg_p005": 144, "bg_p040": 285}
    assert {node.n_trials for node in made.nodes if node.task == "bg_trials"} == {100_000}


@pytest.mark.parametrize("hours", [0.005, 0.03, 0.4])
def test_processes_of_a_kind_take_the_same_time(tmp_path: Path, hours: float) -> None:
    """Where there is enough work for more than one: within 1.5 of the target, and none above it."""
    wanted = sized(tmp_path, hours, n_bg=1_000_000, n_skies=1000)
    kind = rates.of(wanted, "bg_trials")
    for node in plan.make(wanted, "").nodes:
        if node.task == "bg_trials":
            for _, n in node.cuts:
                took = kind.start_s + n * kind.unit_s(dict(node.args)["dec"])
                assert hours * 3600 / 1.5 < took <= hours * 3600 * 1.01
    assert max(stage.longest_s for stage in cost.estimate(plan.make(wanted, ""), wanted).stages) <= hours * 3600 * 1.2


def test_a_sky_longer_than_a_process_is_split_into_bands(tmp_path: Path) -> None:
    [scan] = [node for node in plan.make(sized(tmp_path, 0.01), "").nodes if node.name == "scan"]
    assert (scan.bands, len(scan.cuts), scan.n_trials) == (2, 4, 5)


def test_memory_is_asked_for_by_measurement_and_within_its_limit(tmp_path: Path) -> None:
    wanted = sized(tmp_path, 1)
    site = sites.load("personal")
    assert sizing.request(wanted, site, "scan_trials").memory_mb == 750
    assert sizing.request(wanted, site, "bg_trials").memory_mb == 300
    limited = wanted.model_copy(update={"resources": wanted.resources.model_copy(update={"max_memory_mb": 600})})
    assert sizing.request(limited, site, "scan_trials").memory_mb == 600
    assert sizing.request(spec(), site, "scan_trials") == (1000, 500, None), "as the spec says"
    texts = dict(render.files(plan.make(wanted, ""), wanted, site, render.local_place(tmp_path), ""))
    assert "MemoryUsage * 2 }) }), 750)" in texts["scan_trials.sub"]
    assert "allowed_execute_duration = 18000\n" in texts["scan_trials.sub"]
    assert "allowed_execute_duration" not in texts["collect_scan.sub"]


# Peak memory of real processes, MB: with 4 skies of nside 32 from -30 to 30 deg, of one of nside 64 from -85 to 85 deg.
MEASURED = {
    (500_000, 32): {"prepare": 283, "bg_trials": 231, "sig_trials": 231, "scan_trials": 329, "scan_map": 250,
                    "sensitivity": 296, "upper_limits": 295, "report": 484},
    (500_000, 64): {"scan_trials": 518},
    (1_600_000, 32): {"prepare": 492, "bg_trials": 356, "sig_trials": 356, "scan_trials": 626, "scan_map": 395,
                      "sensitivity": 413, "upper_limits": 420, "report": 485},
    (3_000_000, 32): {"prepare": 755, "bg_trials": 506, "sig_trials": 506, "scan_trials": 1001},
}  # fmt: skip


@pytest.mark.parametrize("hours", ["null", "0.5"])
@pytest.mark.parametrize(("n_events", "nside"), MEASURED)
def test_memory_follows_the_number_of_events(n_events: int, nside: int, hours: str) -> None:
    """With and without target_hours: enough for what was measured, with a margin, and not twice too much."""
    made = spec(resources=f"{{target_hours: {hours}, request_memory_mb: 100}}").model_dump()
    edge = 30 if nside == 32 else 85
    made["data"]["n_events"] = n_events
    made["background"]["dec_deg"] = (-edge, 5, edge)
    made["scan"] |= {"nside": nside, "dec_min_deg": -edge, "dec_max_deg": edge}
    wanted = Spec.model_validate(made)
    for task, used in MEASURED[n_events, nside].items():
        asked = sizing.request(wanted, sites.load("pool"), task).memory_mb
        assert 1.15 * used <= asked <= 2 * used + 100, task


def test_memory_that_the_spec_asks_for_is_kept_while_it_is_enough() -> None:
    made = spec(resources="{request_memory_mb: 320}")
    assert sizing.request(made, sites.load("pool"), "bg_trials").memory_mb == 320
    assert sizing.request(made, sites.load("pool"), "report").memory_mb == 700


def test_a_pilot_is_frozen_with_the_run(tmp_path: Path) -> None:
    first = build(sized(tmp_path, 0.01, n_bg=10_000), tmp_path / "run")
    frozen = (first.run / "analysis.yaml").read_text()
    (tmp_path / "pilot.json").unlink()
    again = build(specfile.load(first.run / "analysis.yaml"), tmp_path / "run")
    assert (again.changed, again.plan) == (0, first.plan)
    assert "cpu: a processor" in frozen


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), ("{", "it is not JSON"), ('{"pilot_version": 2, "cpu": ""}', "not a pilot: pilot_ver")],
)
def test_a_bad_pilot_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "pilot.json").write_text(content)
    with pytest.raises(
        SpecError, match=rf"resources.pilot: .*pilot.json: .*{said}.*`dagmaker pilot` of this spec makes it"
    ):
        spec(resources=f"{{pilot: {tmp_path / 'pilot.json'}}}")


# -- probes ------------------------------------------------------------------------------------------------------


def took(units: int, cpu_s: float | None, dec: float = 5.0) -> Measurement:
    return Measurement(Probe(("bg_trials", "--dec=5", f"--n={units}"), (dec, None, None), 0, units), cpu_s, 200.0)


def test_two_probes_tell_set_up_from_work() -> None:
    found = probes.kind_cost([(took(1000, 0.8 + 1.0), took(10_000, 0.8 + 10.0))])
    assert found is not None and found.warning is None
    assert found.start_s == pytest.approx(0.8)
    [rate] = found.rates
    assert rate.unit_s == pytest.approx(1e-3)
    assert 0 < rate.unit_s_error < 0.05 * rate.unit_s


def test_what_was_stopped_or_is_noisy_is_said() -> None:
    stopped = (took(1000, 1.8), took(10_000, None))
    noisy = (took(10, 0.81, dec=6), took(100, 0.9, dec=6))
    found = probes.kind_cost([stopped, noisy, (took(1000, 1.8, 7), took(10_000, 10.8, 7))])
    assert found is not None
    assert found.warning == "1 of 3 points did not end in time; 1 of 2 points are noisy, up to 31 %"
    assert probes.kind_cost([stopped]) is None


def test_probes_are_spread_over_the_grid() -> None:
    assert probes.subset(range(-85, 86, 10), 5) == (-85, -45, -5, 45, 85)
    assert probes.subset([1, 2], 5) == (1, 2)
    kinds = [short.task for short, _ in probes.pairs(spec())]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "bg_trials": 3, "sig_trials": 9, "scan_trials": 1, "scan_map": 2,
    }  # fmt: skip


# -- goals -------------------------------------------------------------------------------------------------------


def test_counts_follow_from_the_goal() -> None:
    made = specfile.loads(
        text(n_bg="goal", n_trials="goal", n_skies="goal")
        + "goal: {local_sigma: 5, post_trial_sigma: 3, sensitivity_error: 0.03}\n"
    )
    assert (made.background.n_trials, made.scan.n_skies, made.signal.n_trials) == (350_000, 740, 1400)
    found = Quotable(made.background.n_trials, made.scan.n_skies, made.signal.n_trials)
    assert [line for line in lines(found, None, made.goal) if line.startswith("goal")] == [
        "goal         local_sigma: 5: reached",
        "goal         post_trial_sigma: 3: reached",
        "goal         sensitivity_error: 0.03: reached",
    ]
    assert specfile.loads_resolved(specfile.resolved_text(made)) == made


def test_a_count_without_its_goal_is_a_problem() -> None:
    with pytest.raises(SpecError, match=r"background.n_trials: found 'goal', but there is no goal.local_sigma"):
        spec(n_bg="goal")


def test_n_sig_without_a_pilot_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"signal.n_sig: found 'goal', but resources.pilot has no reach"):
        spec(n_sig="goal")
    (tmp_path / "spec.yaml").write_text(text(n_sig="goal", resources="{pilot: pilot.json}"))
    with pytest.raises(SpecError, match=r"`dagmaker pilot` of this spec makes it") as told:
        specfile.load(tmp_path / "spec.yaml")
    assert "signal.n_sig" not in str(told.value), "one cause, one problem"
    assert specfile.load(tmp_path / "spec.yaml", for_pilot=True).signal.n_sig == goals.LADDER


@given(st.lists(st.tuples(st.floats(1, 20), st.floats(1, 10)), min_size=1, max_size=9))
def test_a_grid_has_points_on_both_sides_of_every_crossing(pairs: list[tuple[float, float]]) -> None:
    grid = goals.n_sig_grid([{"sensitivity": s, "discovery": s * more} for s, more in pairs])
    assert len(set(grid)) == len(grid) < 30
    assert grid == [round(n_sig, 1) for n_sig in grid]
    for s, more in pairs:
        for crossing in (s, s * more):
            near = [n_sig for n_sig in grid if crossing / 1.6 <= n_sig <= crossing * 1.6]
            assert min(near) < crossing < max(near)
    assert all(high / low < 1.6 for low, high in pairwise(grid))


def test_strata_of_a_goal_are_whole_numbers_without_wide_gaps() -> None:
    grid = goals.strata_grid([{"sensitivity": 3.0, "discovery": 9.0}, {"sensitivity": 4.0, "discovery": 12.0}])
    assert grid[:8] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(low < high <= low + max(1, 0.5 * low**0.5) for low, high in pairwise(grid))
    assert 18 + 4 * 18**0.5 <= grid[-1] < 40


def test_goals_out_of_reach_name_the_counts() -> None:
    goal = specfile.loads(text() + "goal: {local_sigma: 5, post_trial_sigma: 3, sensitivity_error: 0.03}\n").goal
    told = list(lines(Quotable(10_000, 100, 1000), None, goal))
    assert told[-3:] == [
        "goal         local_sigma: 5: needs background.n_trials: 350,000",
        "goal         post_trial_sigma: 3: needs scan.n_skies: 740",
        "goal         sensitivity_error: 0.03: needs signal.n_trials: 1,400",
    ]


@pytest.mark.parametrize("n_sigma", [3.0, 4.0, 5.0])
def test_counts_of_a_goal_are_enough_and_not_twice_too_many(n_sigma: float) -> None:
    counted = Quotable(goals.background_trials(n_sigma, "empirical"), goals.skies(n_sigma), 1, "empirical")
    assert n_sigma <= counted.counted < n_sigma + 0.1
    assert n_sigma <= counted.post_trial < n_sigma + 0.1
    assert sigma(goals.tail(n_sigma)) == pytest.approx(n_sigma)
