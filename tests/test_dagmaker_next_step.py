"""The last line of `dagmaker status`: one command for the shell, from logs as HTCondor writes them."""

import errno
import os
import shlex
import time

import pytest

from dagmaker import lock
from dagmaker.htcondor.build import build
from dagmaker.htcondor.eventlog import Hold
from dagmaker.htcondor.jobs import seconds
from dagmaker.htcondor.schedd import Answer, InQueue
from dagmaker.status import status, status_text
from dagmaker.status.watching import ended
from tests.dagmaker_spec import spec
from tests.test_dagmaker_eventlog import HELD, end, execute, submit
from tests.test_dagmaker_status_pool import bg_log, dag_log, finish, stage
from worker.rundir import layout

HELD_BY_USER = HELD.replace("Error from slot1_2@localhost: memory usage exceeded request_memory", "via condor_hold")
HELD_BY_USER = HELD_BY_USER.replace("Code 21 Subcode 102", "Code 1 Subcode 0")
REMOVED = """\
009 (020.{p:03d}.000) 2026-11-22 10:45:36 Job was aborted.
\t{why}
...
"""
BY_HAND, BY_DAGMAN = "via condor_rm (by user you)", "Node Error: DAG node bg_m030 (20.0.0) got ULOG_JOB_ABORTED event."
WITH_DAGMAN = "removed because <OtherJobRemoveRequirements = DAGManJobId =?= 304> fired when job (304.0) was removed"
RUNS = submit(0) + execute(0)
FAILED = RUNS + end(0, 1)
OUTPUT = "trials/tiny/bg/dec/-030/trials__N_000100_seed_0000.npy"
PRE_FAILED = (
    "1796035470 INTERNAL *** DAGMAN_STARTED 25.0 ***\n"
    "1796035488 round_1 PRE_SCRIPT_STARTED - - - 7\n"
    "1796035488 round_1 PRE_SCRIPT_FAILURE - - - 7\n"
)
NOT_SUBMITTED = (
    PRE_FAILED.replace("PRE_SCRIPT_FAILURE", "PRE_SCRIPT_SUCCESS") + "1796035490 sig_m030 SUBMIT_FAILURE 0 - - 8\n"
)
MORE_MEMORY = "RequestMemory 'ifThenElse(MemoryUsage is undefined, 2000, max({2000, 2 * MemoryUsage}))'"


def clock(ago_s):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago_s))


@pytest.fixture
def run(tmp_path):
    """A path that only a quoted word survives in a shell."""
    return build(spec(), tmp_path / "my&runs;(1)").run


def begin(run, dag, *events, file="analysis.dag"):
    dag_log(run, dag, file=file)
    bg_log(run, *events)
    for batch in (run / "batches").iterdir():
        os.utime(batch, (0, 0))  # the run was built before the DAG was submitted


def next_of(run, answer=None):
    """The printed command, with the run directory as RUN; it is the last line, and the only one of its kind."""
    found = status.look(run, answer)
    lines = list(status_text.lines(found, answer))
    assert lines[-1] == f"next: {found.next}"
    assert sum(line.startswith("next: ") for line in lines) == 1
    assert shlex.split(found.next)
    return found.next.replace(shlex.quote(str(run)), "RUN"), found


