import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagmaker.cli import main
from dagmaker.commands import COMMANDS
from tests.dagmaker_spec import text
from worker.base.errors import EXIT_CODES
from worker.cli.arguments import _example, _number, parse, signature
from worker.cli.tasks import TASKS


@pytest.fixture
def spec_file(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(text())
    return path


def test_check_good(spec_file, capsys):
    assert main(["check", str(spec_file)]) == 0
    assert capsys.readouterr().out == (
        f"{spec_file}: good: tiny, synthetic data, 3 declinations from -30 to 40 deg, 47 processes\n"
    )


def test_check_tells_every_problem_at_once(spec_file, capsys):
    spec_file.write_text(text(seed=-1, n_bg=0, site="personal") + "extra: 1\n")
    assert main(["check", str(spec_file)]) == 2
    told = capsys.readouterr().err
    for word in ("seed", "background.n_trials", "extra"):
        assert word in told
    assert all(line.startswith("dagmaker check: ") for line in told.splitlines())


def test_check_knows_the_sites(spec_file, capsys):
    spec_file.write_text(text(site="moon"))
    assert main(["check", str(spec_file)]) == 2
    assert "known sites are" in capsys.readouterr().err


def test_plan(spec_file, capsys):
    assert main(["plan", str(spec_file), "--slots=10"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("tiny: 47 processes, ")
    assert "on 10 slots that are always busy" in out
    assert "DAGMan       22 nodes, submitted in 1.1 s at 20 per second" in out


def test_plan_for_programs(spec_file, capsys):
    assert main(["plan", str(spec_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["processes"], found["dag_nodes"]) == ("tiny", 47, 22)
    assert [stage["processes"] for stage in found["stages"]] == [1, 9, 18, 3, 3, 3, 4, 1, 1, 1, 1, 1, 1]


def test_build_and_status(spec_file, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["build", f"--spec={spec_file}", f"--run={run}"]) == 0
    assert f"condor_submit_dag {run}/analysis.dag" in capsys.readouterr().out
    assert main(["status", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["complete"]
    assert {stage["done"] for stage in found["stages"]} == {0}
    assert main(["status", str(run)]) == 0
    assert "not complete" in capsys.readouterr().out


def test_status_of_something_else(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 3
    assert "this is not a run directory: it has no plan.json" in capsys.readouterr().err


def test_schema_is_json(capsys):
    assert main(["schema"]) == 0
    assert "background" in json.loads(capsys.readouterr().out)["properties"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build", "SPEC", "--run=RUN", "--fast"], "unknown flag --fast; did you mean set?; flags: --spec --run --set"),
        (["build", "SPEC", "--runn=RUN"], "unknown flag --runn; did you mean run?"),
        (["build", "SPEC", "RUN"], "stray word; every argument is written --name=value"),
        (["build", "SPEC"], "--run is missing"),
        (["build", "--run=RUN"], "--spec is missing"),
        (["build", "SPEC", "--spec=SPEC", "--run=RUN"], "--spec is given twice"),
        (["run", "SPEC", "--run=RUN", "--jobs=-1"], "--jobs=-1: must be from 0 to 4096 processes"),
        (["run", "SPEC", "--run=RUN", "--jobs=many"], "--jobs=many: must be a whole number"),
        (["biuld", "SPEC"], "there is no command 'biuld'; did you mean build?; commands: init, check, pilot, plan"),
        (["status"], "--run is missing"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(spec_file, tmp_path, capsys, words, message):
    words = [word.replace("SPEC", str(spec_file)).replace("RUN", str(tmp_path / "run")) for word in words]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_no_command(capsys):
    assert main([]) == 2
    assert "usage: dagmaker COMMAND" in capsys.readouterr().out


def test_overview_explains_the_exit_codes(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(meaning in out for meaning in EXIT_CODES.values())
    typed = {name.replace("_", "-") for name in COMMANDS} - {"data-fetch"} | {"data fetch"}
    assert all(f"  {name} " in out for name in typed)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    typed = "data fetch" if command == "data_fetch" else command.replace("_", "-")
    assert out.startswith(f"usage: dagmaker {typed}")
    assert f"dagmaker {typed}" in out.partition("Examples")[2]


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["run", "x.yaml", "--jobs=many"]])
def test_the_front_end_imports_nothing_heavy(words):
    """Only the standard library, and little of it: what a start costs is what it imports (benchmarks/ has seconds)."""
    heavy = ("numpy", "numba", "healpy", "matplotlib", "pydantic", "scipy", "rich", "htcondor2", "jinja2", "fire")
    code = (
        "import sys; before = set(sys.modules); from dagmaker.cli import main; main(sys.argv[1:]);"
        f"new = set(sys.modules) - before; print([m for m in {heavy} if m in new], len(new))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    loaded, _, n_modules = done.stdout.splitlines()[-1].rpartition(" ")
    assert loaded == "[]"
    assert int(n_modules) < 80


@pytest.mark.parametrize("name", ["ic86_i_icetracks", "ic86_2011"])
def test_example_specs_are_the_analysis_on_other_data(name, tmp_path, monkeypatch):
    """Every key but the name and the data is that of analysis.yaml."""
    from worker.spec import specfile

    root = Path(__file__).resolve().parents[1]
    for folder in ("icetracks/events", "icetracks/uptime", "icetracks/irfs", "ic86_2011"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("AngRes.txt", "TabulatedAeff.txt", "downgoing_events.txt", "upgoing_events.txt"):
        (tmp_path / "ic86_2011" / file).touch()
    for part in ("events", "uptime"):
        (tmp_path / "icetracks" / part / "IC86_I_exp.csv").touch()
    for part in ("effectiveArea", "smearing"):
        (tmp_path / "icetracks" / "irfs" / f"IC86_{part}.csv").touch()
    monkeypatch.setenv("DAGMAKER_DATA", str(tmp_path))
    example = specfile.load(root / "examples" / f"{name}.yaml")
    base = specfile.load(root / "analysis.yaml")
    assert example.name == name
    assert example.model_copy(update={"name": base.name, "data": base.data}) == base


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["verify-plan", "--x=1"], "dagmaker verify-plan: unknown flag --x"),
        (["verify_plan", "--x=1"], "dagmaker verify-plan: unknown flag --x"),
        (["verify-plann"], "did you mean verify-plan?; commands: init, check, pilot"),
        (["data", "fetch", "--x=1"], "dagmaker data fetch: unknown flag --x"),
        (["run", "a.yaml", "--run=x", "--jobs=-1"], "--jobs=-1: must be from 0 to 4096 processes; write e.g. --jobs=2"),
        (["round", "R", "--round=-1"], "--round=-1: must be from 1 to 10; write e.g. --round=1"),
        (["round", "R", "--round=\uff11"], "--round=\uff11: must be a whole number; write e.g. --round=1"),
        (["plan", "a.yaml", "--slots=\u0663"], "--slots=\u0663: must be a whole number; write e.g. --slots=1000"),
        (["abort", "R", "--timeout=-5"], "--timeout=-5: must be from 0 to 1000000 s; write e.g. --timeout=300"),
        (["plan", "a.yaml", "--slots=" + "9" * 5000], f"--slots={'9' * 40}: must be"),
    ],
)
def test_arguments_are_refused_as_one_types_them(words, told, capsys):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "verify_plan" not in err and "data_fetch" not in err and len(err) < 1000


@pytest.mark.parametrize("task", [*COMMANDS, *TASKS])
def test_what_a_message_tells_one_to_write_is_accepted(task):
    """`write e.g. --jobs=0` where 0 is refused helps nobody."""
    tasks = COMMANDS if task in COMMANDS else TASKS
    for parameter in signature(task, tasks).values():
        assert parameter.argument.meaning, parameter.name
        if parameter.kind is not bool:
            assert parameter.argument.example, parameter.name
        if parameter.kind in (int, float):
            _number(parameter, _example(parameter).partition("=")[2])


def test_no_jobs_are_as_many_as_there_are_cores():
    assert parse("run", ["--spec=a", "--run=b", "--jobs=0"], COMMANDS)["jobs"] == len(os.sched_getaffinity(0))
    assert parse("repair", ["--run=b", "--jobs=0"], COMMANDS)["jobs"] == 0, "its default, which has a limit"


def test_zero_is_taken_where_it_has_a_meaning(tmp_path, capsys):
    assert main(["repair", str(tmp_path), "--jobs=0"]) == 3
    assert "this is not a run directory" in capsys.readouterr().err


def test_a_refused_command_leaves_nothing(tmp_path, spec_file):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").touch()
    assert main(["build", str(spec_file), f"--run={tmp_path / 'thesis'}"]) == 4
    assert main(["run", str(spec_file), f"--run={tmp_path / 'thesis'}"]) == 4
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]
