from pathlib import Path

import pytest

from dagmaker.htcondor import holds, submitfile
from dagmaker.htcondor.eventlog import Hold
from dagmaker.htcondor.jobs import HostCount
from dagmaker.status import causes
from dagmaker.status.causes import Problem, SpecRequest

RUN = Path("/data/run")
ASKED = SpecRequest(1000, 500)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "logs" / "bg_m030").mkdir(parents=True)
    (tmp_path / "bg_trials.sub").write_text(
        "log = logs/bg_trials.log\n"
        f"error = {tmp_path}/logs/$(node)/$(Process).err\n"
        "executable = /usr/bin/python3\n"
        "on_exit_hold = ExitCode =!= 0\n"
    )
    return tmp_path


def grouped(run, bad, hosts=None):
    return causes.group(bad, hosts or {}, {"bg_trials": submitfile.read(run, "bg_trials")}, run, ASKED)


def failed(process, code=3, host="one"):
    return Problem("bg_trials", code, None, host, ("bg_m030", process), f"bg_trials --dec=-30 --first={process}00")


def held(process, code, subcode, reason="because"):
    return failed(process, None)._replace(hold=Hold(code, subcode, reason))


def test_the_same_sentence_about_other_files_is_one_cause(run):
    for process in range(3):
        (run / f"logs/bg_m030/{process}.err").write_text(
            f"worker bg_trials: /data/run/trials/{process}00.npy: this file is missing; make it\n"
        )
    (run / "logs/bg_m030/3.err").write_text("worker bg_trials: the disk is full\n")
    first, second = grouped(run, [failed(process) for process in range(4)])
    assert (first.count, second.count) == (3, 1)
    assert first.what == "missing or corrupt input: make or repair the named file"
    assert first.said == ("worker bg_trials: /data/run/trials/000.npy: this file is missing; make it",)
    assert first.file == "logs/bg_m030/0.err"
    assert first.by_hand == f"worker bg_trials --dec=-30 --first=000 --run={run}"
    assert f"`dagmaker repair {run}`" in first.cure


def test_only_the_last_lines_are_shown(run):
    (run / "logs/bg_m030/0.err").write_text("\n".join(f"line {i}" for i in range(10_000)))
    [found] = grouped(run, [failed(0, code=1)])
    assert found.said == ("line 9996", "line 9997", "line 9998", "line 9999")


def test_a_process_that_said_nothing(run):
    [found] = grouped(run, [failed(0, code=1)])
    assert found.said == ("(it said nothing)",)


def test_many_failures_are_counted_without_reading_every_file(run):
    [found] = grouped(run, [failed(process) for process in range(1000)])
    assert found.count == 1000


def test_a_kill_is_cured_with_memory(run):
    [found] = grouped(run, [failed(0, code=-9)])
    assert found.what.startswith("killed by SIGKILL")
    assert "resources.request_memory_mb: 2000  (now 1000)" in found.cure


@pytest.mark.parametrize(
    ("hold", "words", "cure"),
    [
        (Hold(21, 102, "memory usage exceeded"), "used more memory than it asked for (code 21, subcode 102)",
         "resources.request_memory_mb: 2000  (now 1000)"),
        (Hold(34, 102, "Job has gone over cgroup memory limit"), "used more memory than it asked for",
         "resources.request_memory_mb: 2000"),
        (Hold(34, 0, "memory"), "used more memory than it asked for", "resources.request_memory_mb: 2000"),
        (Hold(21, 104, "disk usage exceeded"), "used more disk than it asked for", "resources.request_disk_mb: 1000"),
        (Hold(12, 28, "No space left on device"), "the disk is full", "make room"),
        (Hold(7, 30, "Read-only file system"), "its output file cannot be opened", "mounted for writing again"),
        (Hold(12, 2, "No such file"), "its output could not be transferred back", "cure what the reason names"),
        (Hold(1, 0, "via condor_hold"), "held by its user", "release it"),
        (Hold(6, 2, "exec"), "its program could not be started", "/usr/bin/python3 must exist on every machine"),
        (Hold(47, 0, "too long"), "ran for longer than allowed_execute_duration", "fewer trials per file"),
        (Hold(999, 7, "new"), "held (code 999, subcode 7)", "cure what the reason names"),
    ],
)  # fmt: skip
def test_holds(run, hold, words, cure):
    submit = submitfile.read(run, "bg_trials")
    assert words in holds.description(hold)
    assert cure in holds.cure(hold, 1000, 500, submit)


def test_disk_that_the_plan_found_out_is_no_key_of_the_spec(run):
    cure = holds.cure(Hold(21, 104, "disk usage exceeded"), 1000, 0, submitfile.read(run, "bg_trials"))
    assert cure.startswith("commands: {request_disk: 2GB} in the site profile")


def test_holds_of_one_reason_are_one_cause_and_keep_htcondors_words(run):
    found = grouped(run, [held(0, 21, 102), held(1, 21, 102), held(2, 1, 0, "via condor_hold (by user me)")])
    assert [(cause.kind, cause.count) for cause in found] == [("held", 2), ("held", 1)]
    assert found[1].said == ("via condor_hold (by user me)",)


def test_a_hold_by_our_own_submit_file_is_a_failure_that_waits_for_its_cure(run):
    (run / "logs/bg_m030/0.err").write_text("worker bg_trials: x.npz: this file is missing\n")
    [found] = grouped(run, [held(0, 3, 3)])
    assert found.what == "failed for good: missing or corrupt input: make or repair the named file"
    assert found.said == ("worker bg_trials: x.npz: this file is missing",)
    assert "condor_release" in found.cure


def test_a_machine_on_which_everything_fails(run):
    hosts = {"bg_trials": {"good": HostCount(50, 2), "black": HostCount(0, 30), "unlucky": HostCount(0, 2)}}
    found = grouped(run, [failed(0)], hosts)
    assert [cause.kind for cause in found] == ["host", "failed"]
    assert found[0].what == "every try on black failed, elsewhere 50 went well"
    assert "requirements: 'Machine != \"black\"'" in found[0].cure


def test_where_everything_fails_everywhere_no_machine_is_blamed(run):
    hosts = {"bg_trials": {"a": HostCount(0, 30), "b": HostCount(0, 30)}}
    assert [cause.kind for cause in grouped(run, [failed(0)], hosts)] == ["failed"]


def test_a_cause_that_is_seen_on_one_of_several_machines_names_it(run):
    hosts = {"bg_trials": {"one": HostCount(1, 2), "two": HostCount(1, 0)}}
    [found] = grouped(run, [failed(0), failed(1)], hosts)
    assert found.what.endswith(", all on one")
    [found] = grouped(run, [failed(0), failed(1)], {"bg_trials": {"one": HostCount(1, 2)}})
    assert "all on" not in found.what


def test_what_was_removed_while_held_is_told_from_what_is_held(run):
    found = grouped(run, [held(0, 21, 102), held(1, 21, 102)._replace(removed=True)])
    assert sorted(cause.kind for cause in found) == ["held", "removed"]