@pytest.mark.parametrize(
    ("dag", "events", "command", "kinds"),
    [
        (RUNS, (submit(0), execute(0)), "dagmaker status RUN --watch", []),
        (RUNS, (submit(0), execute(0), HELD_BY_USER.format(p=0)), "condor_release 20.0", ["held"]),
        (
            RUNS,
            (*(submit(p) + HELD_BY_USER.format(p=p) for p in range(2)),),
            "condor_release -constraint '(ClusterId == 20 && ProcId == 0) || (ClusterId == 20 && ProcId == 1)'",
            ["held"],
        ),
        (
            RUNS,
            (*(submit(p) + HELD_BY_USER.format(p=p) for p in range(20)),),
            "condor_release -constraint '(ClusterId == 20 && JobStatus == 5)'",
            ["held"],
        ),
        (
            RUNS,
            (submit(0), HELD.format(p=0)),
            f"condor_qedit 20.0 {MORE_MEMORY} && condor_release 20.0",
            ["held"],
        ),
        (
            RUNS,
            (submit(0), HELD.format(p=0), submit(1), HELD_BY_USER.format(p=1)),
            f"condor_qedit 20.0 {MORE_MEMORY} && condor_release -constraint "
            "'(ClusterId == 20 && ProcId == 0) || (ClusterId == 20 && ProcId == 1)'",
            ["held", "held"],
        ),
        (RUNS + HELD_BY_USER.format(p=0), (), "condor_release 7", []),
        (FAILED, (submit(0), REMOVED.format(p=0, why=BY_HAND)), "dagmaker submit RUN", ["gone"]),
        (FAILED, (submit(0), REMOVED.format(p=0, why=BY_DAGMAN)), "dagmaker submit RUN", []),
        (FAILED, (submit(0), REMOVED.format(p=0, why=WITH_DAGMAN)), "dagmaker submit RUN", []),
        (RUNS, (submit(0), REMOVED.format(p=0, why=BY_HAND)), "dagmaker status RUN --watch", ["gone"]),
        (FAILED, (submit(0), execute(0), end(0, -9)), "dagmaker submit RUN", ["failed"]),
        (
            FAILED,
            (submit(0), execute(0), end(0, 3)),
            "dagmaker repair RUN && dagmaker submit RUN --repair",
            ["failed"],
        ),
        (
            FAILED,
            (*(submit(p) + execute(p) + end(p) for p in range(2)),),
            "dagmaker repair RUN && dagmaker submit RUN --repair",
            ["lost"],
        ),
    ],
    ids=[
        "at work",
        "held by hand",
        "two of them",
        "twenty of them",
        "held for memory",
        "held for two reasons",
        "DAGMan held",
        "removed by hand",
        "removed with its node",
        "removed with its DAG",
        "removed while others go on",
        "killed",
        "corrupt input",
        "left no file",
    ],
)
def test_what_is_printed(run, dag, events, command, kinds):
    begin(run, dag, *events)
    printed, found = next_of(run)
    assert printed == command
    assert [cause.kind for cause in found.causes] == kinds


def test_what_was_removed_by_hand_says_by_whom(run):
    begin(run, FAILED, submit(0), REMOVED.format(p=0, why=BY_HAND), submit(1), REMOVED.format(p=1, why=BY_DAGMAN))
    text = "\n".join(status_text.lines(status.look(run)))
    assert "removed: 1 x bg_trials: removed from the queue, by hand or by a rule of the pool\n    | via cond" in text
    assert stage(status.look(run)).failed == 1


def test_a_removed_process_that_was_submitted_again_is_forgotten(run):
    begin(run, RUNS, submit(0), REMOVED.format(p=0, why=BY_HAND), submit(0).replace("(020.", "(021."))
    assert status.look(run).causes == ()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_was_there_before_and_was_refused_is_not_done(run, what):
    """A file of another analysis, or a folder: older than the failure, so that it is not what has cured it."""
    late = end(0, 3).replace("2026-11-22 10:45:40", clock(-3600))
    begin(run, FAILED, submit(0), execute(0), late)
    path = run / OUTPUT
    path.parent.mkdir(parents=True)
    path.touch() if what == "file" else path.mkdir()
    printed, found = next_of(run)
    assert printed == "dagmaker repair RUN --set_aside && dagmaker submit RUN --repair"
    assert (stage(found).done, stage(found).failed) == (0, 1)


