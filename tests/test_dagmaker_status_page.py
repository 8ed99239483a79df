"""`dagmaker status --html`: what the page says, from logs as HTCondor writes them and from files alone."""

import os
import time
from pathlib import Path

import pytest

from dagmaker.cli import main
from dagmaker.htcondor.batches import Batches
from dagmaker.htcondor.build import Built, build
from dagmaker.htcondor.jobs import seconds
from dagmaker.plan import processes
from dagmaker.status import status_page, throughput
from dagmaker.status.status import Watcher
from tests.counted import calls
from tests.dagmaker_spec import spec
from tests.test_dagmaker_eventlog import execute, submit
from tests.test_dagmaker_status_pool import bg_log, dag_log

EVENTS = """\
000 ({c:03d}.{p:03d}.000) 2026-11-22 10:00:00 Job submitted from host: <127.0.0.1:43679?alias=localhost>
    DAG Node: {node}
...
001 ({c:03d}.{p:03d}.000) 2026-11-22 10:00:05 Job executing on host: <127.0.0.1:45491?alias=localhost&noUDP>
\tSlotName: slot1_1@node{host:03d}
...
"""
END = """\
005 ({c:03d}.{p:03d}.000) 2026-11-22 {at} Job terminated.
\t(1) {how} {code})
...
"""
GOOD = ("Normal termination (return value", 0)
HOW = {1: ("Normal termination (return value", 3), 51: ("Abnormal termination (signal", 9)}


def large(run: Path, n: int) -> Built:
    """A run of three times n processes on a pool: three quarters have ended, one in fifty of these badly."""
    built = build(spec(n_bg=100 * n, bg_file=100, resources="{max_retries: 0}"), run)
    dag_log(run, submit(0), execute(0))
    out = []
    batches = Batches(run, built.plan)
    outputs = {node.name: list(processes.outputs(node)) for node in built.plan.nodes}
    for cluster, file in enumerate(sorted((run / "batches").glob("bg_*.txt")), 100):
        for p in range(len(file.read_text().splitlines())):
            place = batches.plan_position("bg_trials", batches.argv((file.stem, p)) or "")
            assert place is not None
            node, i = place
            out.append(EVENTS.format(c=cluster, p=p, node=file.stem, host=i % 199))
            if i % 4 == 0:
                continue
            at = time.strftime("%H:%M:%S", time.gmtime(36100 + i))
            how, code = HOW.get(i % 100, GOOD)
            out.append(END.format(c=cluster, p=p, at=at, how=how, code=code))
            if code == 0:
                (run / node.dir).mkdir(parents=True, exist_ok=True)
                (run / node.dir / outputs[node.name][i]).touch()
    bg_log(run, *out)
    return built


@pytest.mark.slow
def test_twelve_thousand_processes_on_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = large(tmp_path / "run", 4000)
    assert built.plan.n_processes > 12_000
    code, n_calls = calls(main, ["status", str(built.run), "--html"])
    assert code == 0
    assert n_calls < built.plan.n_processes * 200  # 130 today
    assert capsys.readouterr().out == f"-> {built.run / status_page.FILE}\n"
    text = (built.run / status_page.FILE).read_text(encoding="utf-8")
    assert len(text) < 200_000  # of causes and bins, not of processes
    assert (
        f"location.reload(); }}, {1000 * status_page.EVERY_S});" in text
    )  # the DAG is in the queue: the page loads itself again
    assert text.count("failed: 120 × bg_trials") == 2
    assert "missing or corrupt input" in text
    assert "request_memory_mb: 2000" in text  # the change to make for what was killed


def test_ends_are_counted_where_the_logs_put_them(tmp_path: Path) -> None:
    built = build(spec(), tmp_path / "run")
    dag_log(built.run, submit(0), execute(0))
    ends = [END.format(c=20, p=p, at=f"10:0{p}:30", how="Normal termination (return value", code=0) for p in range(3)]
    bg_log(built.run, *(submit(p) + execute(p) for p in range(3)), *ends)
    watcher = Watcher(built.run)
    status_page.write(built.run, watcher)
    found = throughput.binned(watcher.ends())
    assert sum(found.counts["bg_trials"]) == 3
    assert found.begin <= seconds("2026-11-22 10:00:30") < found.begin + found.width_s
    assert found.totals[0] == found.totals[-1] == 1
    text = (built.run / status_page.FILE).read_text(encoding="utf-8")
    assert text.count("<rect") == 3


def test_without_a_pool_the_files_tell_when(tmp_path: Path) -> None:
    built = build(spec(), tmp_path / "run")
    node = next(node for node in built.plan.nodes if node.name == "bg_p005")
    (built.run / node.dir).mkdir(parents=True)
    for i, name in enumerate(processes.outputs(node)):
        (built.run / node.dir / name).touch()
        os.utime(built.run / node.dir / name, (1e9 + 120 * i, 1e9 + 120 * i))
    found = throughput.binned(throughput.output_times(built.run, built.plan))
    assert found.counts.keys() == {"bg_trials"}
    assert [i for i, n in enumerate(found.totals) if n] == [0, 24, 48]
    assert found.width_s == 5


@pytest.mark.parametrize(("span", "width"), [(0, 1), (60, 1), (3600, 60), (86400, 1800), (40 * 86400, 86400)])
def test_bins_have_a_handy_width(span: float, width: float) -> None:
    found = throughput.binned({"a": [1e9, 1e9 + span / 3], "b": [1e9 + span]})
    assert found.width_s == width
    assert found.n_bins <= throughput.MAX_BINS
    assert sum(found.totals) == 3
    assert len(found.counts["a"]) == len(found.counts["b"])


def test_nothing_done_and_names_that_are_html(tmp_path: Path) -> None:
    run = tmp_path / "run&<b>"
    built = build(spec(), run)
    assert main(["status", str(run), "--html"]) == 0
    text = (run / status_page.FILE).read_text(encoding="utf-8")
    assert "Nothing has ended yet." in text
    assert "<p>next: <code>dagmaker " in text
    assert "run&amp;&lt;b&gt;" in text
    assert "<b>" not in text
    assert f"0 of {built.plan.n_processes} done" in text


def test_a_finished_run_does_not_load_itself_again(tmp_path: Path) -> None:
    built = build(spec(), tmp_path / "run")
    for node in built.plan.nodes:
        (built.run / node.dir).mkdir(parents=True, exist_ok=True)
        for name in processes.outputs(node):
            (built.run / node.dir / name).touch()
    assert status_page.follow(built.run, once=False) == 0  # ends by itself
    text = (built.run / status_page.FILE).read_text(encoding="utf-8")
    assert "reload" not in text
    assert "complete" in text
