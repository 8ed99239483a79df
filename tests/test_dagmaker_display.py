import io
import json

import pytest

from dagmaker.plan import plan
from dagmaker.plan.processes import Process, Reply
from dagmaker.status import display, failures, progress, summary
from dagmaker.status.failures import Failure
from tests.dagmaker_spec import spec
from worker.base.errors import EXIT_CODES


def _reply(rc=0, err="", task="bg_trials", position=0, wall_s=2.0):
    return Reply(Process("bg_p005", position, (task, "--dec=5")), rc, err, wall_s, 1.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.4, "0:00"), (7, "0:07"), (125, "2:05"), (7510, "2:05:10")]
)
def test_durations(seconds, text):
    assert display.duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.5, "0.5"), (31.54, "31.5"), (5081.3, "5,081")])
def test_rates(value, text):
    assert display.rate(value) == text


def test_counts_and_time_left():
    stage = progress.make(plan.make(spec(), "")).stages["bg_trials"]
    assert (stage.total, stage.trials) == (9, 750)
    assert stage.left_s(2) is None
    for _ in range(3):
        stage.started()
        stage.finished(_reply(), again=False)
    assert (stage.done, stage.running) == (3, 0)
    assert stage.left_s(2) == pytest.approx(6 * 2.0 / 2)
    stage.started()
    stage.finished(_reply(1), again=True)
    assert stage.failed == 0
    stage.started()
    stage.finished(_reply(2), again=False)
    assert stage.failed == 1
    assert stage.left_s(2) == pytest.approx((9 - 3 - 1) * 10.0 / 3 / 2)  # failed starts cost time, too


def test_plain_lines_tell_a_complete_stage_once(capsys):
    state = progress.make(plan.make(spec(), ""))
    lines = display.Lines()
    state.skip("bg_trials", 9)
    lines.update(state, 2)
    lines.update(state, 2)
    assert capsys.readouterr().out == "bg_trials     9/9\n"


def test_the_table_shows_every_stage():
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    state = progress.make(plan.make(spec(), ""))
    with display.Table(console) as table:
        table.say("a line above")
        table.update(state, 2)
    text = console.file.getvalue()
    assert "a line above" in text
    assert all(task in text for task in state.stages)


@pytest.mark.parametrize("code", EXIT_CODES)
def test_exit_codes_in_words(code):
    assert failures.cause(code) == EXIT_CODES[code]


def test_signals_in_words():
    assert failures.cause(-9) == "killed by SIGKILL; out of memory? lower --jobs or see dmesg"
    assert failures.cause(-11) == "killed by SIGSEGV"
    assert failures.cause(77) == "exit code 77, which no task gives"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "(it said nothing)"),
        ("a\nworker x: b\n\n", "worker x: b"),
        ("Traceback ...\nTypeError: no\nworker x: unexpected error (above); report it", "TypeError: no"),
    ],
)
def test_the_line_that_says_what_happened(text, line):
    assert failures.last_line(text) == line


def test_failures_are_grouped_by_cause(tmp_path):
    failed = []
    for position in range(5):
        reply = _reply(3, "worker bg_trials: x.npy: is corrupt", position=position)
        failed.append(Failure(reply, ("bg_trials", "--dec=5"), failures.write_log(tmp_path, reply, ("bg_trials",))))
    reply = _reply(-9, "killed by SIGKILL", "scan_trials")
    failed.append(Failure(reply, ("scan_trials",), failures.write_log(tmp_path, reply, ("scan_trials",))))
    assert failures.table(failed, tmp_path) == [
        "5 x bg_trials: missing or corrupt input: make or repair the named file",
        "    worker bg_trials: x.npy: is corrupt",
        "    by hand: worker bg_trials --dec=5",
        "    log: logs/failed_bg_p005_0.log and 4 more",
        "1 x scan_trials: killed by SIGKILL; out of memory? lower --jobs or see dmesg",
        "    killed by SIGKILL",
        "    by hand: worker scan_trials",
        "    log: logs/failed_bg_p005_0.log",
    ]


def test_no_summary(tmp_path):
    assert "no summary" in summary.lines(tmp_path)[0]


def test_a_summary_of_nothing_but_a_name(tmp_path):
    """A run that failed early has a summary with empty places; it is printed all the same."""
    (tmp_path / "results").mkdir()
    keys = ("data", "background", "sensitivity", "discovery", "scan", "post_trial", "timing")
    (tmp_path / "results" / "summary.json").write_text(json.dumps({"name": "x", **dict.fromkeys(keys)}))
    lines = summary.lines(tmp_path)
    assert lines[1].startswith("x: ")
    assert lines[-1] == f"results: {tmp_path}/results/summary.json"


def test_no_significance_is_negative(tmp_path):
    """P-values of 0.5 or more are no excess: `scipy.stats.norm.isf` would give a negative number."""
    (tmp_path / "results").mkdir()
    for p, said in ((0.00135, "3.00 sigma"), (0.499, "0.00 sigma"), (0.5, "no excess"), (0.97, "no excess")):
        post = {"p": p, "lo": 0.0, "hi": 1.0, "k": 1, "n": 2}
        (tmp_path / "results" / "summary.json").write_text(json.dumps({"name": "x", "post_trial": post}))
        (line,) = (line for line in summary.lines(tmp_path) if line.startswith("post-trial"))
        assert f"], {said} (1 of 2 " in line
