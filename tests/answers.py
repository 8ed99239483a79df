"""What a command answers with `--json`, against what its docstring promises."""

import inspect
import json
import re
from typing import Any

import pytest

from dagmaker.commands import COMMANDS


def answered(out: str) -> dict[str, Any]:
    """The one document on stdout."""
    found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert isinstance(found, dict)
    return found


def documented(command: str) -> tuple[set[str], set[str]]:
    """Keys that the docstring of a command promises, and those that it calls optional."""
    lines = (inspect.getdoc(COMMANDS[command]) or "").partition("Returns\n-------\n")[2].splitlines()
    always: set[str] = set()
    optional: set[str] = set()
    for line in lines:
        if line.startswith("Examples"):
            break
        if line and not line.startswith(" "):
            names, _, kind = line.partition(" : ")
            (optional if "optional" in kind else always).update(re.split(r", ", names))
    return always, optional


def holds_what_is_documented(command: str, found: dict[str, Any]) -> None:
    always, optional = documented(command)
    assert always
    assert always <= set(found) <= always | optional
