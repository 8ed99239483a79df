"""Scripts with which shells complete commands and flags, generated from these."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from worker.base.errors import SpecError
from worker.cli.arguments import signature, typed
from worker.cli.help_text import summary

Commands = Mapping[str, Callable[..., Any]]


def script(shell: str, commands: Commands) -> list[str]:
    """Lines of the script for a shell.

    Raises
    ------
    SpecError
        There is none for this shell.
    """
    scripts = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    if shell not in scripts:
        raise SpecError(f"--shell={shell}: there are scripts for {', '.join(scripts)}")
    return list(scripts[shell](commands))


def _first_words(commands: Commands) -> dict[str, str]:
    """What is typed after `dagmaker`, with the first line of its help."""
    return {typed(name).partition(" ")[0]: _help(commands[name]) for name in commands}


def _help(command: Callable[..., Any]) -> str:
    """First sentence of the help, without what a shell would take for its own."""
    text = summary(command).rstrip(".")
    return "".join(c for c in text if c not in "'\"`\\[]$").replace(":", ",")


def _flags(name: str, commands: Commands) -> list[str]:
    """Flags of a command; those with a value end with ``=``."""
    return [f"--{p.name}" + ("" if p.kind is bool else "=") for p in signature(name, commands).values()]


def _bash(commands: Commands) -> Iterator[str]:
    yield "# bash completion of dagmaker: source <(dagmaker completion bash)"
    yield "_dagmaker() {"
    yield '    local cur="${COMP_WORDS[COMP_CWORD]}" words=""'
    yield '    [ "$cur" = "=" ] && cur=""  # bash splits words at =, after which comes a file'
    yield '    case "$COMP_CWORD:${COMP_WORDS[1]}" in'
    yield f'        1:*) words="{" ".join(_first_words(commands))}" ;;'
    for name in commands:
        first, _, second = typed(name).partition(" ")
        if second:
            yield f'        2:{first}) words="{second}" ;;'
        yield f'        *:{first}) case "$cur" in -*) words="{" ".join(_flags(name, commands))}" ;; esac ;;'
    yield "    esac"
    yield '    if [ -n "$words" ]; then'
    yield '        COMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield '        case "${COMPREPLY[0]}" in *=) compopt -o nospace 2>/dev/null ;; esac'
    yield "    else"
    yield '        COMPREPLY=($(compgen -f -- "$cur"))'
    yield "    fi"
    yield "}"
    yield "complete -o filenames -F _dagmaker dagmaker"


def _zsh(commands: Commands) -> Iterator[str]:
    yield "#compdef dagmaker"
    yield "# zsh completion of dagmaker: source <(dagmaker completion zsh), after compinit"
    yield "_dagmaker() {"
    yield "    if (( CURRENT == 2 )); then"
    yield "        local -a commands=("
    for word, text in _first_words(commands).items():
        yield f"            '{word}:{text}'"
    yield "        )"
    yield "        _describe command commands"
    yield "        return"
    yield "    fi"
    yield "    shift words; (( CURRENT-- ))"
    yield '    case "${words[1]}" in'
    for name in commands:
        first, _, second = typed(name).partition(" ")
        flags = " ".join(
            f"'{flag}:file:_files'" if flag.endswith("=") else f"'{flag}'" for flag in _flags(name, commands)
        )
        places = f"'1:command:({second})' " if second else ""
        yield f"        {first}) _arguments {flags} {places}'*:file:_files' ;;"
    yield "    esac"
    yield "}"
    yield "compdef _dagmaker dagmaker"


def _fish(commands: Commands) -> Iterator[str]:
    yield "# fish completion of dagmaker: dagmaker completion fish | source"
    for word, text in _first_words(commands).items():
        yield f"complete -c dagmaker -f -n __fish_use_subcommand -a {word} -d '{text}'"
    for name in commands:
        first, _, second = typed(name).partition(" ")
        after = f"-n '__fish_seen_subcommand_from {first}'"
        if second:
            yield f"complete -c dagmaker -f {after} -a {second}"
        for flag in _flags(name, commands):
            value = " -r" if flag.endswith("=") else ""
            yield f"complete -c dagmaker {after} -l {flag.strip('-=')}{value}"