@pytest.mark.parametrize(
    ("text", "what", "said"),
    [
        (PRE_FAILED, "failed node: 1 x round_1: its PRE script failed", "dagmaker round: no such site"),
        (NOT_SUBMITTED, "failed node: 1 x sig_m030: not submitted", "ERROR: on Line 9 of submit file"),
    ],
)
def test_a_node_that_dagman_could_not_run(run, text, what, said):
    begin(run, FAILED)
    (run / "logs" / "jobstate.log").write_text(text)
    (run / "logs" / "round_1.out").write_text("dagmaker round: no such site\n")
    (run / "analysis.dag.dagman.out").write_text(
        "11/22/26 10:45:22 submitting: sig_m030\n11/22/26 10:45:22 ERROR: on Line 9 of submit file\n"
    )
    printed, found = next_of(run)
    shown = "\n".join(status_text.lines(found))
    assert what in shown
    assert f"    | {said}" in shown
    assert printed == "dagmaker restore RUN && dagmaker submit RUN"
    (run / "logs" / "jobstate.log").write_text(text + "1796035999 INTERNAL *** DAGMAN_STARTED 26.0 ***\n")
    assert status.look(run).causes == (), "the next DAG has not failed there"


def test_a_queue_that_was_lost(run):
    begin(run, RUNS, submit(0), execute(0))
    printed, found = next_of(run, Answer())
    assert printed == "dagmaker submit RUN"
    assert (stage(found).running, found.active) == (0, False)
    fresh = Answer(asked_at=time.mktime(time.strptime("2026-11-22 10:45:33", "%Y-%m-%d %H:%M:%S")))
    assert next_of(run, fresh)[0] == "dagmaker status RUN --watch", "asked before the DAG was submitted"
    assert next_of(run, Answer(problem="no answer"))[0] == "dagmaker status RUN --watch"


def test_processes_of_a_queue_that_was_lost_are_not_at_work_in_the_next(run):
    again = submit(0).replace("10:45:32", "10:47:00")
    begin(run, RUNS + again + execute(0).replace("10:45:33", "10:47:01"), submit(0), execute(0))
    assert stage(status.look(run)).running == 0


def test_a_dag_of_another_submit_node(run):
    begin(run, RUNS, submit(0))
    printed, _ = next_of(run, Answer(host="elsewhere"))
    assert printed.startswith("ssh localhost ")
    assert shlex.split(shlex.split(printed.replace("RUN", "x"))[2])[:2] == ["dagmaker", "status"]


def test_dagman_held_by_the_schedds_word_and_a_repair_that_goes_on(run):
    begin(run, RUNS)
    held = Answer((InQueue(7, "held", "analysis.dag"),))
    assert next_of(run, held)[0] == "condor_release 7"
    removed = Answer((InQueue(7, "removed", "analysis.dag"),))
    assert next_of(run, removed)[0] == "dagmaker abort RUN && dagmaker submit RUN"
    dag_log(run, FAILED.replace("10:45", "10:46"), file="repair.dag")
    assert next_of(run)[0] == "dagmaker status RUN --watch", "the other DAG is in the queue still"
    dag_log(run, FAILED)
    assert next_of(run)[0] == "dagmaker submit RUN --repair"


def test_a_stopped_process_has_no_time_left_and_is_told_by_its_stages_median(run):
    """Three that took two seconds, and one that runs for half an hour: no event says so, and no rate."""
    started, ended = clock(1803), clock(1801)
    at = "2026-11-22 10:45:"
    well = [submit(p) + execute(p) + end(p, second="40") for p in range(3)]
    well = [text.replace(at + "40", ended) for text in well]
    events = [text.replace(at + "32", started).replace(at + "33", started) for text in (*well, submit(3) + execute(3))]
    begin(run, RUNS.replace(at + "32", clock(1900)).replace(at + "33", clock(1899)), *events)
    finish(build(spec(), run), "bg_m030", 0, 1, 2)
    printed, found = next_of(run)
    assert printed == "condor_vacate_job -fast 20.3"
    assert stage(found).left_s is None
    text = "\n".join(status_text.lines(found))
    assert "longest running: bg_trials 20.3 on one, 30:0" in text
    assert "(median of its stage 0:02)" in text
    assert "no event for 30 min" in text
    assert "seems to hang: the time that is left is not known" in text
    assert " left for the stages" not in text


