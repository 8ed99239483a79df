"""`dagmaker status` of a run directory with HTCondor's logs in it, written here as HTCondor writes them."""

import json
import os
from contextlib import suppress

import pytest

from dagmaker.cli import main
from dagmaker.htcondor import dag_check
from dagmaker.htcondor import submit as submission
from dagmaker.htcondor.build import build
from dagmaker.htcondor.schedd import Answer, InQueue
from dagmaker.plan import processes
from dagmaker.status import status, status_text
from dagmaker.status.status import Watcher
from dagmaker.status.watching import ended
from tests.counted import calls
from tests.dagmaker_spec import spec
from tests.test_dagmaker_eventlog import END, EXECUTE, HELD, IMAGE, SUBMIT, end, execute, submit
from worker.base.errors import DagmakerError, SpecError


@pytest.fixture
def built(tmp_path):
    return build(spec(), tmp_path / "run")


def dag_log(run, *texts, file="analysis.dag"):
    (run / f"{file}.dagman.log").write_text("".join(text.replace("(020.", "(007.") for text in texts))


def bg_log(run, *texts):
    (run / "logs" / "bg_trials.log").write_text("".join(texts))


def stage(found, task="bg_trials"):
    return next(stage for stage in found.stages if stage.task == task)


def finish(built, name, *positions):
    [node] = [node for node in built.plan.nodes if node.name == name]
    (built.run / node.dir).mkdir(parents=True, exist_ok=True)
    for position, file in enumerate(processes.outputs(node)):
        if position in positions:
            (built.run / node.dir / file).touch()


def test_running_idle_held_and_failed_are_told_apart(built):
    dag_log(built.run, submit(0), execute(0))
    bg_log(built.run, *(submit(p) for p in range(3)), execute(0), execute(1), HELD.format(p=1))
    other = "".join(text.replace("(020.", "(021.").replace("bg_m030", "bg_p005") for text in (submit(0), end(0, 1)))
    with (built.run / "logs" / "bg_trials.log").open("a") as log:
        log.write(other)
    found = stage(status.look(built.run))
    assert (found.running, found.idle, found.held, found.failed) == (1, 1, 1, 1)


def test_after_the_end_of_the_dag_nothing_runs_whatever_the_logs_say(built):
    dag_log(built.run, submit(0), execute(0), end(0, 1))
    bg_log(built.run, submit(0), execute(0), submit(1))
    found = status.look(built.run)
    assert (stage(found).running, stage(found).idle) == (0, 0)
    assert (found.dags[0].state, found.dags[0].code, found.active) == ("failed", 1, False)


def test_a_failed_process_whose_output_is_there_has_not_failed(built):
    dag_log(built.run, submit(0), execute(0))
    bg_log(built.run, submit(0), execute(0), end(0, 1), submit(1), execute(1), end(1, 1))
    finish(built, "bg_m030", 0)
    found = status.look(built.run)
    assert stage(found).failed == 1
    assert [cause.by_hand for cause in found.causes] == [
        f"worker bg_trials --dec=-30 --n=100 --seed=0 --first=100 --run={built.run}"
    ]


def test_failures_of_an_earlier_plan_are_not_shown(built):
    dag_log(built.run, submit(0), execute(0))
    bg_log(built.run, submit(0).replace("bg_m030", "bg_m999"), execute(0), end(0, 1))
    assert status.look(built.run).causes == ()


def test_one_process_that_failed_in_the_dag_and_in_its_repair_is_one_failure(built):
    (built.run / "batches" / "repair01_bg_m030.txt").write_text("bg_trials --dec=-30 --n=100 --seed=0 --first=100\n")
    dag_log(built.run, submit(0), execute(0))
    again = submit(0).replace("(020.", "(030.").replace("bg_m030", "repair01_bg_m030")
    bg_log(built.run, submit(1), execute(1), end(1, 1), again, end(0, 3).replace("(020.", "(030."))
    found = status.look(built.run)
    assert stage(found).failed == 1
    assert [cause.what for cause in found.causes] == ["missing or corrupt input: make or repair the named file"]


def test_a_watcher_reads_on(built):
    dag_log(built.run, submit(0), execute(0))
    bg_log(built.run, submit(0))
    watcher = Watcher(built.run)
    assert stage(watcher.look()).idle == 1
    bg_log(built.run, submit(0), execute(0))
    assert stage(watcher.look()).running == 1
    finish(built, "bg_m030", 0)
    bg_log(built.run, submit(0), execute(0), end(0))
    assert (stage(watcher.look()).running, stage(watcher.look()).done) == (0, 1)


def test_watching_ends_with_the_dag(built):
    assert not ended(status.look(built.run)), "a run that never went to a pool may be at work here"
    dag_log(built.run, submit(0), execute(0))
    assert not ended(status.look(built.run))
    dag_log(built.run, submit(0), execute(0), end(0, 1))
    assert ended(status.look(built.run))


def test_text_of_a_held_run(built):
    dag_log(built.run, submit(0), execute(0))
    bg_log(built.run, submit(0), execute(0), HELD.format(p=0))
    answer = Answer((InQueue(7, "running", "analysis.dag", 21, 1),), ahead=12)
    text = "\n".join(status_text.lines(status.look(built.run), answer))
    assert "schedd: cluster 7 is running, 1 of 21 nodes done; 12 idle processes of others in the queue" in text
    assert "held: 1 x bg_trials: used more memory than it asked for (code 21, subcode 102)" in text
    assert "    | Error from slot1_2@localhost: memory usage exceeded request_memory" in text
    assert "    change:  resources.request_memory_mb: 2000  (now 1000)" in text
    assert "\n1 held: they wait for the change\nnext: condor_qedit 20.0 RequestMemory " in text


