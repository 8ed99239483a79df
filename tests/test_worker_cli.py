"""The worker's command line: nothing runs before every word is understood, and every end has its exit code."""

import functools
import inspect
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import HANG_S, until
from worker.base.argument import Run
from worker.base.errors import EXIT_CODES, InputError, RefusedError, SpecError, StoppedError
from worker.cli import document, main, tasks
from worker.cli.arguments import JSON
from worker.spec import specfile

ROOT = Path(__file__).parents[1]
SPEC = """\
version: 1
name: tiny
seed: 7
data: {format: synthetic, n_events: 4000}
background: {tail: none, dec_deg: [-30, 5], n_trials: 20, trials_per_file: 10}
signal: {n_sig: [2, 5, 9.5], n_trials: 10}
scan: {nside: 4, n_skies: 4, skies_per_file: 2, dec_min_deg: -30, dec_max_deg: 5}
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "worker", *words]


def run_worker(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, cwd=ROOT, **options)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Tasks with all their arguments, in place of running them."""
    found: list[tuple[str, dict[str, Any]]] = []

    def recorder(name: str, task: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(task)  # what the arguments are checked against
        def record(**args: Any) -> None:
            given = inspect.signature(task).bind(**args)
            given.apply_defaults()
            found.append((name, dict(given.arguments)))

        return record

    for name, task in tasks.TASKS.items():
        monkeypatch.setitem(tasks.TASKS, name, recorder(name, task))
    return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run with its data prepared."""
    from dagmaker.htcondor.build import build

    run = tmp_path_factory.mktemp("tiny") / "run"
    build(specfile.loads(SPEC), run)
    assert main.main(["prepare", f"--run={run}"]) == 0
    return run


# -- good words --------------------------------------------------------------------------------------------------

BG = {"run": "R", "dec": 5.0, "n": 1000, "seed": 0, "first": 0, "part": 0, "point": None}


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("--run=R --dec=5 --n=1000", {}),
        ("--run R --dec 5 --n 1000", {}),
        ("--n=1e3 --dec=5.0 --run=R", {}),
        ("--run=R --dec=-5 --n=1000.0", {"dec": -5.0}),
        ("--run=R --dec -5 --n 1000", {"dec": -5.0}),
        ("--run=R --dec=+.5 --n=1000 --seed=3 --first=2000", {"dec": 0.5, "seed": 3, "first": 2000}),
        ("--run=R --dec=5 --n=1000 --first=2000 --part=1000", {"first": 2000, "part": 1000}),
        ("--run=R --dec=-0 --n=1000", {"dec": 0.0}),
        ("--run=1e5 --dec=5 --n=1000", {"run": "1e5"}),
        ("--run=a,b --dec=5 --n=1000", {"run": "a,b"}),
        ("--run=[x] --dec=5 --n=1000", {"run": "[x]"}),
        ("--run=None --dec=5 --n=1000", {"run": "None"}),
        ("--run=a=b --dec=5 --n=1000", {"run": "a=b"}),
        ("--run='q\" --dec=5 --n=1000", {"run": "'q\""}),
        ("--run=- --dec=5 --n=1000", {"run": "-"}),
        (f"--run=R --dec=90 --n=1000 --seed={2**63 - 1}", {"dec": 90.0, "seed": 2**63 - 1}),
    ],
)
def test_what_is_written_arrives(words: str, changes: dict[str, Any], calls: list[Any]) -> None:
    assert main.main(["bg_trials", *words.split()]) == 0
    assert calls == [("bg_trials", {**BG, **changes})]
    for name, value in calls[0][1].items():
        assert type(value) is type(BG[name])
    assert str(calls[0][1]["dec"]) != "-0.0"


@pytest.mark.parametrize(
    "run", ["a b", "ü/ñ", "x\ty", "${HOME}", "--", "a\nb", "\\n", "{'a': 1}", "()", "0x10", "--run"]
)
def test_any_path_arrives_as_it_is(run: str, calls: list[Any]) -> None:
    assert main.main(["prepare", f"--run={run}"]) == 0
    assert calls == [("prepare", {"run": run})]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", False),
        ("--allow_missing", True),
        ("--allow-missing", True),
        ("--allow_missing=True", True),
        ("--allow_missing false", False),
        ("--noallow_missing", False),
        ("--allow_missing --dec=5", True),
    ],
)
def test_truth_values(words: str, expected: bool, calls: list[Any]) -> None:
    dec = [] if "--dec" in words else ["--dec=5"]
    assert main.main(["collect_bg", "--run=R", *words.split(), *dec]) == 0
    assert calls == [("collect_bg", {"run": "R", "dec": 5.0, "allow_missing": expected, "point": None})]


@pytest.mark.parametrize(
    ("words", "args"),
    [
        ("prepare", {}),
        (
            "sig_trials --dec=5 --n_sig=9.5 --n=3",
            {"dec": 5.0, "n_sig": 9.5, "n": 3, "seed": 0, "first": 0, "gamma": None, "part": 0, "point": None},
        ),
        (
            "sig_trials --dec=5 --n_sig=9.5 --n=3 --gamma=2.5",
            {"dec": 5.0, "n_sig": 9.5, "n": 3, "seed": 0, "first": 0, "gamma": 2.5, "part": 0, "point": None},
        ),
        (
            "scan_trials --n=2 --band=2of8",
            {"n": 2, "seed": 0, "first": 0, "band": "2of8", "part": 0},
        ),
        ("scan_map --nside=64 --band=3 --bands=4", {"nside": 64, "band": 3, "bands": 4}),
        ("scan_map --nside=64", {"nside": 64, "band": 0, "bands": 1}),
        ("collect_sig --dec=5", {"dec": 5.0, "gamma": None, "allow_missing": False, "point": None}),
        ("collect_bg --point=all", {"dec": None, "allow_missing": False, "point": "all"}),
        ("collect_scan", {"allow_missing": False}),
        ("distributions", {}),
        ("sensitivity", {}),
        ("post_trial", {}),
        ("upper_limits", {}),
        ("scan_map", {"nside": None, "band": 0, "bands": 1}),
        ("report", {"dag_status": None, "failed_count": None}),
        ("report --dag_status=2 --failed_count=3", {"dag_status": 2, "failed_count": 3}),
    ],
)
def test_every_task_gets_its_arguments(words: str, args: dict[str, Any], calls: list[Any]) -> None:
    task, *rest = words.split()
    assert main.main([task, "--run=R", *rest]) == 0
    assert calls == [(task, {"run": "R", **args})]


# -- bad words ---------------------------------------------------------------------------------------------------

FLAGS = "flags: --run --dec --n --seed --first --part --point --json"
BAND = "must be BANDofBANDS with BAND from 0 to BANDS - 1; write e.g. --band=2of8"
NO_RUN = "--run is missing; write e.g. --run=runs/example"
NO_DEC = "--dec is missing; write e.g. --dec=5, or --point=NAME if the spec lists its points"
NO_N = "--n is missing; write e.g. --n=1000"


def stray(word: str) -> str:
    return f"'{word}' is a stray word; every argument is written --name=value"


BAD = [
    ("--rum=R --dec=5 --n=1", [f"unknown flag --rum; did you mean run?; {FLAGS}", NO_RUN]),
    ("--run=R --dec=5 --n=1 --xyz=3", [f"unknown flag --xyz; {FLAGS}"]),
    ("--run=R --dec=5 --n=1 --xyz 3", [f"unknown flag --xyz; {FLAGS}"]),
    ("--run=R --dec=5", [NO_N]),
    ("--run=R --dec=5 --n=1 --point=all", ["--dec and --point=all: a task has one point; keep one of them"]),
    ("", [NO_RUN, NO_DEC, NO_N]),
    ("--run=R --dec=5 --n=1 --n=2", ["--n is given twice; keep one of them"]),
    ("--run=R --dec=5 --n=1 7", [stray("7")]),
    ("R 5 1", [stray("R"), stray("5"), stray("1"), NO_RUN, NO_DEC, NO_N]),
    ("--run=R --dec=5 --n=1 -n 2", [stray("-n"), stray("2")]),
    ("--run=R --dec=5 --n=1 -- --trace", [stray("--"), f"unknown flag --trace; {FLAGS}"]),
    ("--run=R --dec=5 --n=1.5", ["--n=1.5: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=1e-3", ["--n=1e-3: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=-1", ["--n=-1: must be from 1 to 1000000000000; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=0", ["--n=0: must be from 1 to 1000000000000; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=ten", ["--n=ten: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=1,000", ["--n=1,000: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=1_000", ["--n=1_000: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=True", ["--n=True: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=0x10", ["--n=0x10: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=1+1", ["--n=1+1: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5 --n=1e999", ["--n=1e999: must be a whole number; write e.g. --n=1000"]),
    ("--run=R --dec=5,10 --n=1", ["--dec=5,10: must be a number; write e.g. --dec=5"]),
    ("--run=R --dec=[5] --n=1", ["--dec=[5]: must be a number; write e.g. --dec=5"]),
    ("--run=R --dec=nan --n=1", ["--dec=nan: must be a number; write e.g. --dec=5"]),
    ("--run=R --dec=inf --n=1", ["--dec=inf: must be a number; write e.g. --dec=5"]),
    ("--run=R --dec=5deg --n=1", ["--dec=5deg: must be a number; write e.g. --dec=5"]),
    ("--run=R --dec=90.01 --n=1", ["--dec=90.01: must be from -90 to 90 degrees; write e.g. --dec=5"]),
    ("--run=R --dec=-91 --n=1", ["--dec=-91: must be from -90 to 90 degrees; write e.g. --dec=5"]),
    ("--run=R --dec --n=1", ["--dec has no value; write e.g. --dec=5"]),
    ("--run=R --dec= --n=1", ["--dec has no value; write e.g. --dec=5"]),
    ("--run= --dec=5 --n=1", ["--run has no value; write e.g. --run=runs/example"]),
    ("--run=R --dec=5 --n=1 --seed=-1", ["--seed=-1: must be from 0 to 9223372036854775807; write e.g. --seed=0"]),
    ("--run=R --dec=5 --n=1 --seed=9223372036854775808",
     [f"--seed={2**63}: must be from 0 to {2**63 - 1}; write e.g. --seed=0"]),
    ("--run=R --dec=5 --n=1 --first=-1", ["--first=-1: must be from 0 to 1000000000000; write e.g. --first=0"]),
    ("--run=R --dec=5 --n=1 --first=0.5", ["--first=0.5: must be a whole number; write e.g. --first=0"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "lines"), BAD, ids=[words for words, _ in BAD])
def test_refused_before_anything_runs(
    words: str, lines: list[str], calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["bg_trials", *words.split()]) == 2
    assert calls == []
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"worker bg_trials: {line}" for line in lines]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("bg_trails --run=R", "there is no task 'bg_trails'; did you mean bg_trials?; tasks: " + ", ".join(main.TASKS)),
        ("scan_map --run=R --nside=48", "--nside=48: must be a power of 2; write e.g. --nside=64"),
        ("scan_map --run=R --nside=8192", "--nside=8192: must be from 1 to 4096; write e.g. --nside=128"),
        ("scan_map --run=R --nside=8 --band=4 --bands=4", "--band=4: must be below 4, the number of bands (--bands=4)"),
        ("scan_map --run=R --nside=8 --band=1", "--band=1: must be 0, as there is 1 band (--bands=1)"),
        ("scan_map --run=R --nside=8 --bands=0", "--bands=0: must be from 1 to 512; write e.g. --bands=4"),
        ("scan_trials --run=R --n=1 --band=8of8", "--band=8of8: " + BAND),
        ("scan_trials --run=R --n=1 --band=two", "--band=two: " + BAND),
        ("sig_trials --run=R --dec=5 --n=1 --n_sig=-2",
         "--n_sig=-2: must be from 0 to 100000 events; write e.g. --n_sig=10"),
        ("collect_bg --run=R --dec=5 --allow_missing=maybe",
         "--allow_missing=maybe: must be True or False; write --allow_missing"),
        ("collect_bg --run=R --dec=5 maybe", "'maybe' is a stray word; every argument is written --name=value"),
        ("serve --run=R", "unknown flag --run; flags: none"),
    ],
)  # fmt: skip
def test_refused_by_other_tasks(words: str, line: str, calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    task, *rest = words.split()
    assert main.main([task, *rest]) == 2
    assert calls == []
    assert capsys.readouterr().err == f"worker {task}: {line}\n"


# -- how it ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SpecError("bad"), 2, "worker prepare: bad\n"),
        (InputError("gone\nand more"), 3, "worker prepare: gone\nworker prepare: and more\n"),
        (RefusedError("no"), 4, "worker prepare: no\n"),
        (StoppedError("later"), 85, "worker prepare: later\n"),
        (
            KeyboardInterrupt(),
            85,
            "worker prepare: interrupted; finished output is valid; run the same command again to resume\n",
        ),
        (SystemExit(7), 7, ""),
        (SystemExit(), 0, ""),
        (SystemExit("words"), 1, ""),
    ],
)
def test_every_end_has_its_code(
    error: BaseException, code: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*, run: Run) -> None:
        raise error

    monkeypatch.setitem(tasks.TASKS, "prepare", fail)
    assert main.main(["prepare", "--run=R"]) == code
    assert capsys.readouterr().err == text


def test_the_unexpected_gives_a_traceback_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*, run: Run) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setitem(tasks.TASKS, "prepare", fail)
    assert main.main(["prepare", "--run=R"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: oh" in err
    assert err.endswith("worker prepare: unexpected error (above); please report it\n")


def test_a_handler_of_sigterm_is_put_back(calls: list[Any]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main.main(["prepare", "--run=R"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bg_trials", f"--run={tmp_path}", "--dec=5", "--n=1"]) == 3
    assert capsys.readouterr().err == (
        f"worker bg_trials: {tmp_path}: this is not a run directory: it has no analysis.yaml; "
        f"make one with `dagmaker build SPEC --run={tmp_path}`\n"
    )


@pytest.mark.slow
def test_a_real_task_writes_its_file_and_does_not_do_it_twice(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bg_trials", f"--run={tiny}", "--dec=5", "--n=10"]
    assert main.main(words) == 0
    rel = "trials/tiny/bg/dec/+005/trials__N_000010_seed_0000.npy"
    assert capsys.readouterr().out == f"-> {rel}\n"
    written = np.load(tiny / rel)
    assert written.shape == (10,)
    assert written.dtype.names == ("ts", "ns", "gamma")
    stamp = (tiny / rel).stat().st_mtime_ns
    assert main.main(words) == 0
    assert capsys.readouterr().out == f"already done: {rel}\n"
    assert (tiny / rel).stat().st_mtime_ns == stamp
    (tiny / rel).write_bytes((tiny / rel).read_bytes()[:-7])
    assert main.main(words) == 0  # a corrupt output is made again
    np.testing.assert_array_equal(np.load(tiny / rel), written)


def started(*words: str) -> subprocess.Popen[str]:
    """A task that heeds SIGINT, also where whoever started the tests has it ignored (nohup, a shell's ``&``)."""
    return subprocess.Popen(
        ["env", "--default-signal=INT", *command(*words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def busy(process: subprocess.Popen[str], cpu_s: float = 1.5) -> None:
    """Wait until a process has worked for some CPU seconds, however busy the machine is."""

    def spent() -> float:
        assert process.poll() is None, f"the process did not get to work: {process.communicate()}"
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    until(lambda: spent() > cpu_s, f"{cpu_s} CPU seconds of a process")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly(tiny: Path, number: signal.Signals) -> None:
    assert main.main(["bg_trials", f"--run={tiny}", "--dec=5", "--n=1", "--seed=8"]) == 0  # compiled for the other one
    with started("bg_trials", f"--run={tiny}", "--dec=5", "--n=100000000", "--seed=9") as process:
        busy(process, 3.0)
        process.send_signal(number)
        _, err = process.communicate(timeout=HANG_S)
    assert process.returncode == 85
    assert re.fullmatch(r"worker bg_trials: stopped by a signal: .* kept in partial/.*; run again to resume\n", err)
    assert list(tiny.rglob(".*.part-*")) == []
    assert {file.relative_to(tiny).parts[0] for file in tiny.rglob("*seed_0009*")} == {"partial"}


# -- help and start-up -------------------------------------------------------------------------------------------


def test_overview(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["-h"], ["help"]):
        assert main.main(words) == 0
        out = capsys.readouterr().out
        for task in main.TASKS:
            assert f"\n  {task} " in out
        for code, meaning in EXIT_CODES.items():
            assert f"{code:>4}  {meaning}" in out
    assert main.main([]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("task", main.TASKS)
def test_help_has_units_and_an_example_that_would_run(
    task: str, capsys: pytest.CaptureFixture[str], calls: list[Any]
) -> None:
    assert main.main([task, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: worker {task}")
    assert (document.HELP in out) == (task != "serve")
    for parameter in main.signature(task).values():
        if parameter == JSON:
            continue
        assert f"\n{parameter.name} : " in out
        assert f"--{parameter.name}" in out.partition("\n")[0]
    if "dec" in main.signature(task):
        assert "dec : float, -90 to 90 degrees" in out
    if task == "serve":
        return
    example = next(line for line in out.splitlines() if line.startswith(f"worker {task} "))
    assert main.main(example.split()[1:]) == 0
    assert len(calls) == 1


@pytest.mark.parametrize("words", [["--help"], ["bg_trials", "--help"], ["scan_map", "--help"], ["report", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """Only the standard library, and little of it: what a start costs is what it imports (benchmarks/ has seconds)."""
    heavy = ("numpy", "numba", "scipy", "healpy", "matplotlib", "pydantic", "yaml", "fire")
    code = (
        "import sys; before = set(sys.modules); from worker.cli.main import main; code = main(sys.argv[1:]);"
        f"new = set(sys.modules) - before; print(code, [m for m in {heavy} if m in new], len(new))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded, _, n_modules = done.stdout.splitlines()[-1].rpartition(" ")
    assert loaded == "0 []"
    assert int(n_modules) < 80


def test_argument_errors_are_quick_too() -> None:
    code = (
        "import sys, worker.cli.main as c; c.main(['bg_trials', '--x']);"
        "print([m for m in ('numpy', 'fire') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_task_starts_without_what_its_kernels_never_use(tiny: Path) -> None:
    """Numba alone would load scipy's linear algebra; whoever needs that afterwards gets it."""
    code = (
        "import gc, sys; from worker.cli.main import main;"
        f"code = main(['bg_trials', '--run={tiny}', '--dec=-30', '--n=3']);"
        "print(code, [m for m in ('scipy.linalg', 'healpy', 'matplotlib') if m in sys.modules], gc.isenabled());"
        "import scipy.linalg; print(float(scipy.linalg.det([[2.0]])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[1:] == ["0 [] True", "2.0"]


def test_one_thread_per_process() -> None:
    code = (
        "import os, sys, types, worker.cli.main as c;"
        "m = sys.modules['worker.tasks.prepare'] = types.ModuleType('prepare'); m.prepare = lambda run: None;"
        "c.main(['prepare', '--run=R']);"
        "print([os.environ[n + '_NUM_THREADS'] for n in ('OMP', 'OPENBLAS', 'MKL', 'NUMBA')])"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "8", "NUMBA_NUM_THREADS": "8"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    assert done.stdout.strip() == "['1', '1', '1', '1']"


# -- argv --------------------------------------------------------------------------------------------------------


def test_argv_is_canonical() -> None:
    assert main.argv("bg_trials", n=1000, dec=5.0, run="RUN") == [
        "bg_trials",
        "--run=RUN",
        "--dec=5",
        "--n=1000",
        "--seed=0",
    ]
    assert main.argv("bg_trials", run="R", dec=-0.0, n=1, seed=2, first=0) == [
        "bg_trials",
        "--run=R",
        "--dec=0",
        "--n=1",
        "--seed=2",
    ]
    assert main.argv("sig_trials", run="R", dec=0.4, n_sig=9.5, n=1, first=7) == [
        "sig_trials", "--run=R", "--dec=0.4", "--n_sig=9.5", "--n=1", "--seed=0", "--first=7",
    ]  # fmt: skip
    assert main.argv("scan_map", run="R", nside=64, band=0, bands=4) == [
        "scan_map",
        "--run=R",
        "--nside=64",
        "--bands=4",
    ]
    assert main.argv("collect_bg", run="R", dec=5, allow_missing=True) == [
        "collect_bg",
        "--run=R",
        "--dec=5",
        "--allow_missing=True",
    ]
    assert main.argv("report", run="R") == ["report", "--run=R"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"run": "R", "dec": 5.0}, "--n is missing"),
        ({"run": "R", "dec": 95.0, "n": 1}, "--dec=95: must be from -90 to 90 degrees"),
        ({"run": "R", "dec": float("nan"), "n": 1}, "--dec=nan: must be a number"),
        ({"run": "R", "dec": 5.0, "n": 1, "sead": 3}, "bg_trials has no --sead; did you mean seed?"),
        ({"run": "R", "dec": 5.0, "n": True}, "--n=True: must be a whole number"),
    ],
)
def test_argv_refuses_what_the_task_would(args: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match="^" + words.replace("?", r"\?")):
        main.argv("bg_trials", **args)


@given(
    dec=st.floats(-90, 90),
    n_sig=st.floats(0, 1e5),
    n=st.integers(1, 10**12),
    seed=st.integers(0, 2**63 - 1),
    first=st.integers(0, 10**12),
)
def test_argv_comes_back_bit_for_bit(dec: float, n_sig: float, n: int, seed: int, first: int) -> None:
    args = {"run": "R", "dec": dec, "n_sig": n_sig, "n": n, "seed": seed, "first": first}
    task, *words = main.argv("sig_trials", **args)
    assert {"seed": 0, "first": 0, **main.parse(task, words)} == args


# -- serve -------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command("serve"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    yield process
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    process.wait()


def ask(server: subprocess.Popen[str], request: str) -> dict[str, Any]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(request + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


@pytest.mark.slow
def test_serve_runs_tasks_and_survives_their_errors(server: subprocess.Popen[str], tiny: Path) -> None:
    done = ask(server, json.dumps(["bg_trials", f"--run={tiny}", "--dec=5", "--n=10", "--first=10"]))
    rel = "trials/tiny/bg/dec/+005/trials__N_000010_seed_0000_first_0000010.npy"
    assert (done["rc"], done["out"], done["err"]) == (0, f"-> {rel}\n", "")
    assert (tiny / rel).is_file()
    assert done["wall_s"] >= 0
    assert done["cpu_s"] > 0
    again = ask(server, json.dumps(["bg_trials", f"--run={tiny}", "--dec=5", "--n=10", "--first=10"]))
    assert again["out"] == f"already done: {rel}\n"
    assert again["cpu_s"] < done["cpu_s"]
    bad = ask(server, '["bg_trials", "--dec=95"]')
    assert bad["rc"] == 2
    assert "--dec=95: must be from -90 to 90 degrees" in bad["err"]
    assert ask(server, '["prepare", "--run=/no/such/run"]')["rc"] == 3
    assert ask(server, '["--help"]')["out"].startswith("usage: worker TASK")
    server.communicate(timeout=HANG_S)
    assert server.returncode == 0


@pytest.mark.parametrize("line", ["nonsense", "{}", '"prepare"', "[1, 2]", "[[]]", "null", "1e999"])
def test_serve_answers_nonsense(server: subprocess.Popen[str], line: str) -> None:
    answer = ask(server, line)
    assert (answer["rc"], answer["err"]) == (2, f"worker serve: not a JSON list of words: {line}\n")
    assert ask(server, '["serve"]')["rc"] == 2
    assert ask(server, "[]")["rc"] == 2


@pytest.mark.slow
def test_serve_leaves_interrupts_to_its_parent(server: subprocess.Popen[str], tiny: Path) -> None:
    assert ask(server, '["--version"]')["rc"] == 0
    server.send_signal(signal.SIGINT)
    assert ask(server, json.dumps(["prepare", f"--run={tiny}"]))["rc"] == 0


@pytest.mark.slow
def test_serve_stops_its_task_and_itself_on_sigterm(server: subprocess.Popen[str], tiny: Path) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(["bg_trials", f"--run={tiny}", "--dec=5", "--n=100000000", "--seed=8"]) + "\n")
    server.stdin.flush()
    busy(server)
    server.send_signal(signal.SIGTERM)
    assert json.loads(server.stdout.readline())["rc"] == 85
    assert server.wait(timeout=HANG_S) == 85
    assert list(tiny.rglob(".*.part-*")) == []


def test_serve_stops_on_sigterm_while_it_waits(server: subprocess.Popen[str]) -> None:
    assert ask(server, '["--version"]')["rc"] == 0
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=HANG_S) == 85


def test_what_compiled_code_prints_stays_out_of_the_protocol(tmp_path: Path) -> None:
    code = (
        "import os, sys, types, worker.cli.main as c;"
        "m = sys.modules['worker.tasks.prepare'] = types.ModuleType('prepare');"
        "m.prepare = lambda run: (os.write(1, b'from C'), print('from Python'), os.read(0, 9));"
        "raise SystemExit(c.main(['serve']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input='["prepare", "--run=R"]\n["prepare", "--run=R"]\n',
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(a["rc"], a["out"]) for a in answers] == [(0, "from Python\n")] * 2
    assert done.stderr == "from Cfrom C"


@pytest.mark.parametrize("program", ["worker", "dagmaker"])
def test_a_reader_that_stops_reading_sees_no_traceback(program: str) -> None:
    done = subprocess.run(
        f"{sys.executable} -m {program} --help | true",
        check=False,
        shell=True,
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
