"""Commands that messages print are taken by a shell as they stand, whatever is in the path of the run."""

import re
import shlex
from pathlib import Path

import pytest

from dagmaker import cli
from dagmaker.commands import COMMANDS
from dagmaker.htcondor import blocking_paths, queued, repair, restore, rounds
from dagmaker.htcondor.build import build_locked
from dagmaker.htcondor.submit import Submitted
from dagmaker.local import run as local
from dagmaker.status import causes, failures, status, status_text, summary
from dagmaker.status.causes import Problem, SpecRequest
from tests.dagmaker_spec import spec
from tests.test_dagmaker_eventlog import execute, submit
from tests.test_dagmaker_status_pool import dag_log
from worker.base import atomic
from worker.base.errors import DagmakerError, StoppedError
from worker.blinding import approval
from worker.cli import main as worker_cli
from worker.report import provenance
from worker.report.results import Results
from worker.rundir import layout, ledger, planfile
from worker.rundir import rounds as plans_of_rounds
from worker.tasks import context

ABSENT = blocking_paths.Fault("bg_m030", 0, "trials/x.npy", "absent", "is missing")
BAD = Problem("bg_trials", 3, None, "", ("bg_m030", 0), "bg_trials --dec=-30 --n=100 --seed=0")


@pytest.fixture
def run(tmp_path):
    run = tmp_path / "it's my run"
    run.mkdir()
    build_locked(spec(), run)
    return run


def commands(said):
    """Words of the commands in a text: in backticks, behind a colon, or in a line of their own."""
    told = re.findall(r"`([^`\n]+)`", said)
    for line in re.findall(r"(?:: +|^ {4})((?:dagmaker|worker) [^`\n]*)$", said, re.MULTILINE):
        first, second, *_ = (*re.split(r" {4,}\(or ", line), "")
        told += [first, *([second.removesuffix(")")] if second.startswith("condor_submit_dag") else [])]
    return [shlex.split(one) for line in told for one in line.split(" && ")]


def checked(words):
    """What argv checks of a command or task: that it takes these arguments."""
    program, name, *rest = words
    if program == "dagmaker":
        cli.parse(name.replace("-", "_"), cli._with_names(name.replace("-", "_"), rest), COMMANDS)
    elif program == "worker":
        worker_cli.parse(name, rest)
    else:
        assert program == "condor_submit_dag"


def _raised(make, *arguments):
    with pytest.raises(DagmakerError) as raised:
        make(*arguments)
    return str(raised.value)


def _without(run, name):
    (run / name).unlink()
    return run


def _stopped(run, monkeypatch):
    def execute(*_):
        raise StoppedError("stopped by SIGINT")

    monkeypatch.setattr(local, "execute", execute)
    return _raised(local.run, spec(), run, 2)


def _queued(run):
    dag_log(run, submit(0) + execute(0))
    return _raised(queued.refuse, run, "built anew")


def _spoilt_round(run):
    path = run / layout.round_plan(1)
    path.parent.mkdir()
    path.write_text("{}")
    return _raised(plans_of_rounds.load, run, 1)


def _read(run):
    return ledger.open_run(run)


SAID = {
    "plan": planfile.cure,
    "no plan": lambda run: _raised(rounds.read_plan, _without(run, "plan.json")),
    "no spec": lambda run: _raised(ledger.open_run, _without(run, "analysis.yaml")),
    "round": _spoilt_round,
    "no decision": lambda run: _raised(rounds.write_round, spec(), run, 1),
    "round before": lambda run: _raised(ledger.run_before_round, _read(run), 3),
    "edited": lambda run: "\n".join(restore.Restored(str(run), ("a",), str(run / "analysis.edited.yaml")).lines()),
    "repaired": lambda run: "\n".join(repair.Repair(run, 1, (ABSENT,), {}, 1).lines()),
    "submitted": lambda run: "\n".join(Submitted(str(run), "analysis.dag", 7, ()).lines()),
    "complete": lambda run: "\n".join(Submitted(str(run), "analysis.dag", None, ()).lines()),
    "queued": _queued,
    "status": lambda run: "\n".join(status_text.lines(status.look(run))),
    "no summary": lambda run: "\n".join(summary.lines(run)),
    "by hand": lambda run: causes.by_hand(BAD, run).join([": ", ""]),
    "failed here": lambda run: "\n".join(
        failures.table([failures.Failure(_Reply(), ("report", f"--run={run}"), run / "logs" / "x")], run)
    ),
    "cure": lambda run: causes._exit_cure(4, run, SpecRequest(1, 1)),
    "no run": lambda run: _raised(atomic.write_all, run / "none", []),
    "token": lambda run: _raised(approval.approved_clearance, _read(run), None, None),
    "not prepared": lambda run: _raised(context.data_digest, _read(run)),
    "provenance": lambda run: "".join(f": {line}\n" for line, _ in provenance.commands(Results(_read(run), {}))),
}  # fmt: skip


class _Reply:
    rc, err = 4, "refused"


@pytest.mark.parametrize("what", SAID)
def test_a_printed_command_is_taken_as_it_stands(what, run):
    found = [words for words in commands(SAID[what](run)) if any(str(run) in word for word in words)]
    assert found
    for words in found:
        checked(words)


def test_a_run_that_was_stopped_says_how_to_go_on(run, monkeypatch):
    (words,) = commands(_stopped(run, monkeypatch))
    assert words == ["dagmaker", "run", f"{run}/analysis.yaml", f"--run={run}", "--jobs=2"]
    checked(words)


def test_what_a_shell_would_not_take_is_found():
    """Negative control."""
    with pytest.raises(ValueError, match="No closing quotation"):
        commands("`dagmaker repair /it's`")
    with pytest.raises(DagmakerError):
        checked(shlex.split("dagmaker repair /my run"))


@pytest.mark.slow
def test_a_run_that_only_dagmaker_run_takes_is_repaired(run, capsys):
    assert cli.main(["repair", str(run)]) == 0
    said = capsys.readouterr().out
    (words,) = commands(said)
    assert words == ["dagmaker", "run", f"{run}/analysis.yaml", f"--run={run}", "--jobs=2"]
    assert "to run: 47 processes" in said
    assert not Path(run, "repair.dag").exists()