def test_processes_that_no_machine_takes(run):
    begin(run, RUNS, submit(0))
    assert next_of(run)[0] == "condor_q -better-analyze -constraint 'DAGManJobId == 7 && JobStatus == 1'"


def test_the_whole_run_in_a_line(run):
    begin(run, RUNS, submit(0), execute(0))
    finish(build(spec(), run), "prepare", 0)
    text = "\n".join(status_text.lines(status.look(run)))
    assert "1 of 47 processes done (2 %); 12 nodes wait for others" in text
    assert "nothing has ended yet" not in text


def test_a_run_that_is_at_work_here_is_watched(run, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)  # no tools of HTCondor
    with lock.held(run):
        assert next_of(run)[0] == "dagmaker status RUN --watch"
    _, found = next_of(run)
    assert shlex.split(found.next) == ["dagmaker", "run", f"{run}/analysis.yaml", f"--run={run}"]


def test_a_run_that_goes_on_here_after_its_dag_has_ended_is_watched(run):
    begin(run, FAILED)
    with lock.held(run):
        printed, found = next_of(run)
        assert printed == "dagmaker status RUN --watch"
        assert status_text.verdict(found) == "not complete: a dagmaker command is at work here"
        assert not ended(found)
    printed, found = next_of(run)
    assert (printed, ended(found)) == ("dagmaker submit RUN", True)


def finish_all(run):
    built = build(spec(), run)
    for node in built.plan.nodes:
        finish(built, node.name, *range(node.n_processes))


def test_an_edited_spec_makes_no_run_complete(run):
    finish_all(run)
    assert status.look(run).complete
    frozen = run / layout.SPEC
    frozen.write_text(frozen.read_text().replace("seed: 1", "seed: 2"))
    printed, found = next_of(run)
    assert printed == "dagmaker restore RUN"
    assert not found.complete
    assert "analysis.yaml was edited since the run was built" in status_text.verdict(found)
    begin(run, FAILED)
    (run / layout.REPORT).unlink()
    assert next_of(run)[0] == "dagmaker restore RUN && dagmaker submit RUN"


def test_results_of_an_earlier_spec_make_no_run_complete(run):
    finish_all(run)
    (run / layout.SUMMARY).write_text('{"digest": "of another spec"}')
    begin(run, RUNS + end(0))
    printed, found = next_of(run)
    assert printed == "dagmaker submit RUN"
    assert status_text.verdict(found) == "not complete: the results were made with the spec of an earlier build"


def test_a_failed_dag_over_older_results_makes_no_run_complete(run):
    finish_all(run)
    begin(run, FAILED.replace("2026-11-22 10:45:40", clock(-3600)))
    assert next_of(run)[0] == "dagmaker submit RUN"
    begin(run, FAILED)
    assert status.look(run).complete, "made since, by `dagmaker run`"


def test_what_the_schedd_holds_and_no_log_tells(run):
    """On a disk that is read-only or full, HTCondor cannot write that it holds a process."""
    begin(run, RUNS, submit(0), submit(1), execute(1))
    why = Hold(7, errno.EROFS, "Failed to open 0.err: Read-only file system")
    queue = (InQueue(7, "running", "analysis.dag"),)
    printed, found = next_of(run, Answer(queue, held=((20, 0, why),)))
    assert printed == "condor_release 20.0"
    assert (stage(found).held, stage(found).running, stage(found).idle) == (1, 1, 0)
    assert [cause.cure for cause in found.causes] == ["have the disk of the run directory mounted for writing again"]
    early = Answer(queue, held=((20, 1, why),), asked_at=seconds("2026-11-22 10:45:33"))
    assert stage(next_of(run, early)[1]).held == 0, "released since"
