"""`dagmaker COMMAND ...`: argv is checked against the command's signature before anything runs."""

import inspect
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from dagmaker.commands import COMMANDS, POSITIONAL
from dagmaker.result import Result
from worker.base.atomic import reason
from worker.base.errors import EXIT_CODES, DagmakerError, InputError, SpecError, StoppedError
from worker.base.output import safe_streams
from worker.cli.main import call, document, for_fire, parse, signature, typed

_HELP = ("-h", "--help", "help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see `worker.base.errors.EXIT_CODES`) and raises nothing.

    Parameters
    ----------
    argv : sequence of str, optional
        The command and its arguments; those of the process if None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with safe_streams() as out:
        code = _main(words)
    return document.exit_code(code, words, out)


def _main(words: list[str]) -> int:
    words[:1] = [word.replace("-", "_") if not word.startswith("-") else word for word in words[:1]]
    if "_".join(words[:2]) in COMMANDS:  # dagmaker data fetch
        words[:2] = ["_".join(words[:2])]
    if not words or words[0] in _HELP:
        print(_overview())
        return 0 if words else SpecError.exit_code
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"dagmaker {version('dagmaker')}")
        return 0
    command = words[0]
    if command in COMMANDS and any(word in _HELP[:2] for word in words[1:]):
        print(_help(command))
        return 0
    return _guarded(command, words[1:])


def _guarded(command: str, words: Sequence[str]) -> int:
    """Run a command; turn every exception into an exit code and a message on stderr (JSON on stdout with --json)."""
    problems: Sequence[Any] = ()
    shown = typed(command)
    try:
        return _run(command, words)
    except DagmakerError as error:
        code, message, problems = error.exit_code, str(error) or type(error).__name__, error.problems
        for line in message.splitlines():
            print(f"dagmaker {shown}: {line}", file=sys.stderr)
    except KeyboardInterrupt:
        code, message = StoppedError.exit_code, "stopped"
        print(f"dagmaker {shown}: {message}", file=sys.stderr)
    except OSError as error:  # no file descriptors, no memory for a process, a path that is too long
        code, message = InputError.exit_code, f"{error.filename or 'this machine'}: {reason(error)}"
        print(f"dagmaker {shown}: {message}", file=sys.stderr)
    except Exception as error:  # a bug: the traceback helps to find it
        traceback.print_exc()
        code, message = 1, f"unexpected: {type(error).__name__}: {error}"
        print(f"dagmaker {shown}: unexpected error (above); please report it", file=sys.stderr)
    if document.is_wanted(words):
        document.write(document.of_error(code, message, problems))
    return code


def _run(command: str, words: Sequence[str]) -> int:
    values = parse(command, _with_names(command, words), COMMANDS)
    as_json = values.pop("json", False)
    import fire

    results: list[Result] = []
    with document.stdout_kept_free() if as_json else nullcontext():
        fire.Fire(
            lambda **arguments: results.append(call(COMMANDS[command], arguments)),
            command=for_fire(values),
            name=f"dagmaker {typed(command)}",
        )
    if as_json:
        document.write(results[0].document)
    else:
        for line in results[0].lines:
            print(line, flush=True)
    return results[0].code


def _with_names(command: str, words: Sequence[str]) -> list[str]:
    """Turn positional arguments into `--name=value`."""
    words = list(words)
    if words[:1] == ["--json"]:  # often typed first
        words = [*words[1:], words[0]]
    for i, name in enumerate(POSITIONAL.get(command, ())):
        if i >= len(words) or words[i].startswith("-"):
            break
        words[i] = f"--{name}={words[i]}"
    return words


def _overview() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(
        f"  {typed(name):<{width}}  {(inspect.getdoc(COMMANDS[name]) or '').partition(chr(10))[0]}" for name in COMMANDS
    )
    codes = "\n".join(f"  {code:>2}  {meaning}" for code, meaning in EXIT_CODES.items())
    codes = codes.replace(EXIT_CODES[1], f"{EXIT_CODES[1]}; of review and verify-plan: not reproduced")
    usage = "usage: dagmaker COMMAND ...\n\n`dagmaker COMMAND --help` explains one."
    return f"{usage}\n\ncommands:\n{commands}\n\nexit codes:\n{codes}"


def _help(command: str) -> str:
    words = []
    for parameter in signature(command, COMMANDS).values():
        if parameter.name in POSITIONAL.get(command, ()):
            words.append("DIR" if parameter.name == "run" else parameter.name.upper())
        elif parameter.kind is bool:
            words.append(f"[--{parameter.name}]")
        elif parameter.kind is tuple:
            words.append(f"[--{parameter.name}=KEY=VALUE ...]")
        elif parameter.required:
            words.append(f"--{parameter.name}={'DIR' if parameter.name == 'run' else parameter.name.upper()}")
        else:
            words.append(f"[--{parameter.name}={parameter.default}]")
    usage = " ".join(["usage: dagmaker", typed(command), *words])
    about = re.sub(r"(?m)^(\w+)_ :", r"\1 :", inspect.getdoc(COMMANDS[command]) or "")  # ``from_`` is typed --from
    return f"{usage}\n\n{about}\n\n{document.HELP}"