def test_text_without_a_schedd(built):
    dag_log(built.run, submit(0), execute(0))
    text = "\n".join(status_text.lines(status.look(built.run), Answer(problem="no answer within 5 s")))
    assert "schedd: no answer within 5 s; what follows is from the files alone" in text


def test_text_of_a_lost_queue(built):
    dag_log(built.run, submit(0), execute(0))
    text = "\n".join(status_text.lines(status.look(built.run), Answer()))
    assert "it does not know this DAG" in text


def test_what_dagman_said_when_it_gave_up(built):
    dag_log(built.run, submit(0), execute(0), end(0, 1))
    (built.run / "analysis.dag.dagman.out").write_text(
        "11/22/26 10:45:22 Parsing 1 dagfiles\n"
        "11/22/26 10:45:22 ERROR: Failed to parse analysis.dag: JOB x: no such file\n"
    )
    text = "\n".join(status_text.lines(status.look(built.run)))
    assert "DAGMan gave up: ERROR: Failed to parse analysis.dag: JOB x: no such file (analysis.dag.dagman.out)" in text


def test_a_run_that_never_went_to_a_pool_has_no_columns_of_one(built):
    text = "\n".join(status_text.lines(status.look(built.run)))
    assert "running" not in text
    verdict, command = text.splitlines()[-2:]
    assert verdict == "not complete: `dagmaker run` goes on from here, and so does the DAG"
    assert command.startswith("next: ")


def test_json_has_everything(built, capsys):
    dag_log(built.run, submit(0), execute(0))
    bg_log(built.run, submit(0), execute(0), end(0, -9))
    assert main(["status", str(built.run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["active"] and not found["complete"]
    assert found["dags"][0]["cluster"] == 7
    assert found["causes"][0]["what"].startswith("killed by SIGKILL")


def test_watching_an_ended_run_where_there_is_no_terminal(built, capsys):
    dag_log(built.run, submit(0), execute(0), end(0, 1))
    assert main(["status", str(built.run), "--watch"]) == 0
    assert "ended with failures" in capsys.readouterr().out


def large(run, n):
    """A run of three times n processes that have all ended well, and left their files."""
    built = build(spec(n_bg=n, bg_file=1, map_nside=4), run)
    dag_log(built.run, submit(0), execute(0), end(0, 0))
    with (built.run / "logs" / "bg_trials.log").open("w") as log:
        for cluster, file in enumerate(sorted((built.run / "batches").glob("bg_*.txt")), 20):
            for p in range(len(file.read_text().splitlines())):
                events = SUBMIT, EXECUTE, IMAGE, IMAGE, END
                text = "".join(events).format(
                    p=p, host="h", s=59, normal=1, how="Normal termination (return value", code=0
                )
                log.write(text.replace("(020.", f"({cluster:03d}.").replace("bg_m030", file.stem))
    for node in built.plan.nodes:
        finish(built, node.name, *range(node.n_processes))
    return built


def test_the_log_of_a_process_costs_some_fifty_calls(tmp_path):
    """Five events and a file: 48 calls for each process more, so that 100,000 are read in a few seconds."""
    looks = [calls(status.look, large(tmp_path / str(n), n).run) for n in (100, 1000)]
    for (found, _), n in zip(looks, (100, 1000), strict=True):
        assert found.complete
        assert (stage(found).done, stage(found).running) == (3 * n, 0)
    assert looks[1][1] - looks[0][1] < 3 * 900 * 70


def _folder(path):
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


def _pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _bytes(raw):
    return lambda path: path.write_bytes(raw)


DAMAGE = {
    "a folder": _folder,
    "a pipe": _pipe,
    "no text": _bytes(b"\xff\xfe\0\x80" * 300),
    "one long line": _bytes(b"1" * 3_000_000),
    "huge numbers": _bytes(
        b"005 (7" + b"0" * 5000 + b".0.0) 2026-11-22 10:45:36 x\n...\n000 (7.0.0) 2026-99-99 99:99:99 x\n...\n"
        b"005 (7.0.0) 2026-99-99 99:99:99 x\n\t(1) Normal termination (return value 1" + b"0" * 5000 + b")\n...\n"
    ),
    "names that are none": _bytes(
        b"000 (20.0.0) 2026-11-22 10:45:36 x\nDAG Node: a\0\xff\n...\n1 \xff SUBMIT_FAILURE - \n"
        b"JOB x\nlog = a\0b\nerror = \0\n"
    ),
}
NAMES = (
    "analysis.dag.dagman.log", "analysis.dag.dagman.out", "logs/jobstate.log", "logs/bg_trials.log", "bg_trials.sub",
    "batches/bg_m030.txt", "logs/bg_m030/0.err", "analysis.dag", ".dagmaker.lock",
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_no_damaged_file_of_htcondor_ends_a_command_badly(built, damage):
    """Status tells what it can; a submission is refused in words."""
    dag_log(built.run, submit(0), execute(0), end(0, 1))
    bg_log(built.run, submit(0), execute(0), end(0, 1))
    for name in NAMES:
        (built.run / name).parent.mkdir(parents=True, exist_ok=True)
        DAMAGE[damage](built.run / name)
        assert list(status_text.lines(status.look(built.run)))[-1].startswith("next: ")
    with pytest.raises(DagmakerError, match=r"analysis.dag|bg_trials.sub"):
        list(submission.check(built.run, "analysis.dag", built.plan.spec_digest))
    with suppress(SpecError):
        dag_check._submit_files(built.run)
