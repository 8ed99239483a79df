"""Completion: the scripts of the shells offer the commands and flags that there are."""

import shutil
import subprocess

import pytest

from dagmaker.cli import main
from dagmaker.commands import COMMANDS
from worker.cli.arguments import signature
from worker.cli.parameters import typed

ASK = r"""
source "$1"; shift
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _dagmaker; echo "${COMPREPLY[@]}"; }
while [ $# -gt 0 ]; do IFS='|' read -ra words <<< "$1x"; words[-1]="${words[-1]%x}"; ask "${words[@]}"; shift; done
"""


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def script(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("completion") / request.param
    file.write_text(str(COMMANDS["completion"](shell=request.param).document["script"]))
    return file


def test_every_command_and_flag_is_in_the_script(script):
    words = script.read_text().replace("'", " ").replace('"', " ").replace(":", " ").split()
    for name in COMMANDS:
        assert set(typed(name).split()) <= {word.rstrip(")") for word in words} | {word.strip("()") for word in words}
        for flag in signature(name, COMMANDS):
            assert {f"--{flag}", f"--{flag}=", flag} & set(words), (name, flag)


def test_the_shell_reads_it(script):
    shell = shutil.which(script.name)
    if shell is None:
        pytest.skip(f"{script.name} is not on PATH")
    assert subprocess.run([shell, "-n", script], capture_output=True, check=False).stderr == b""


def test_bash_completes_commands_flags_and_files(script, tmp_path):
    if script.name != "bash":
        return
    (tmp_path / "spec.yaml").touch()
    asked = ["ver", "data|", "data|fetch|--b", "run|--jo", "run|sp", "run|--spec|=|sp", "verify-plan|--"]
    words = ["bash", "-c", ASK, "ask", str(script), *(f"dagmaker|{words}" for words in asked)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "verify-plan", "fetch", "--base_url=", "--jobs=", "spec.yaml", "spec.yaml", "--run= --json",
    ]  # fmt: skip


def test_another_shell_is_refused(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err
