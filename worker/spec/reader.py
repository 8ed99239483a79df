"""YAML 1.2 text to plain data, with the line of every key.

PyYAML reads YAML 1.1: ``1e-12`` is text, ``+77:30`` is 4650, ``no`` is false, a repeated key silently replaces the
first. This reader takes numbers as numbers, words as words, and reports a repeated key.
"""

import re
from typing import Any, NamedTuple

import yaml

from worker.spec.problem import Path, Problem

_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
MOST_VALUES = 30_000
"""Values and keys of a document; the largest grid has 10,000."""
LONGEST_KEY = 64
_KNOWN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map"))

# The core schema of YAML 1.2, in the order in which it is tried.
RESOLVERS: tuple[tuple[str, re.Pattern[str], list[str]], ...] = (
    (_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    (_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    (_INT, re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789")),
    (
        _FLOAT,
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+0123456789."),
    ),
)


class Document(NamedTuple):
    """A document as plain data, the line (from 1) of each place in it, and problems of its form."""

    data: dict[str, Any]
    lines: dict[Path, int]
    problems: list[Problem]


class UnreadableError(Exception):
    """The text is not one YAML mapping; has the problem that says why."""

    def __init__(self, problem: Problem):
        super().__init__(problem.text)
        self.problem = problem


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 scalars, and without aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's interface)

    def __init__(self, text: str):
        super().__init__(text)
        self.n_values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.n_values += 1
        if self.n_values > MOST_VALUES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            text = f"the document has more than {MOST_VALUES:,} values; no spec has: write a range in place of a list"
            raise UnreadableError(Problem((), mark.line + 1, text))
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="an alias (*) is not read here: write the value out", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


for _tag, _pattern, _first in RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)


class _Values(_Loader):
    """Numbers as YAML 1.2 has them, without octal and sexagesimal ones."""


_Values.add_constructor(_INT, lambda _, node: int(node.value))
_Values.add_constructor(_FLOAT, lambda _, node: float(node.value.replace(".inf", "inf").replace(".nan", "nan")))


def values(text: str) -> Any:
    """Plain data of a text, such as the profile of a site; UnreadableError or yaml.YAMLError if it is not YAML."""
    loader = _Values(_checked(text))
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def read(text: str) -> Document:
    """Read a text; UnreadableError if it is not exactly one YAML mapping."""
    loader = _Loader(_checked(text))
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            kind = "nothing" if node is None else _kind(node)
            raise UnreadableError(
                Problem((), 1, f"found {kind}; the file must be one mapping, 'key: value' on each line")
            )
        reading = _Reading(loader)
        return Document(reading.mapping(node, ()), reading.lines, reading.problems)
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(_yaml_problem(text, error)) from None
    except RecursionError:
        raise UnreadableError(Problem((), 1, "the document is nested too deeply to be a spec")) from None
    finally:
        loader.dispose()


def _checked(text: str) -> str:
    for number, line in enumerate(text.split("\n"), start=1):
        match = yaml.reader.Reader.NON_PRINTABLE.search(line)
        if match:
            column = match.start() + 1
            raise UnreadableError(
                Problem((), number, f"column {column}: found the character U+{ord(match.group()):04X}; remove it")
            )
    return text


class _Reading:
    """Converts nodes to data, and collects lines and problems."""

    def __init__(self, loader: _Loader):
        self.loader = loader
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        if node.tag not in _KNOWN:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(Problem(path, _line(node), f"found the tag {tag}; a spec has none: remove it"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(child, (*path, i)) for i, child in enumerate(node.value)]
        return self.scalar(node)

    def item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = _line(node)
        return self.value(node, path)

    def scalar(self, node: yaml.Node) -> Any:
        if node.tag == _INT:
            return int(node.value) if len(node.value) < 400 else float("inf")  # int() itself refuses 4300 digits
        if node.tag == _FLOAT:
            return float(re.sub(r"\.(inf|nan)$", r"\1", node.value.lower()))
        return self.loader.construct_object(node)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key_node.tag != "tag:yaml.org,2002:str":
                shown = _kind(key_node) if key is None else repr(key)
                self.problems.append(Problem(path, _line(key_node), f"found {shown} as a key; keys are words"))
                continue
            if len(key) > LONGEST_KEY:
                text = f"found a key of {len(key):,} characters ({key[:40]}...); no key is that long"
                self.problems.append(Problem(path, _line(key_node), text))
                continue
            place = (*path, key)
            if key in data:
                text = f"this key is written twice (first on line {self.lines[place]}); keep one of them"
                self.problems.append(Problem(place, _line(key_node), text))
                continue
            self.lines[place] = _line(key_node)
            data[key] = self.value(value_node, place)
        return data


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "a mapping" if isinstance(node, yaml.MappingNode) else repr(node.value)


def _yaml_problem(text: str, error: yaml.MarkedYAMLError) -> Problem:
    """Return PyYAML's error in one line, with line and column."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    rows = text.split("\n")
    row = rows[line] if line < len(rows) else ""
    if "but found another document" in (error.problem or ""):
        return Problem((), line + 1, "a second document begins here; a spec is one document: remove the '---'")
    what = "found a tab; YAML is indented with spaces only: replace it" if "\t" in row[: column + 1] else _cause(error)
    return Problem((), line + 1, f"column {column + 1}: this is not YAML: {what}")


def _cause(error: yaml.MarkedYAMLError) -> str:
    """Return PyYAML's message, or a plainer one for common mistakes."""
    context, problem = error.context or "", error.problem or "it cannot be read"
    began = f"line {error.context_mark.line + 1}, column {error.context_mark.column + 1}" if error.context_mark else ""
    if "flow sequence" in context or "flow mapping" in context:
        bracket = "]" if "sequence" in context else "}"
        return f"the list or mapping that begins on {began} is not closed: write the missing comma or '{bracket}'"
    if "quoted scalar" in context:
        return f"the quote that begins on {began} is not closed"
    if problem == "expected <block end>, but found '<block mapping start>'":
        return "this line is indented further than the lines of its section: give them all the same indentation"
    if problem == "expected <block end>, but found ':'":
        return "found ':' without a key before it"
    if problem == "mapping values are not allowed here":
        return (
            "found a second ':' on a line, or a line that is indented too far: put the text in quotes, or move it left"
        )
    return problem
