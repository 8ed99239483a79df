"""`dagmaker COMMAND ...`: argv is checked against the command's signature before anything runs."""

import inspect
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from dagmaker.commands import COMMANDS, POSITIONAL
from dagmaker.result import Result
from worker.base.errors import EXIT_CODES, SpecError
from worker.base.output import safe_streams
from worker.cli import outcome
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
    return outcome.exit_code(f"dagmaker {typed(command)}", words[1:], lambda: _run(command, words[1:]), "stopped")


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
