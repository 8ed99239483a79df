"""Find and run the code of a plug-in: an entry point, or the text that the spec has frozen."""

import hashlib
import inspect
import linecache
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from worker.base import reading
from worker.base.errors import InputError, SpecError
from worker.engines.plugin import calls
from worker.spec.engine import PluginEngine

GROUP = "dagmaker.engines"


def plugin_class(section: PluginEngine, folder: Path) -> type:
    """Return the class of a plug-in; modules beside it are imported from `folder`.

    Raises
    ------
    SpecError
        There is no such plug-in or class, or its module cannot be imported.
    """
    try:
        found = _entry_point(section) if section.name else _of_text(section, folder)
    except (calls.PluginError, calls.CannotError) as error:
        raise SpecError(str(error)) from None
    if not isinstance(found, type):
        raise SpecError(f"the plug-in {section.label}: is {type(found).__name__}, not a class")
    return found


def digests(section: PluginEngine, cls: type) -> Mapping[str, str]:
    """Sha256 of the plug-in's file and inputs; for an entry point, of the file that has its class."""
    if section.path:
        return section.sha256
    try:
        source = inspect.getfile(cls)
        return {**section.sha256, Path(source).name: reading.sha256(Path(source))}
    except (OSError, TypeError):
        return section.sha256


def read_inputs(section: PluginEngine) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every input, which must be those that were frozen with the spec.

    Raises
    ------
    InputError
        An input is missing, or was changed since.
    """
    for name in section.inputs:
        path = Path(section.folder or ".") / name
        try:
            raw = reading.file_bytes(path)
        except OSError as error:
            raise InputError(f"{path}: this input of the plug-in cannot be read ({error.strerror})") from None
        if hashlib.sha256(raw).hexdigest() != section.sha256.get(name):
            raise InputError(
                f"{path}: this input of the plug-in was changed since the run was built: put it back, or build a new "
                "run"
            )
        yield name, raw


def _entry_point(section: PluginEngine) -> Any:
    known = {point.name: point for point in metadata.entry_points(group=GROUP)}
    if section.name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise SpecError(
            f"engine.name: found {section.name!r}; no installed package has an engine of this name (there are: "
            f"{names}); install it in {sys.prefix}, or write path: my_engine.py"
        )
    return calls.call(section.label, "its import", section.limit_minutes, known[section.name].load)


def _of_text(section: PluginEngine, folder: Path) -> Any:
    text = section.source or ""
    if section.path and section.sha256.get(Path(section.path).name) != hashlib.sha256(text.encode()).hexdigest():
        raise SpecError(
            f"engine.source: is not the text that engine.sha256 was written for ({Path(section.path).name})"
        )
    module = calls.call(section.label, "its import", section.limit_minutes, _module, section, text, folder)
    if not hasattr(module, section.class_):
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        raise SpecError(
            f"engine.class: found {section.class_!r}; {Path(section.path or '').name} has "
            f"{', '.join(classes) or 'no class'}: write one of these"
        )
    return getattr(module, section.class_)


def _module(section: PluginEngine, text: str, folder: Path) -> ModuleType:
    """Run the text as a module of its own; its lines are shown in tracebacks."""
    file = str(folder / Path(section.path or "engine.py").name)
    name = f"dagmaker_plugin_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    module = ModuleType(name)
    module.__file__ = file
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    code = compile(text, file, "exec")
    sys.modules[name] = module  # dataclasses and pickle look there
    with _importing_from(folder):
        exec(code, module.__dict__)
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let modules among the inputs be imported, and leave no compiled files beside them."""
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = writes
