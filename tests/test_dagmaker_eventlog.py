"""The event log's reader and what it adds up to. The texts are what HTCondor 23.9.6 and 25.14.1 wrote."""

import pytest

from dagmaker.htcondor import eventlog, jobs
from dagmaker.htcondor.eventlog import Hold, Log
from dagmaker.htcondor.jobs import Failure, Jobs, Tracker

SUBMIT = """\
000 (020.{p:03d}.000) 2026-11-22 10:45:32 Job submitted from host: <127.0.0.1:43679?alias=localhost>
    DAG Node: bg_m030
...
"""
SUBMIT_25 = """\
000 (020.{p:03d}.000) 2026-11-22 10:45:32 Job submitted from host: <127.0.0.1:43679?alias=localhost>
\tDAGNodeName = "bg_m030"
...
"""
EXECUTE = """\
001 (020.{p:03d}.000) 2026-11-22 10:45:33 Job executing on host: <127.0.0.1:45491?alias=localhost&noUDP>
\tSlotName: slot1_{p}@{host}
\tCondorScratchDir = "/pool/execute/dir_7131"
\tCpus = 1
...
"""
IMAGE = """\
006 (020.{p:03d}.000) 2026-11-22 10:45:34 Image size of job updated: 20
\t5  -  MemoryUsage of job (MB)
...
"""
END = """\
005 (020.{p:03d}.000) 2026-11-22 10:45:{s} Job terminated.
\t({normal}) {how} {code})
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage
...
"""
HELD = """\
012 (020.{p:03d}.000) 2026-11-22 10:45:47 Job was held.
\tError from slot1_2@localhost: memory usage exceeded request_memory
\tCode 21 Subcode 102
...
"""
REQUEUED = """\
004 (020.{p:03d}.000) 2026-11-22 10:45:39 Job was evicted.
\t(0) Job terminated and was requeued
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage
\t0  -  Run Bytes Sent By Job
\t(1) Normal termination (return value 1)
\tThe job attribute OnExitRemove expression 'NumJobCompletions > JobMaxRetries' evaluated to FALSE
...
"""
EVICTED = """\
004 (020.{p:03d}.000) 2026-11-22 10:45:39 Job was evicted.
\t(0) CPU times
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage
...
"""
ABORTED = """\
009 (020.{p:03d}.000) 2026-11-22 10:45:36 Job was aborted.
\tNode Error: DAG node bg_m030 (20.0.0) failed with signal -1. (by user daemon)
...
"""
FACTORY = """\
035 (020.-01.-01) 2026-11-22 10:45:31 Cluster submitted from host: <127.0.0.1:43679>
    DAG Node: bg_m030
...
"""


def submit(p):
    return SUBMIT.format(p=p)


def execute(p, host="one"):
    return EXECUTE.format(p=p, host=host)


def end(p, code=0, second=40):
    how = "Normal termination (return value" if code >= 0 else "Abnormal termination (signal"
    return END.format(p=p, s=second, normal=int(code >= 0), how=how, code=abs(code))


def added_up(*texts) -> Jobs:
    found = Jobs()
    for text in texts:
        for block in text.split("...\n")[:-1]:
            head = eventlog._HEAD.match(block.encode())
            kind = int(head[1])
            if kind in eventlog.KINDS:
                found.add_event(eventlog.Event(kind, int(head[2]), int(head[3]), head[4].decode(), block.encode()))
    return found


@pytest.fixture
def log(tmp_path):
    return tmp_path / "bg_trials.log"


def test_kinds_that_say_nothing_are_skipped(log):
    log.write_text(submit(0) + execute(0) + IMAGE.format(p=0) + end(0))
    assert [event.kind for event in Log(log).new()] == [0, 1, 5]


def test_each_look_reads_only_what_is_new_and_no_half_event(log):
    whole = submit(0) + execute(0)
    half = end(0)
    log.write_text(whole + half[:-20])
    reader = Log(log)
    assert [event.kind for event in reader.new()] == [0, 1]
    assert reader.offset == len(whole)
    assert list(reader.new()) == []
    with log.open("a") as stream:
        stream.write(half[-20:])
    assert [event.kind for event in reader.new()] == [5]
    assert reader.offset == log.stat().st_size


