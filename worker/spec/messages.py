"""Pydantic's errors as sentences: what was found, why it is wrong, what to write instead."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from worker.spec import composition, spectra
from worker.spec.catalogue import Catalogue
from worker.spec.data_section import FORMATS
from worker.spec.engine import ENGINES
from worker.spec.fields import Model
from worker.spec.flares import FlareSource
from worker.spec.grid import DecRange
from worker.spec.hints import example
from worker.spec.hypothesis import KINDS as HYPOTHESES
from worker.spec.problem import Path, Problem
from worker.spec.scan import SCANS
from worker.spec.season import PLAIN, WITH_KEYS, NumpySeason, ReleaseSeason
from worker.spec.sections import Spec
from worker.spec.spectra import GammaPrior, SpectralBreak
from worker.spec.task_resources import TaskResources
from worker.spec.windows import WindowSource

WITH_KINDS: dict[str, tuple[Mapping[str, type[Model]], str]] = {
    "scan": (SCANS, "healpix"),
    "engine": (ENGINES, "builtin"),
    "hypothesis": (HYPOTHESES, "sky"),
}
"""Sections whose keys depend on their kind: models by kind, and the kind if none is written."""

_MUST = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be letters, digits, _ and -, beginning with a letter or a digit",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} {entries}",
    "dict_type": "must be a section with keys of its own",
    "model_type": "must be a section with keys of its own",
    "model_attributes_type": "must be a section with keys of its own",
    "union_tag_not_found": "must be a list of degrees, a range {{start: -85, stop: 85, step: 10}} or rings",
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ALIASES = {"true": ("yes", "on", "y"), "false": ("no", "off", "n")}


def problems(errors: list[Any], data: Mapping[str, Any], lines: Mapping[Path, int]) -> list[Problem]:
    """Return a problem for each of pydantic's errors in `data`, without those that follow from another.

    Parameters
    ----------
    errors : list of dict
        ``ValidationError.errors()``.
    lines : mapping
        Line of each place in `data`.
    """
    meant = {
        (*path[:-1], *_close(str(path[-1]), _allowed(path[:-1], data)))
        for path in (_document_path(error["loc"]) for error in errors if error["type"] == "extra_forbidden")
    }
    explained: list[Problem] = []
    for error in errors:
        if error["type"] != "missing" or _document_path(error["loc"]) not in meant:
            explained.extend(_explain(error, data, lines))
    return explained


def of_site(failure: ValidationError, profile: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    """Yield sentences about the profile of a site, which has its own `keys`, and the table of tasks of a spec."""
    for error in failure.errors():
        path = tuple(error["loc"])
        if path[:1] == ("tasks",):
            inner = {**error, "loc": ("resources", *path)}
            for problem in problems([inner], {"resources": {"tasks": profile["tasks"]}}, {}):
                yield f"{'.'.join(map(str, problem.path[1:]))}: {problem.text}"
        elif error["type"] == "extra_forbidden":
            meant = did_you_mean(str(path[0]), list(keys)) or ";"
            yield f"unknown key {path[0]}{meant} known are {', '.join(keys)}"
        elif error["type"] == "string_type" and isinstance(error["input"], int | float):
            yield f"{'.'.join(map(str, path))}: found {error['input']!r}; must be text: put it in quotes"
        else:
            for problem in _explain(error, {}, {}):
                yield f"{'.'.join(map(str, problem.path))}: {problem.text}"


def show(value: Any) -> str:
    """Return a short form of a value: text in quotes, a section or list by its type."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, float):
        return number(value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def number(value: float) -> str:
    """Return a number as text: 10 for 10.0."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def did_you_mean(word: str, allowed: list[str]) -> str:
    """Return ``; did you mean 'n_trials'?``, or an empty text."""
    close = _close(word, allowed)
    return f"; did you mean '{close[0]}'?" if close else ""


def _close(word: str, allowed: list[str]) -> list[str]:
    """Return the allowed word nearest to `word`, or none."""
    return difflib.get_close_matches(word, allowed, n=1, cutoff=0.6)


def _explain(error: Any, data: Mapping[str, Any], lines: Mapping[Path, int]) -> Iterator[Problem]:
    kind, path = error["type"], _document_path(error["loc"])
    context, value = error.get("ctx", {}), error["input"]
    line = _line(path, lines)
    if kind == "faults":
        for key, text in context["faults"]:
            place = (*path, *(int(word) if word.isdigit() else word for word in key.split("."))) if key else path
            yield Problem(place, _line(place, lines), text)
    elif kind == "missing":
        yield Problem(path, line, f"missing{example(path)}")
    elif kind == "extra_forbidden":
        yield Problem(path, line, _unknown_key(path, data))
    elif kind == "too_short" and len(value) >= context["min_length"]:
        return  # a wrong element has its own message; the rest is enough
    elif kind in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
        yield _choice(kind, path, context, value, lines)
    elif kind == "value_error":
        yield Problem(path, line, f"found {show(value)}; {context['error']}{example(path)}")
    else:
        yield Problem(path, line, f"found {show(value)}; {_must(kind, context, value, error['msg'])}{example(path)}")


def _must(kind: str, context: Mapping[str, Any], value: Any, otherwise: str) -> str:
    """Return the broken rule, and a hint about the value."""
    numbers = {key: number(bound) if isinstance(bound, (int, float)) else bound for key, bound in context.items()}
    numbers["entries"] = "entry" if context.get("min_length") == 1 else "entries"
    rule = _MUST.get(kind, otherwise.lower()).format_map(numbers)
    if not isinstance(value, str):
        return rule
    if kind in ("int_type", "float_type"):
        return rule + _misspelt(value)
    if kind.startswith("model_") and ":" in value:
        return f"{rule}, and a blank after each ':'"
    for right, words in _ALIASES.items():
        if kind == "bool_type" and value.lower() in words:
            return f"{rule} (YAML 1.2 has no '{value}': write {right})"
    return rule


def _misspelt(text: str) -> str:
    """Return a hint why a number was read as text."""
    sexagesimal = re.fullmatch(r"([-+]?)(\d+):(\d+)(?::(\d+(?:\.\d*)?))?", text)
    if sexagesimal:
        sign, degrees, minutes, seconds = sexagesimal.groups()
        value = int(degrees) + int(minutes) / 60 + float(seconds or 0) / 3600
        return f" (angles are decimal: write {'-' if sign == '-' else ''}{value:.6g})"
    if re.fullmatch(_NUMBER, text):
        return " (without quotes)"
    if re.fullmatch(_NUMBER, text.replace("_", "").replace(",", "")):
        return " (without separators between the digits)"
    if re.fullmatch(_NUMBER + r"\s*[A-Za-z%]+", text):
        return " (without a unit)"
    return ""


def _choice(kind: str, path: Path, context: Mapping[str, Any], value: Any, lines: Mapping[Path, int]) -> Problem:
    """Return the problem of a word that is not allowed."""
    place: Path
    if kind == "union_tag_not_found":
        if len(path) == 1 and path[0] in WITH_KINDS:
            return Problem(
                path,
                _line(path, lines),
                f"found {show(value)}; {_must('model_type', context, value, '')}{example(path)}",
            )
        if path == ("data",):
            place = (*path, "format")
            return Problem(place, _line(path, lines), f"missing{example(place)}")
        rule = _must(kind, context, value, "")
        if value == "sources":
            rule = "that is for a list of sources, and scan has none: write scan: {kind: catalog, file: sources.csv}"
        return Problem(path, _line(path, lines), f"found {show(value)}; {rule}")
    if kind == "union_tag_invalid":
        key = "kind" if path[0] in WITH_KINDS else "format"
        place = (*path, key)
        value_found = value[key]
        words = [word.strip(" '") for word in context["expected_tags"].split(",")]
    else:
        place = path
        value_found = value
        words = [word.strip(" '") for word in context["expected"].replace(" or ", ",").split(",")]
    if place == ("version",):
        return Problem(
            place, _line(place, lines), f"found {show(value_found)}; this program reads version 1; write version: 1"
        )
    meant = did_you_mean(value_found, words) if isinstance(value_found, str) else ""
    return Problem(place, _line(place, lines), f"found {show(value_found)}; must be {_or(words)}{meant}")


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _unknown_key(path: Path, data: Mapping[str, Any]) -> str:
    if len(path) == 1 and path[0] in composition.KEYS:
        return "this key is read from a file that a user writes, not from a frozen spec, nor from --set"
    allowed = _allowed(path[:-1], data)
    meant = did_you_mean(str(path[-1]), allowed)
    return f"unknown key{meant}{' ' if meant else '; '}keys here: {', '.join(allowed)}"


def _allowed(section: Path, data: Mapping[str, Any]) -> list[str]:
    """Return the keys of a section, in the order of the models."""
    if section[:2] == ("data", "seasons"):
        return list((NumpySeason if data["data"]["format"] == "numpy" else ReleaseSeason).model_fields)
    if section[:2] == ("hypothesis", "sources"):
        return list((FlareSource if data["hypothesis"].get("kind") == "flare" else WindowSource).model_fields)
    if section == ("data",):
        return list(FORMATS[data["data"]["format"]].model_fields)
    if section and section[0] in WITH_KINDS and len(section) == 1:
        kinds, usual = WITH_KINDS[str(section[0])]
        return list(kinds[data[str(section[0])].get("kind", usual)].by_key())
    if not section:
        return [*Spec.model_fields, *composition.KEYS]
    inner: dict[Path, type[Model]] = dict.fromkeys((("background", "dec_deg"), ("signal", "dec_deg")), DecRange)
    inner["resources", "tasks"] = TaskResources
    inner["hypothesis", "catalogues"] = Catalogue
    inner["likelihood", "gamma"], inner["signal", "break_at"] = GammaPrior, SpectralBreak
    model = inner.get(section[:2], Spec.model_fields[str(section[0])].annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, Model) else []


def _document_path(loc: tuple[str | int, ...]) -> Path:
    """Return pydantic's location without the names of union branches, which are not in the document."""
    if loc[:1] == ("data",) and loc[1:2] and loc[1] in FORMATS:
        return ("data", *(part for part in loc[2:] if part not in (PLAIN, WITH_KEYS)))
    for section, (kinds, _) in WITH_KINDS.items():
        if loc[:1] == (section,) and loc[1:2] and loc[1] in kinds:
            return (section, *loc[2:])
    if loc[:2] in (("background", "dec_deg"), ("signal", "dec_deg")):
        return (*loc[:2], *(part for part in loc[2:] if part not in ("range", "list", "rings")))
    if loc[:2] in (("signal", "gamma"), ("sensitivity", "discovery_nsigma")):
        return (*loc[:2], *(part for part in loc[2:] if part not in ("one", "list")))
    if loc[:2] == ("likelihood", "gamma"):
        return (*loc[:2], *(part for part in loc[2:] if part not in spectra.KINDS))
    return loc


def _line(path: Path, lines: Mapping[Path, int]) -> int:
    """Return the line of the place, or of the nearest section around it; 0 if there is none."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
