"""Help of both command lines: docstrings, with the arguments as their signatures describe them."""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from worker.base.bounds import MAX_TRIALS
from worker.base.errors import EXIT_CODES
from worker.cli.arguments import Parameter, parameters

_NEXT_SECTION = re.compile(r"^(Returns|Examples)\n-+$", re.MULTILINE)
_WIDTH = 116


def summary(function: Callable[..., Any]) -> str:
    """First line of the docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


def full(function: Callable[..., Any]) -> str:
    """The docstring with a section of parameters before what is returned."""
    text = inspect.getdoc(function) or ""
    described = [line for parameter in parameters(function).values() for line in _lines(parameter)]
    if not described:
        return text
    section = "\n".join(["Parameters", "----------", *described])
    found = _NEXT_SECTION.search(text)
    at = found.start() if found else len(text)
    return f"{text[:at].rstrip()}\n\n{section}\n\n{text[at:]}".rstrip()


def overview(program: str, noun: str, functions: Mapping[str, Callable[..., Any]], usage: str) -> str:
    """Usage, one line for each command or task, and exit codes."""
    width = max(map(len, functions))
    listed = "\n".join(f"  {name:<{width}}  {summary(function)}" for name, function in functions.items())
    codes = "\n".join(f"  {code:>2}  {meaning}" for code, meaning in EXIT_CODES.items())
    head = f"usage: {program} {usage} ...\n\n`{program} {noun.upper()} --help` explains one."
    return f"{head}\n\n{noun}s:\n{listed}\n\nexit codes:\n{codes}"


def _lines(parameter: Parameter) -> Iterator[str]:
    kind = "tuple of str" if parameter.kind is tuple else parameter.kind.__name__
    meaning, _, low, high, unit = parameter.argument
    bounds = f", {low:g} to {high:g}" if high < MAX_TRIALS else ""
    yield f"{parameter.name} : {kind}{bounds}{unit and f' {unit}'}"
    for line in textwrap.wrap(meaning, _WIDTH):
        yield f"    {line}"
