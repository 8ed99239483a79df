"""Command lines of tasks: checked against the signature before python-fire sees them, and written canonically.

Fire runs a command before it rejects an unknown flag, puts stray words into the next parameter, reads ``1e5`` as a
float and ``a,b`` as a tuple. It therefore gets only checked and quoted arguments.
"""

import difflib
import inspect
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin

from worker.base.argument import Argument
from worker.base.errors import SpecError
from worker.cli.tasks import TASKS
from worker.rundir.layout import parse_band

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")  # \d has the digits of all scripts
_LONGEST = 400  # characters of a number: Python refuses whole numbers of 4,300 digits with an error of its own
_TRUTH = {"true": True, "false": False}


class Parameter(NamedTuple):
    """A parameter of a task: its kind (str, int, float, bool; tuple: given several times) and default, if any."""

    name: str
    kind: type
    required: bool
    default: Any
    argument: Argument


JSON = Parameter("json", bool, False, False, Argument("The answer as one JSON document on stdout."))
"""Every command and task has it: see `worker.cli.document`."""


def signature(task: str, tasks: Mapping[str, Callable[..., Any]] = TASKS) -> dict[str, Parameter]:
    """Parameters of a task (or of another command line's command, with its `tasks`), in order, and ``--json``.

    Raises
    ------
    SpecError
        There is no such task; the text names a similar one, or all.
    """
    if task not in tasks:
        kind = "task" if tasks is TASKS else "command"
        names = tasks if tasks is TASKS else {typed(name): name for name in tasks}
        word = task if tasks is TASKS else typed(task)
        raise SpecError(f"there is no {kind} {word[:60]!r}{_did_you_mean(word, names)}; {kind}s: {', '.join(names)}")
    found = parameters(tasks[task])
    return found if task == "serve" else {**found, JSON.name: JSON}  # a server's stdout is a protocol already


def parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Parameters of a function by their flags, without ``--json``."""
    return {
        flag_of(name): _parameter(flag_of(name), one) for name, one in inspect.signature(function).parameters.items()
    }


def _parameter(flag: str, parameter: inspect.Parameter) -> Parameter:
    kind, argument = get_args(parameter.annotation)
    return Parameter(flag, _kind(kind), parameter.default is parameter.empty, parameter.default, argument)


def flag_of(name: str) -> str:
    """The flag of a parameter: ``from_`` is written --from."""
    return name.removesuffix("_")


def call(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a function with arguments by their flags."""
    return function(**{name: values[flag_of(name)] for name in inspect.signature(function).parameters
                       if flag_of(name) in values})  # fmt: skip


def typed(command: str) -> str:
    """A command of `dagmaker` as one types it."""
    return "data fetch" if command == "data_fetch" else command.replace("_", "-")


def parse(task: str, words: Sequence[str], tasks: Mapping[str, Callable[..., Any]] = TASKS) -> dict[str, Any]:
    """Values of the arguments that are given.

    Parameters
    ----------
    words : sequence of str
        ``--name=value``, ``--name value``; a flag alone, or ``--noname``, for a truth value.

    Raises
    ------
    SpecError
        All problems, one line each; nothing has been run.
    """
    parameters = signature(task, tasks)
    values: dict[str, Any] = {}
    problems: list[str] = []
    given = _split(words, parameters, problems)
    for name, text in given:
        if parameters[name].kind is tuple and text:
            values[name] = (*values.get(name, ()), text)
            continue
        if name in values:
            problems.append(f"--{name} is given twice; keep one of them")
            continue
        try:
            values[name] = _value(parameters[name], text)
        except SpecError as error:
            values[name] = None
            problems.append(str(error))
    problems += [
        f"--{p.name} is missing{_example(p)}{_or_point(p, parameters)}"
        for p in parameters.values()
        if _is_needed(p, values, parameters)
    ]
    if not problems:
        problems = _combination_problems(values)
    if problems:
        raise SpecError("\n".join(problems))
    return values


