"""`--json`: every command and task prints one JSON document and nothing else on stdout, whether it ends well or not.

Commands that need a pool end well in tests/pool/test_ops_dagmaker.py.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dagmaker import cli
from dagmaker.commands import COMMANDS, POSITIONAL
from tests import test_dagmaker_fetch
from tests.answers import answered, holds_what_is_documented
from tests.dagmaker_spec import text
from tests.dataverse import Dataverse
from worker.base.argument import Spec
from worker.base.errors import EXIT_CODES
from worker.cli import main as worker_cli
from worker.cli.tasks import TASKS

ERROR = {"exit_code", "meaning", "message", "problems"}
ON_A_POOL = ("submit", "abort")
IN_ROUNDS = ("round",)  # tests/test_rounds.py
# What takes a while answers where other tests need it: the fixture finished_run, and those of the commands' own tests.
WHERE_IT_IS_MADE = ("run", "review", "unblind", "pilot")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("json") / "spec.yaml"
    path.write_text(text())
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_fails_answers_too(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--nonsense=1", "--json"]) == 2
    found = capsys.readouterr()
    error = answered(found.out)["error"]
    assert set(error) == ERROR
    assert (error["exit_code"], error["meaning"]) == (2, EXIT_CODES[2])
    assert error["message"].splitlines()[0] in found.err


@pytest.mark.parametrize("command", [c for c, names in POSITIONAL.items() if names == ("run",)])
def test_a_folder_that_is_no_run_is_told_in_json(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--round=1"] if command in IN_ROUNDS else []
    assert cli.main([command, str(tmp_path), *flags, "--json"]) == 3
    assert "this is not a run directory" in answered(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize("command", [c for c, names in POSITIONAL.items() if names == ("spec",)])
def test_problems_of_a_spec_come_with_file_line_and_path(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(text(seed=-1, n_bg=0) + "extra: 1\n")
    flags = [f"--run={tmp_path / 'run'}"] if command in ("build", "run") else []
    assert cli.main([command, "--json", str(tmp_path / "bad.yaml"), *flags]) == 2
    found = capsys.readouterr()
    problems = answered(found.out)["error"]["problems"]
    assert {problem["path"] for problem in problems} == {"seed", "background.n_trials", "extra"}
    for problem in problems:
        assert problem["file"] == str(tmp_path / "bad.yaml")
        place = f"{problem['file']}:{problem['line']}: {problem['path']}: {problem['message']}"
        assert f"dagmaker {command}: {place}" in found.err.splitlines()


def _broken(*, spec: Spec) -> int:
    return len(spec) // 0


def test_an_unexpected_error_answers_too(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "check", _broken)
    assert cli.main(["check", str(spec), "--json"]) == 1
    found = capsys.readouterr()
    assert (
        answered(found.out)["error"]["message"] == "unexpected: ZeroDivisionError: integer division or modulo by zero"
    )
    assert "Traceback" in found.err


def test_json_may_be_switched_off(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("--json=False", "--nojson"):
        assert cli.main(["check", str(spec), word]) == 0
        assert capsys.readouterr().out.startswith(f"{spec}: good")
    assert cli.main(["check", str(spec), "--json=5"]) == 2
    assert "--json=5: must be True or False" in answered(capsys.readouterr().out)["error"]["message"]


def test_the_check_of_documented_keys_can_fail() -> None:
    with pytest.raises(AssertionError):
        holds_what_is_documented("check", {"spec": "x"})
    with pytest.raises(AssertionError):
        holds_what_is_documented("diff", dict.fromkeys(("changes", "work", "refused", "notes", "more")))


def _fetch(root: Path, words: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    with Dataverse(test_dagmaker_fetch.FILES) as server:
        return words("data", "fetch", "icetracks_10yr", f"--output={root / 'data'}", f"--base_url={server.url}")


@pytest.mark.slow
def test_every_command_answers_with_the_documented_keys(
    own_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = own_run
    spec = run / "analysis.yaml"
    told: set[str] = set()

    def ask(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        code = cli.main([*words, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, err
        command = "data_fetch" if words[0] == "data" else words[0].replace("-", "_")
        found = answered(out)
        holds_what_is_documented(command, found)
        told.add(command)
        return found

    assert ask("check", str(spec))["processes"] == ask("plan", str(spec))["processes"]
    ask("build", str(spec), f"--run={run}")
    assert ask("build", str(spec), f"--run={run}")["written"] == 0
    assert ask("status", str(run))["complete"]
    assert ask("status", str(run), "--watch")["complete"]
    assert Path(ask("status", str(run), "--html")["page"]).is_file()
    ask("efficiency", str(run))
    assert ask("verify-plan", str(run))["outcome"] == "same"
    assert ask("repair", str(run))["dag"] is None
    assert ask("diff", str(run), str(spec))["changes"] == []
    assert ask("restore", str(run))["files"] == []
    ask("init", f"--output={tmp_path / 'new.yaml'}")
    ask("schema")
    ask("completion", "bash")
    _fetch(tmp_path, ask)
    (run / "results" / "post_trial.json").unlink()
    assert ask("repair", str(run))["faults"][0]["state"] == "absent"
    assert told == set(COMMANDS) - {*ON_A_POOL, *IN_ROUNDS, *WHERE_IT_IS_MADE}, "a new command: ask it here"


@pytest.mark.slow
def test_processes_that_fail_are_in_the_document(tmp_path: Path) -> None:
    """In a process of its own: what it prints beside Python must not reach stdout either."""
    (tmp_path / "spec.yaml").write_text(text())
    run = tmp_path / "run"
    assert cli.main(["build", str(tmp_path / "spec.yaml"), f"--run={run}"]) == 0
    (run / "trials").write_text("in the way")
    done = said("run", str(tmp_path / "spec.yaml"), f"--run={run}")
    found = answered(done.stdout)
    assert done.returncode != 0
    holds_what_is_documented("run", found)
    assert found["summary"] is None
    assert found["failed"][0]["argv"][0] == "worker"
    assert found["failed"][0]["exit_code"] == done.returncode
    assert Path(found["failed"][0]["log"]).is_file()


def said(*words: str, package: str = "dagmaker") -> subprocess.CompletedProcess[str]:
    argv: Sequence[str] = [sys.executable, "-m", package, *words, "--json"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("task", [name for name in TASKS if name != "serve"])
def test_a_task_that_fails_answers_too(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert worker_cli.main([task, "--nonsense", "--json"]) == 2
    error = answered(capsys.readouterr().out)["error"]
    assert set(error) == ERROR
    assert "unknown flag --nonsense" in error["message"]


@pytest.mark.slow
def test_tasks_answer(own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        assert worker_cli.main([*words, f"--run={own_run}", "--json"]) == 0
        found = answered(capsys.readouterr().out)
        assert set(found) == {"task", "arguments", "result", "printed"}
        assert found["task"] == words[0]
        return found

    trials = next((own_run / "trials").rglob("bg/dec/**/trials__*.npy")).relative_to(own_run)
    assert ask("verify")["result"] == {"checked": 46, "faults": []}
    assert ask("streams")["result"]["faults"] == []
    assert ask("replay", f"--file={trials}")["result"]["task"] == "bg_trials"
    one = ask("replay", f"--file={trials}", "--trial=0")["result"]
    assert set(one["fit"]) == set(one["brute_force"]) == {"ts", "ns", "gamma"}
    assert ask("data_summary")["result"]["n_events"] > 0
    made = ask("collect_bg", "--dec=5")
    assert made["result"] is None
    assert "-> collected/bg/dec/+005.npz" in made["printed"]
