"""`dagmaker COMMAND ...`: argv is checked against the command's signature before anything runs."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext

from dagmaker.commands import COMMANDS, POSITIONAL
from dagmaker.result import Result
from worker.base.errors import EXIT_CODES, SpecError
from worker.base.output import safe_streams
from worker.cli import help_text, outcome
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
    commands = {typed(name): command for name, command in COMMANDS.items()}
    text = help_text.overview("dagmaker", "command", commands, "COMMAND")
    return text.replace(EXIT_CODES[1], f"{EXIT_CODES[1]}; of review and verify-plan: not reproduced")


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
    return f"{usage}\n\n{help_text.full(COMMANDS[command])}\n\n{document.HELP}"
