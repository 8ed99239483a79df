"""``--set key=value``: changes of a spec on the command line."""

from collections.abc import Iterable, Iterator
from typing import Any

from worker.spec.problem import Path, Problem
from worker.spec.reader import UnreadableError, read


def apply(data: dict[str, Any], lines: dict[Path, int], changes: Iterable[str]) -> Iterator[Problem]:
    """Set keys of a document, such as ``signal.gamma=[2, 3]``; yields what is wrong with a change.

    Parameters
    ----------
    data : dict
        The document; changed in place. Sections that it does not have are made.
    lines : dict
        Lines of its places; those of changed keys are removed.
    changes : iterable of str
        ``key=value``, the value as it is written in YAML.
    """
    for change in changes:
        key, equals, text = change.partition("=")
        path = tuple(key.strip().split("."))
        shown = f"--set {change[:60]}"
        if not equals or not all(path):
            yield Problem((), 0, f"{shown}: must be key=value; write e.g. --set signal.gamma=3")
            continue
        try:
            value = read(f"value: {text}").data["value"]
        except (UnreadableError, KeyError):
            yield Problem((), 0, f"{shown}: the value cannot be read as YAML")
            continue
        section: Any = data
        for part in path[:-1]:
            if section.get(part) is None:
                section[part] = {}
            section = section[part]
            if not isinstance(section, dict):
                yield Problem((), 0, f"{shown}: {part} is no section; set the whole of it, or a key of a section")
                break
        else:
            section[path[-1]] = value
            for place in [place for place in lines if place[: len(path)] == path]:
                del lines[place]
