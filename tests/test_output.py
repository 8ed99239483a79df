"""What commands print: characters that a stream or a terminal does not take, and streams that nobody reads."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagmaker.status import display
from tests.conftest import ROOT
from worker.base.output import Output, safe_streams, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain: σ −5°\tok\n", "plain: σ −5°\tok\n"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb\x08c\x7f", r"a\rb\x08c\x7f"),
        ("\x9b2J", r"\x9b2J"),  # one byte that begins a sequence
        ("abc\u202etxt.exe", r"abc\u202etxt.exe"),  # shown from right to left
        ("a\x00b\x0cc", r"a\x00b\x0cc"),
    ],
)
def test_control_characters_are_shown_not_obeyed(text, shown):
    assert visible(text) == shown
    stream = io.StringIO()
    print("name:", text, end="", file=Output(stream))
    assert stream.getvalue() == f"name: {shown}"


def test_a_line_of_progress_may_write_over_the_last_one():
    stream = io.StringIO()
    Output(stream).write("\ra\x1b[31m\rfile: 5 MB\x1b[K")
    assert stream.getvalue() == "\ra\\x1b[31m\\rfile: 5 MB\x1b[K"


def test_a_display_keeps_its_own_sequences_and_shows_those_of_others(capsys):
    with safe_streams():
        display.terminal().write("\x1b[2K")
        print("\x1b[2K")
    assert capsys.readouterr().out == "\x1b[2K\\x1b[2K\n"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", rb"\u2212\u03c3 \udcff"),
        ("latin-1", rb"\u2212\u03c3 \udcff"),
        ("utf-8", b"\xe2\x88\x92\xcf\x83 \\udcff"),
    ],
)
def test_characters_that_an_encoding_lacks_are_escaped(encoding, shown):
    raw = io.BytesIO()
    stream = Output(io.TextIOWrapper(raw, encoding=encoding))
    stream.write("−σ \udcff")  # the last one: a byte of a file name that is no UTF-8
    stream.flush()
    assert raw.getvalue() == shown


CHECK = "import sys; from {0} import main; sys.exit(main())"
MAIN = {"dagmaker": "dagmaker.cli", "worker": "worker.cli.main"}


def shell(redirection: str, package: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command whose streams the shell has redirected."""
    argv = ["bash", "-c", f'"$@" {redirection}', "-", sys.executable, "-c", CHECK.format(MAIN[package]), *words]
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, **env}, text=True, capture_output=True, check=False)


FULL = "stdout: cannot be written (No space left on device); the command goes on without it\n"


@pytest.mark.parametrize(
    ("redirection", "err"),
    [
        (">&-", ""),
        ("<&- >&- 2>&-", ""),
        (">/dev/full", FULL),
        (">/dev/full 2>&1", ""),
        ("| true; exit ${PIPESTATUS[0]}", ""),
    ],
)
@pytest.mark.parametrize("package", ["dagmaker", "worker"])
def test_the_exit_code_is_that_of_the_work_whatever_becomes_of_stdout(redirection, err, package):
    done = shell(redirection, package, "--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", err)


@pytest.mark.slow
def test_a_document_that_cannot_be_written_is_a_failure(finished_run):
    done = shell(">/dev/full", "dagmaker", "status", str(finished_run), "--json")
    assert (done.returncode, done.stderr) == (3, FULL)


@pytest.mark.slow
def test_watching_ends_when_nobody_watches(finished_run, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("plan.json", "analysis.yaml"):  # nothing is done: this would go on
        (tmp_path / "run" / name).write_bytes((finished_run / name).read_bytes())
    done = shell("| true; exit ${PIPESTATUS[0]}", "dagmaker", "status", str(tmp_path / "run"), "--watch")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_ascii_output_of_a_document_is_the_same_document(finished_run):
    done = shell("", "dagmaker", "status", str(finished_run), "--json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["complete"]
    assert done.stdout.isascii()


def test_errors_about_odd_paths_are_one_line(tmp_path: Path, capsys):
    from dagmaker.cli import main

    assert main(["check", f"{tmp_path}/\x1b[2J\u202e\udcff.yaml"]) == 2
    err = capsys.readouterr().err
    assert r"\x1b[2J\u202e\udcff.yaml: this file does not exist" in err
    assert err.count("\n") == 1
