import pytest

from dagmaker.htcondor.build import build
from dagmaker.plan import processes
from dagmaker.plan.presence import Presence
from dagmaker.status import status, status_text
from tests.counted import calls
from tests.dagmaker_spec import spec
from worker.base.errors import InputError


def _stage(run, task):
    return next(stage for stage in status.look(run).stages if stage.task == task)


def _node(built, name):
    return next(node for node in built.plan.nodes if node.name == name)


def _put(run, node, positions, record=True):
    folder = run / node.dir
    folder.mkdir(parents=True, exist_ok=True)
    for position, name in enumerate(processes.outputs(node)):
        if position in positions:
            (folder / name).touch()
            if record:
                (folder / name).with_suffix(".json").touch()


def test_what_is_there_is_counted_in_processes_and_trials(tmp_path):
    built = build(spec(), tmp_path / "run")
    _put(built.run, _node(built, "bg_p005"), {1, 2})
    found = _stage(built.run, "bg_trials")
    assert (found.done, found.total, found.trials_done, found.trials) == (2, 9, 150, 750)
    assert found.missing == ("bg_m030", "bg_p005", "bg_p040")


def test_foreign_files_and_temporary_ones_do_not_count(tmp_path):
    built = build(spec(), tmp_path / "run")
    folder = built.run / _node(built, "bg_p005").dir
    folder.mkdir(parents=True)
    (folder / "trials__N_000100_seed_0001.npy").touch()
    (folder / ".trials__N_000100_seed_0000.part-host-1-abc.npy").touch()
    assert _stage(built.run, "bg_trials").done == 0


def test_the_runner_trusts_only_trials_with_their_record(tmp_path):
    built = build(spec(), tmp_path / "run")
    bg, single = _node(built, "bg_p005"), _node(built, "collect_bg_p005")
    _put(built.run, bg, {0}, record=True)
    _put(built.run, bg, {1}, record=False)
    _put(built.run, single, {0})
    presence = Presence(built.run)
    assert presence.trusted(bg) == {0}
    assert presence.done(bg) == {0, 1}
    assert presence.done(single) == {0}
    assert presence.trusted(single) == frozenset()


def test_complete(tmp_path):
    built = build(spec(), tmp_path / "run")
    for node in built.plan.nodes:
        _put(built.run, node, range(node.n_processes))
    found = status.look(built.run)
    assert found.complete
    assert list(status_text.lines(found))[-1] == "complete"


def test_a_spoilt_plan(tmp_path):
    run = build(spec(), tmp_path / "run").run
    (run / "plan.json").write_text("{")
    with pytest.raises(InputError, match=r"plan\.json: is not a plan: .*; write it again with `dagmaker build "):
        status.look(run)


@pytest.mark.slow
def test_a_file_costs_a_few_calls(tmp_path):
    """Fifteen calls for each process more, so that a run of 100,000 is looked at in a second or two."""

    def looked(n):
        built = build(spec(n_bg=n, bg_file=1, map_nside=4), tmp_path / str(n))
        for node in built.plan.nodes:
            _put(built.run, node, range(node.n_processes))
        found, n_calls = calls(status.look, built.run)
        assert found.complete
        return n_calls

    few, many = looked(200), looked(2000)
    assert many - few < 3 * 1800 * 22