def _is_needed(parameter: Parameter, values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> bool:
    """Whether an argument is missing; a task of a point takes ``--dec`` or ``--point``."""
    if parameter.name == "dec" and "point" in parameters and "point" not in values:
        return "dec" not in values
    return parameter.required and parameter.name not in values


def _or_point(parameter: Parameter, parameters: Mapping[str, Parameter]) -> str:
    return ", or --point=NAME if the spec lists its points" if parameter.name == "dec" and "point" in parameters else ""


def argv(task: str, **args: Any) -> list[str]:
    """Render the canonical command line of a task: defaults are left out, except ``seed``.

    Raises
    ------
    SpecError
        The task would refuse these arguments.

    Examples
    --------
    >>> argv("bg_trials", run="RUN", dec=5.0, n=1000)
    ['bg_trials', '--run=RUN', '--dec=5', '--n=1000', '--seed=0']
    """
    parameters = signature(task)
    unknown = [name for name in args if name not in parameters]
    if unknown:
        raise SpecError(f"{task} has no --{unknown[0]}{_did_you_mean(unknown[0], parameters)}")
    words = []
    for parameter in parameters.values():
        value = args.get(parameter.name, None if parameter.required else parameter.default)
        if value is None or (value == parameter.default and parameter.name != "seed"):
            continue
        words.append(f"--{parameter.name}={_value_text(value)}")
    parse(task, words)
    return [task, *words]


def for_fire(values: Mapping[str, Any]) -> list[str]:
    """The arguments as Python literals, which fire reads back exactly."""
    return [f"--{name}={value!r}" for name, value in values.items()]


def _split(words: Sequence[str], parameters: Mapping[str, Parameter], problems: list[str]) -> list[tuple[str, str]]:
    """Pairs of name and text; stray words and unknown flags become problems."""
    given = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            problems.append(f"{word!r} is a stray word; every argument is written --name=value")
            continue
        written, equals, text = word[2:].partition("=")
        name = written.replace("-", "_")
        if not equals and name.startswith("no") and _is_bool(parameters.get(name[2:])):
            given.append((name[2:], "False"))
            continue
        parameter = parameters.get(name)
        if parameter is None:
            flags = " ".join(f"--{known}" for known in parameters) or "none"
            problems.append(f"unknown flag --{written}{_did_you_mean(name, parameters)}; flags: {flags}")
            if not equals and rest and not rest[0].startswith("--"):
                rest.pop(0)  # its value is no stray word
            continue
        if not equals:
            text = _next_word(parameter, rest)
        given.append((name, text))
    return given


def _next_word(parameter: Parameter, rest: list[str]) -> str:
    """The value of ``--name value``; a truth value may stand alone."""
    if parameter.kind is bool:
        return rest.pop(0) if rest and rest[0].lower() in _TRUTH else "True"
    return rest.pop(0) if rest and not rest[0].startswith("--") else ""


def _value(parameter: Parameter, text: str) -> Any:
    name = parameter.name
    if not text:
        raise SpecError(f"--{name} has no value{_example(parameter)}")
    if parameter.kind is bool:
        if text.lower() not in _TRUTH:
            raise SpecError(f"--{name}={text}: must be True or False; write --{name}")
        return _TRUTH[text.lower()]
    if parameter.kind is str:
        if name == "band":
            parse_band(text)
        return text
    return _number(parameter, text)


def _number(parameter: Parameter, text: str) -> float | int:
    what = "a whole number" if parameter.kind is int else "a number"
    wrong = f"--{parameter.name}={text[:40]}: must be"
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise SpecError(f"{wrong} {what}{_example(parameter)}")
    value: float | int = int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else float(text)
    if parameter.kind is int:
        if value != int(value):
            raise SpecError(f"{wrong} a whole number{_example(parameter)}")
        value = int(value)
    else:
        value = float(value) + 0.0
    _, _, low, high, unit = parameter.argument
    if not low <= value <= high and value != parameter.default:  # a default outside has a meaning of its own
        raise SpecError(f"{wrong} from {low} to {high}{unit and f' {unit}'}{_example(parameter)}")
    if parameter.name == "jobs" and value == 0 != parameter.default:
        return len(os.sched_getaffinity(0))
    return value


def _combination_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems that concern several arguments, or more than a range."""
    if "dec" in values and "point" in values:
        return [f"--dec and --point={values['point']}: a task has one point; keep one of them"]
    part, first = values.get("part", 0), values.get("first", 0)
    if part > first:
        return [f"--part={part}: must not be above --first={first}: a folder holds trials from --part on"]
    nside = values.get("nside", 1)
    if nside & (nside - 1):
        return [f"--nside={nside}: must be a power of 2; write e.g. --nside={2 ** round(math.log2(nside))}"]
    if "bands" in values or isinstance(values.get("band"), int):
        band, bands = values.get("band", 0), values.get("bands", 1)
        if band >= bands:
            right = "must be 0, as there is 1 band" if bands == 1 else f"must be below {bands}, the number of bands"
            return [f"--band={band}: {right} (--bands={bands})"]
    return []


def _example(parameter: Parameter) -> str:
    return f"; write e.g. --{parameter.name}={parameter.argument.example}"


def _value_text(value: Any) -> str:
    if isinstance(value, float) and not isinstance(value, bool):
        return repr(value + 0.0).removesuffix(".0")
    return str(value)


def _kind(annotation: Any) -> type:
    """The type of ``float``, of ``float | None`` and of ``tuple[str, ...]``."""
    if get_origin(annotation) is tuple:
        return tuple
    kind: type = next((kind for kind in get_args(annotation) if kind is not NoneType), annotation)
    return kind


def _is_bool(parameter: Parameter | None) -> bool:
    return parameter is not None and parameter.kind is bool


def _did_you_mean(word: str, allowed: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
