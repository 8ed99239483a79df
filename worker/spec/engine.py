"""The section ``engine`` of the spec: the built-in likelihood, or a plug-in with its options and files."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, WithJsonSchema, model_validator

from worker.base import reading
from worker.spec.fields import Affects, Model, Number, refuse
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem
from worker.spec.text import NotTextError, read_text

if TYPE_CHECKING:
    from worker.spec.sections import Spec

_FILLED = "filled in by `dagmaker build`: leave it out"
_PLACE = Affects("where the plug-in's files lie: nothing, if their content is the same", decides="nothing")
MAX_INPUTS = 100
SHA256 = r"^[0-9a-f]{64}$"

RelativePath = Annotated[str, Field(min_length=1, max_length=1000)]


class BuiltinEngine(Model):
    """The likelihood of this package."""

    affects = Affects("the engine: all trials", identity=True)
    kind: Literal["builtin"] = "builtin"


class PluginEngine(Model):
    """An engine outside this package: an entry point (`name`), or a file beside the spec (`path` and `class`).

    A run uses the frozen `source` and the inputs with the frozen `sha256`, whatever becomes of the files.
    """

    model_config = ConfigDict(serialize_by_alias=True)
    affects = Affects("the engine: all trials", identity=True)
    kind: Literal["plugin"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)] | None = None
    path: Annotated[Annotated[str, Field(max_length=4096)] | None, _PLACE] = None
    class_: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64, alias="class")] = "Engine"
    options: Annotated[dict[str, JsonValue], WithJsonSchema({"type": "object"})] = Field(default_factory=dict)
    inputs: Annotated[tuple[RelativePath, ...], Field(max_length=MAX_INPUTS, strict=False)] = ()
    limit_minutes: Annotated[
        Annotated[Number, Field(gt=0, le=10000)],
        Affects("when a call of the plug-in counts as hanging: no number", decides="nothing"),
    ] = 60.0
    folder: Annotated[Annotated[str, Field(max_length=4096)] | None, _PLACE] = None
    source: Annotated[str, Field(max_length=1_000_000)] | None = None
    sha256: dict[str, Annotated[str, Field(pattern=SHA256)]] = Field(default_factory=dict)

    def __hash__(self) -> int:
        """Hash the canonical JSON, since options are nested."""
        return hash(json.dumps(self.model_dump(mode="json"), sort_keys=True))

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        faults = []
        if (self.name is None) == (self.path is None):
            found = "both name and path" if self.name else "neither name nor path"
            text = (
                f"found {found}; write one: name: NAME of an installed plug-in, or path: my_engine.py beside this file"
            )
            faults.append(("", text))
        for name in self.inputs:
            if (why := _not_below(name)) is not None:
                faults.append(("inputs", f"found {name!r}; {why}"))
        refuse(*faults)
        return self

    @property
    def label(self) -> str:
        """Name for messages: ``skyllh_ps``, or ``toy.py: Engine``."""
        return self.name or f"{PurePosixPath(self.path or '').name}: {self.class_}"


def _not_below(name: str) -> str | None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        return "must be a path below the folder of this spec, so that it can be copied into the run"
    return None


def _kind(value: Any) -> str | None:
    if isinstance(value, Mapping):
        kind = value.get("kind", "builtin")
        return kind if isinstance(kind, str) else "?"
    return getattr(value, "kind", None)


ENGINES: dict[str, type[Model]] = {"builtin": BuiltinEngine, "plugin": PluginEngine}
Engine = Annotated[
    Annotated[BuiltinEngine, Tag("builtin")] | Annotated[PluginEngine, Tag("plugin")], Discriminator(_kind)
]


def faults(spec: "Spec") -> Iterator[tuple[str, str]]:
    """Return key and sentence of each section that the engine of a spec does not read, or needs."""
    engine, own = spec.engine, spec.data.format == "engine"
    if not isinstance(engine, PluginEngine):
        if own:
            yield "data", "missing; the built-in engine needs data: write e.g. data: {format: synthetic}"
        return
    if not own:
        text = f"found {spec.data.format}; the plug-in {engine.label} reads its own data, named in engine.options: "
        yield "data", f"{text}leave the section out, or write data: {{format: engine, label: real}}"
    if spec.likelihood != type(spec.likelihood)():
        text = (
            f"found a section; the plug-in {engine.label} has its own likelihood and does not read it: leave it out, "
        )
        yield "likelihood", f"{text}and put settings of the plug-in into engine.options"
    if spec.background.tail != "none":
        text = f"found {spec.background.tail}; the plug-in {engine.label} makes no tilted trials: write tail: none"
        yield "background.tail", text
    if spec.scan.has_skies and spec.scan.needs != "point_skies":
        text = f"found {spec.scan.kind}; a plug-in tests listed points: write hypothesis: {{kind: points}} and e.g. "
        yield "scan.kind", f"{text}points: [{{dec_deg: 5}}, {{dec_deg: 30}}] in place of scan and background.dec_deg"


def is_plugin(data: Mapping[str, Any]) -> bool:
    """Whether a raw spec names a plug-in."""
    return _kind(data.get("engine")) == "plugin"


def freeze(data: dict[str, Any], lines: Mapping[Place, int], base: Path) -> list[Problem]:
    """Read the plug-in's file, and the digests of its inputs, into the raw spec, in place; return the problems.

    A section that has them already (frozen by `build`) is used as it is.
    """
    section = data.get("engine")
    if not isinstance(section, dict) or not is_plugin(data) or section.get("sha256"):
        return []
    problems: list[Problem] = []

    def fault(key: str, text: str, *more: str | int) -> None:
        place: Place = ("engine", key, *more)
        problems.append(Problem(place, lines.get(place, lines.get(("engine", key), 0)), text))

    for key in ("folder", "source", "sha256"):
        if section.get(key):
            fault(key, f"found a value; this key is {_FILLED}")
    _expand_options(section, fault)
    digests: dict[str, str] = {}
    folder = Path(os.path.abspath(base))  # noqa: PTH100 (keeps symbolic links)
    if isinstance(section.get("path"), str):
        section["path"] = os.path.abspath(folder / section["path"])  # noqa: PTH100
        digests |= dict(_source(section, fault))
    inputs = section.get("inputs")
    for i, name in enumerate(inputs if isinstance(inputs, list) else ()):
        if isinstance(name, str) and _not_below(name) is None:
            try:
                digests[name] = reading.sha256(folder / name)
            except OSError as error:
                fault(
                    "inputs",
                    f"{folder / name} cannot be read ({error.strerror}); write a path from this file's folder",
                    i,
                )
    if not problems:
        section |= {"folder": str(folder), "sha256": digests}
    return problems


def _source(section: dict[str, Any], fault: Callable[..., None]) -> Iterator[tuple[str, str]]:
    path = Path(section["path"])
    try:
        text = read_text(path)
    except FileNotFoundError:
        fault("path", f"{path} does not exist; write the path of a Python file, relative to this file or absolute")
    except NotTextError as error:
        fault("path", f"{path} {error}")
    else:
        section["source"] = text
        yield path.name, hashlib.sha256(text.encode()).hexdigest()


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _expand_options(section: dict[str, Any], fault: Callable[..., None]) -> None:
    """Replace ${VAR} in the texts at the top of `options`; a run needs absolute paths."""
    options = section.get("options")
    if not isinstance(options, dict):
        return
    for key, value in options.items():
        if not isinstance(value, str):
            continue
        for name in dict.fromkeys(_VARIABLE.findall(value)):
            if not os.environ.get(name):
                fault("options", f"found {value!r}; the environment variable {name} is not set: export it", key)
        options[key] = _VARIABLE.sub(lambda match: os.environ.get(match.group(1), match.group()), value)
