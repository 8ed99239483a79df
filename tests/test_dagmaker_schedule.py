import pytest

from dagmaker.local.schedule import Schedule
from dagmaker.plan import plan
from tests.dagmaker_spec import spec


def _schedule(done=lambda node: (), retries=2, **changes):
    made = plan.make(spec(**changes), "")
    schedule = Schedule(made, done, retries)
    schedule.begin()
    return made, schedule


def _drain(schedule, fail=lambda process: 0):
    """Run everything, one process at a time; returns the processes in the order in which they were started."""
    order = []
    while (process := schedule.next()) is not None:
        order.append(process)
        code = fail(process)
        if code:
            schedule.failed(process, code)
        else:
            schedule.succeeded(process)
    return order


def test_everything_runs_once_parents_first():
    made, schedule = _schedule()
    order = _drain(schedule)
    assert len(order) == len(set(order)) == made.n_processes
    last = {process.node: i for i, process in enumerate(order)}
    first = {process.node: i for i, process in reversed(list(enumerate(order)))}
    for node in made.nodes:
        assert all(last[parent] < first[node.name] for parent in node.parents)
    assert schedule.blocked() == ()


def test_skies_fill_idle_workers_at_once_but_the_critical_path_goes_first():
    _, schedule = _schedule()
    schedule.succeeded(schedule.next())
    tasks = [schedule.next().argv[0] for _ in range(9 + 18 + 4 + 3)]
    assert list(dict.fromkeys(tasks)) == ["bg_trials", "sig_trials", "scan_map", "scan_trials"]
    assert schedule.next() is None


def test_the_larger_map_first():
    _, schedule = _schedule()
    maps = [process.argv[1] for process in _drain(schedule) if process.argv[0] == "scan_map"]
    assert maps == ["--nside=8", "--nside=8", "--nside=4", "--nside=4"]


def test_what_is_there_is_not_run():
    made, schedule = _schedule(done=lambda node: {1} if node.name == "bg_p005" else ())
    order = _drain(schedule)
    assert [p.position for p in order if p.node == "bg_p005"] == [0, 2]
    assert len(order) == made.n_processes - 1


def test_a_node_that_is_done_opens_its_children():
    _, schedule = _schedule(done=lambda node: range(node.n_processes))
    assert _drain(schedule) == []
    assert schedule.blocked() == ()


@pytest.mark.parametrize("code", [1, -9, 137])
def test_unexpected_ends_are_retried_and_no_more(code):
    _, schedule = _schedule(retries=2)
    assert [p.node for p in _drain(schedule, lambda p: code)] == ["prepare"] * 3


@pytest.mark.parametrize("code", [2, 3, 4])
def test_two_three_and_four_are_never_retried(code):
    _, schedule = _schedule(retries=2)
    assert len(_drain(schedule, lambda p: code)) == 1


def test_a_stopped_process_goes_on_however_often():
    left = [20]

    def stop(process):
        if process.node == "prepare" and left[0]:
            left[0] -= 1
            return 85
        return 0

    made, schedule = _schedule(retries=0)
    assert len(_drain(schedule, stop)) == made.n_processes + 20


def test_a_failure_blocks_what_needs_it_and_nothing_else():
    _, schedule = _schedule(retries=0)
    order = _drain(schedule, lambda p: 1 if p.node == "bg_p005" and p.position == 1 else 0)
    assert set(schedule.blocked()) == {
        "collect_bg_p005", "distributions", "sensitivity", "collect_scan", "post_trial", "upper_limits", "report",
    }  # fmt: skip
    started = {process.node for process in order}
    assert {"collect_bg_m030", "collect_sig_p005", "scan", "map_nside008"} <= started
    assert [p.position for p in order if p.node == "bg_p005"] == [0, 1, 2]


def test_a_bad_input_that_was_trusted_is_checked_once_and_read_again():
    """Files that are there are trusted unread; when a reader finds one spoilt, all of that point are looked at."""
    broken = {"bg_p005"}

    def run(process):
        if process.node == "bg_p005":
            broken.discard("bg_p005")  # a worker replaces what it finds spoilt
        return 3 if process.node == "collect_bg_p005" and broken else 0

    _, schedule = _schedule(done=lambda node: range(node.n_processes) if node.cuts else ())
    order = [(process.node, process.position) for process in _drain(schedule, run)]
    assert [p for node, p in order if node == "bg_p005"] == [0, 1, 2]
    assert sum(node == "collect_bg_p005" for node, _ in order) == 2
    assert not [node for node, _ in order if node in ("bg_m030", "scan")]
    assert schedule.blocked() == ()


def test_a_bad_input_that_stays_bad_is_a_failure():
    _, schedule = _schedule(done=lambda node: range(node.n_processes) if node.cuts else ())
    order = [p.node for p in _drain(schedule, lambda p: 3 if p.node == "collect_bg_p005" else 0)]
    assert order.count("collect_bg_p005") == 2
    assert "distributions" in schedule.blocked()
