"""The spec as a YAML file: read with all problems in one error, written with every default, digested."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from worker.base.errors import SpecError
from worker.spec import changes as edits
from worker.spec import (
    characters,
    composition,
    engine,
    goals,
    hints,
    messages,
    paths,
    pilot_file,
    season_files,
    sources,
)
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem, error
from worker.spec.reader import RESOLVERS, Document, UnreadableError, read
from worker.spec.sections import Spec
from worker.spec.text import NotTextError, read_text

_HEADER = "# The resolved spec: every default written out. A run belongs to these very bytes: change nothing here.\n"


def load(path: str | Path, changes: Sequence[str] = (), *, for_pilot: bool = False) -> Spec:
    """Read a spec that a user wrote.

    Parameters
    ----------
    changes : sequence of str
        ``key=value``, in place of what the file says.
    for_pilot : bool
        Return the spec that `dagmaker pilot` runs: without a pilot, and with test values for ``n_sig: goal``.

    Raises
    ------
    SpecError
        With every problem, one line each: file, line, path in the document, what was found, the cure.
    """
    path = Path(path)
    return _spec(_text(path), str(path), path.parent, changes, for_pilot=for_pilot)


def loads(text: str, where: str = "spec", base: Path | None = None) -> Spec:
    """Read a spec from text.

    Parameters
    ----------
    where : str
        Name of the text in messages.
    base : Path, optional
        Folder of relative paths of the data section; the current one if None.
    """
    return _spec(text, where, base or Path())


def load_resolved(path: Path) -> Spec:
    """Read the spec frozen in a run directory; its data need not exist on this machine."""
    return loads_resolved(_text(path), str(path))


def loads_resolved(text: str, where: str = "resolved spec") -> Spec:
    """Read the text of `resolved_text`."""
    return _spec(text, where, None)


def resolved_text(spec: Spec) -> str:
    """Return canonical YAML of the spec with every default; the same spec gives the same bytes.

    Raises
    ------
    SpecError
        If the text, read back, is not the same spec (which would be an error of this program).
    """
    data = spec.model_dump(mode="json")
    body = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    text = _HEADER + body
    if loads_resolved(text) != spec:
        raise SpecError("the resolved spec, read back, differs from the spec: please report this with the spec file")
    return text


def taken(spec: Spec) -> list[str]:
    """Return sentences about the seasons that use the response or simulation of another one."""
    return season_files.taken(spec.data)


def text_digest(text: str) -> str:
    """Sha256 of the text, as `sha256sum analysis.yaml` prints it: the ``spec_digest`` of plan.json."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest(obj: Any) -> str:
    """Sha256 of the canonical JSON of plain data."""
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the spec, with meanings and examples, for editors."""
    schema = Spec.model_json_schema()
    schema["required"].remove("data")  # a plug-in reads its own
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "dagmaker analysis spec, version 1"
    schema["properties"] |= {key: {"type": kind} for key, kind in composition.KEYS.items()}
    hints.describe(schema)
    return schema


class _Dumper(yaml.SafeDumper):
    """Quotes only text that the reader would take for a number or a truth value."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's interface)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's interface)
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Represent a text of several lines as a block."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)
for _tag, _pattern, _first in RESOLVERS:
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError:
        raise SpecError(f"{path}: this file does not exist; write the path of a spec such as analysis.yaml") from None
    except NotTextError as failure:
        raise SpecError(f"{path}: {failure}") from None


def _priors(document: Document, wrong: set[Place]) -> list[Problem]:
    """Read the maps of spatial priors, if there are some."""
    scan = document.data.get("scan")
    if not isinstance(scan, dict) or not scan.get("priors"):
        return []
    from worker.spec import prior_maps  # numpy: not for every spec

    return prior_maps.expand(document.data, document.lines, wrong)


def _spec(text: str, where: str, base: Path | None, changes: Sequence[str] = (), *, for_pilot: bool = False) -> Spec:
    """Read, resolve paths (unless `base` is None), validate, look for files: all problems at once."""
    try:
        document = read(text)
    except UnreadableError as failure:
        raise error([characters.first(text, failure.problem.line) or failure.problem], where) from None
    problems: list[Problem] = list(document.problems)
    if base is not None:
        problems += composition.complete(document.data, document.lines, base)
        if any(problem.path == (composition.INCLUDE,) for problem in problems):  # what is missing has no message
            raise error(problems, where)
    problems += edits.apply(document.data, document.lines, changes)
    if for_pilot:
        goals.for_pilot(document.data)
    if engine.is_plugin(document.data):
        document.data.setdefault("data", {"format": "engine"})
    if base is not None:
        problems += engine.freeze(document.data, document.lines, base)
        problems += paths.expand(document.data, document.lines, base)
        problems += pilot_file.insert(document.data, document.lines, base)
        problems += sources.expand(document.data, document.lines, {problem.path for problem in problems})
        problems += _priors(document, {problem.path for problem in problems})
        follows = goals.fill(document.data, document.lines)
        without_pilot = any(problem.path == pilot_file.PLACE for problem in problems)
        problems += [problem for problem in follows if not (without_pilot and problem.path == goals.N_SIG)]
    spec = None
    try:
        spec = Spec.model_validate(document.data)
    except ValidationError as failure:
        known_paths = {problem.path for problem in problems}
        follows = messages.problems(failure.errors(), document.data, document.lines)
        problems += [problem for problem in follows if problem.path not in known_paths]
    if spec is not None and base is not None and not problems:
        problems += paths.missing(spec.data, document.lines)
    if problems or spec is None:
        own = (problem.line for problem in problems if not isinstance(problem.line, composition.IncludedLine))
        raise error([*characters.on_lines(text, own), *problems], where)
    return spec
