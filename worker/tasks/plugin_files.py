"""RUN/prepared/engine.json and engine/: what a plug-in says of itself, its inputs, and what it has prepared."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from worker.base import reading, shell
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError, SpecError
from worker.engines.plugin import loading
from worker.engines.plugin.contract import Facts, facts_of_json
from worker.engines.plugin.engine import Plugin, plugin_section, unread
from worker.engines.protocol import Engine, Signal
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.spec.sections import Spec

FORMAT = 1


class _Kept(NamedTuple):
    """Content of engine.json; `per_file`: trials per file, if trials depend on it."""

    facts: Facts
    files: Mapping[str, str]
    per_file: Mapping[str, int]


def folder(run: Path) -> Path:
    """Return the folder that a plug-in gets: its inputs, and what its `prepare` wrote."""
    return (run / layout.ENGINE_FILES).absolute()


def facts(run: Run) -> Facts:
    """Return what the plug-in of a run says of itself; InputError if it was not prepared."""
    return _read(run).facts


def paths(run: Run) -> list[PurePosixPath]:
    """Return engine.json and the files of the plug-in, relative to the run; nothing for the built-in engine."""
    if run.spec.engine.kind == "builtin" or not (run.path / layout.ENGINE).exists():
        return []
    return [layout.ENGINE, *(layout.ENGINE_FILES / name for name in _read(run).files)]


def require_same(run: Run, engine: Engine) -> None:
    """Compare a plug-in with what `prepare` wrote down.

    Raises
    ------
    InputError
        It says something else of itself, or its prepared files were changed.
    """
    assert isinstance(engine, Plugin)
    kept = _read(run)
    if engine.facts != kept.facts:
        prepare_again = shell.worker("prepare", f"--run={run.path}")
        changed = ", ".join(_differences(kept.facts.as_json(), engine.facts.as_json()))
        raise InputError(
            f"{run.path / layout.ENGINE}: was written for another version of the plug-in ({changed}); use the "
            f"environment in which the run was begun, or a new run directory (`{prepare_again}` adopts the new "
            "version, and all files of trials are foreign then)"
        )
    for key, n in kept.per_file.items():
        if _per_file(run.spec, engine.facts).get(key) != n:
            raise SpecError(
                f"{key}: was {n} when this run was begun; the trials of this plug-in depend on their file "
                f"(deterministic = {engine.deterministic!r}), so files are never cut in another way: write {n}, or use "
                "a new run directory"
            )
    for name, sha256 in kept.files.items():
        path = folder(run.path) / name
        try:
            same = reading.sha256(path) == sha256
        except OSError as error:
            raise InputError(
                f"{path}: this file of the plug-in cannot be read ({error.strerror}); prepare again"
            ) from None
        if not same:
            raise InputError(f"{path}: this file of the plug-in was changed since it was prepared; put it back")


def is_prepared(run: Run) -> bool:
    """Whether the plug-in as it is now is prepared."""
    try:
        require_same(run, Plugin(run.spec, None, folder(run.path)))
    except InputError:
        return False
    return True


def prepare(run: Run) -> None:
    """Copy the inputs of a plug-in, let it prepare, try one trial of each kind, and write engine.json.

    Raises
    ------
    SpecError
        The plug-in lacks what the spec asks for.
    """
    section, place = plugin_section(run.spec), folder(run.path)
    place.mkdir(parents=True, exist_ok=True)
    for name, raw in loading.read_inputs(section):
        write_all(place, [Written(PurePosixPath(name), raw)])
    engine = Plugin(run.spec, None, place)
    if faults := list(lacks(run.spec, engine.facts)):
        raise SpecError("\n".join(faults))
    engine.prepare()
    try_out(run.spec, engine)
    content = {
        "format": FORMAT, "plugin": section.label, "facts": engine.facts.as_json(), "files": _hashed(place),
        "per_file": _per_file(run.spec, engine.facts),
    }  # fmt: skip
    store.save_json(run.path, layout.ENGINE, content)
    print(f"-> {layout.ENGINE} ({section.label}, deterministic {engine.deterministic}; its blindness is its own)")


def try_out(spec: Spec, engine: Plugin) -> None:
    """Make a background trial, and a signal trial of the largest n_sig, at the first point, and a sky if there are any.

    So faults show at once.
    """
    signal = Signal(spec.signal.n_sig[-1], spec.signal.gammas[0])
    for kind in (None, signal):
        try:
            engine.trials(spec.all_points[0], (0, 0), 0, 1, kind)
        except ValueError as error:
            raise SpecError(str(error)) from None
    if "flux" in engine.supports:
        engine.flux(spec.all_points[0], signal.gamma)
    if spec.scan.has_skies:
        engine.point_scanner(spec.all_points).skies((0, 0), 0, 1)


def lacks(spec: Spec, told: Facts) -> Iterator[str]:
    """Yield a sentence for everything that a spec asks for and a plug-in does not have."""
    label = plugin_section(spec).label
    yield from (f"{key}: {text}" for key, text in unread(spec, told.reads))
    labels = dict.fromkeys(label for point in spec.points for label, _ in point.labels)
    for label_of_point in labels.keys() - {*told.reads}:
        yield (
            f"points: found the label {label_of_point}; the plug-in {label} does not read it (it reads: "
            f"{', '.join(told.reads) or 'nothing'}): leave it out"
        )
    if spec.scan.has_skies and "skies" not in told.offers:
        yield (
            f"scan: found {spec.scan.kind}; the plug-in {label} has no method skies(points, keys), which fits all "
            "points in the same skies: leave scan out, and there is no correction for the number of points"
        )
    if told.deterministic != "per-trial" and spec.resources.target_hours is not None:
        yield (
            f"resources.target_hours: the trials of {label} depend on their file (deterministic = "
            f"{told.deterministic!r}), so a cut by measured times would change them: write trials_per_file instead"
        )


def _hashed(place: Path) -> dict[str, str]:
    files = sorted(path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(place).as_posix(): reading.sha256(path) for path in files}


def _per_file(spec: Spec, told: Facts) -> dict[str, int]:
    """Trials per file, if trials depend on their file."""
    if told.deterministic == "per-trial":
        return {}
    files = {
        "background.trials_per_file": spec.background.trials_per_file,
        "signal.trials_per_file": spec.signal.trials_per_file,
    }
    return files | ({"scan.skies_per_file": spec.scan.skies_per_file} if spec.scan.has_skies else {})


def _read(run: Run) -> _Kept:
    path = run.path / layout.ENGINE
    first = shell.worker("prepare", f"--run={run.path}")
    try:
        raw = store.load_json(run.path, layout.ENGINE)
    except InputError as error:
        raise InputError(f"{error} (`{first}` comes before all other tasks)") from None
    try:
        if raw["format"] != FORMAT:
            raise ValueError(f"format {raw['format']!r}")
        files = {str(name): str(value) for name, value in raw["files"].items()}
        return _Kept(facts_of_json(raw["facts"]), files, {str(key): int(n) for key, n in raw["per_file"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"not what `worker prepare` writes ({type(error).__name__}: {error})"
        raise InputError(f"{path}: {text}; remove it and run `{first}`") from None


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield ``identity.plugin.skyllh: 26.1 -> 26.2`` for each value that differs."""
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}: {str(before)[:60]} -> {str(after)[:60]}"