def test_an_event_across_two_chunks(log, monkeypatch):
    monkeypatch.setattr(eventlog, "_CHUNK", 97)
    log.write_text("".join(submit(p) + execute(p) + end(p) for p in range(7)))
    assert [event.kind for event in Log(log).new()] == [0, 1, 5] * 7


def test_a_log_that_begins_anew_is_read_anew(log):
    log.write_text(submit(0) + execute(0) + end(0, 1))
    tracker = Tracker(log)
    assert tracker.follow().failed
    log.write_text(submit(1))
    found = tracker.follow()
    assert not found.failed
    assert set(found.live) == {(20, 1)}


def test_no_log_is_no_event(log):
    assert list(Log(log).new()) == []


@pytest.mark.parametrize("text", [SUBMIT, SUBMIT_25], ids=["23.9", "25.14"])
def test_the_node_of_a_process(log, text):
    log.write_text(text.format(p=3))
    [event] = Log(log).new()
    assert (eventlog.node(event), event.cluster, event.process) == ("bg_m030", 20, 3)


def test_a_factory_names_the_node_of_its_cluster():
    found = added_up(FACTORY, submit(0).replace("    DAG Node: bg_m030\n", ""), execute(0), end(0, 3))
    assert list(found.failed) == [("bg_m030", 0)]


def test_states():
    found = added_up(*(submit(p) for p in range(4)), execute(1), execute(2), HELD.format(p=2), execute(3), end(3))
    assert [found.live[20, p].state for p in range(3)] == ["idle", "running", "held"]
    assert found.live[20, 2].hold == Hold(21, 102, "Error from slot1_2@localhost: memory usage exceeded request_memory")
    assert found.live[20, 2].host == "one"
    assert (20, 3) not in found.live
    assert found.succeeded == 1


@pytest.mark.parametrize("code", [1, 3, 85, -9])
def test_a_bad_end_is_kept_until_the_process_is_submitted_again(code):
    texts = submit(0), execute(0, "black"), end(0, code)
    found = added_up(*texts)
    assert found.failed == {("bg_m030", 0): Failure(code, "black", None)}
    assert (found.hosts["black"].succeeded, found.hosts["black"].failed) == (0, 1)
    again = submit(0).replace("(020.", "(021.")
    assert added_up(*texts, again).failed == {}


def test_a_try_that_is_repeated_is_counted_and_is_no_failure():
    found = added_up(submit(0), execute(0), REQUEUED.format(p=0), execute(0, "two"), end(0))
    assert (found.repeated, found.succeeded, found.failed) == (1, 1, {})
    assert found.hosts["one"].failed == 1


def test_an_eviction_is_no_failed_try():
    found = added_up(submit(0), execute(0), EVICTED.format(p=0))
    assert (found.repeated, found.live[20, 0].state) == (0, "idle")


def test_processes_that_dagman_removes_have_not_failed():
    found = added_up(submit(0), execute(0), ABORTED.format(p=0))
    assert (found.live, found.failed) == ({}, {})


def test_a_held_process_that_is_removed_has_failed_for_the_reason_of_its_hold():
    found = added_up(submit(0), execute(0), HELD.format(p=0), ABORTED.format(p=0))
    assert found.failed["bg_m030", 0].code is None
    assert found.failed["bg_m030", 0].hold[:2] == (21, 102)


def test_rate():
    found = added_up(*(submit(p) + execute(p) + end(p, second=34 + p) for p in range(10)))
    assert found.per_second() == pytest.approx(1.0)  # ten ends in the ten seconds since 10:45:33
    assert added_up(submit(0)).per_second() is None


def test_times_without_a_year():
    assert jobs.seconds("11/22 10:45:33") - jobs.seconds("11/22 10:44:33") == 60
    assert jobs.seconds("2026-11-22 10:45:33") - jobs.seconds("2026-11-22 10:44:33") == 60
