"""`dagmaker diff`: differences between two specs or runs, the work that they invalidate, and results of two runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dagmaker.htcondor import build
from dagmaker.plan import plan, processes
from dagmaker.plan.plan import Node, Plan
from dagmaker.review import compared_results
from dagmaker.review.compared_results import Compared
from dagmaker.review.verify_plan import frozen_spec
from worker.base.errors import InputError
from worker.base.reading import json_object
from worker.base.task_rows import PREPARE, multi_file_tasks
from worker.rundir import layout
from worker.spec import effects, specfile
from worker.spec.fields import Affects
from worker.spec.sections import Spec

OTHER_DATA = "prepared data: another content: no trial serves both"
_NONE = "(none)"
_TRIALS = frozenset(multi_file_tasks())
_UNKNOWN = Affects("not known: all work is taken for invalid", trials=tuple(_TRIALS))


class Change(NamedTuple):
    """A changed key of the spec."""

    key: str
    before: Any
    after: Any
    effect: str


class Work(NamedTuple):
    """Numbers of files of a task: valid for both, new, and only in the first."""

    task: str
    kept: int
    new: int
    dropped: int


@dataclass(frozen=True)
class Difference:
    """Result of `diff`.

    Attributes
    ----------
    refused : tuple of str
        Changed keys for which `dagmaker build` needs a new run directory.
    notes : tuple of str
        Differences of two runs besides their specs.
    results : Compared or None
        Numbers of two runs; None unless both have results.
    """

    changes: tuple[Change, ...]
    work: tuple[Work, ...]
    refused: tuple[str, ...]
    notes: tuple[str, ...]
    results: Compared | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {
            "changes": [change._asdict() for change in self.changes],
            "work": [work._asdict() for work in self.work],
            "refused": list(self.refused),
            "notes": [*self.notes, *(self.results.notes if self.results else ())],
            "results": [number.as_json() for number in self.results.numbers] if self.results else None,
        }


def diff(a: Path, b: Path) -> Difference:
    """Compare two specs or runs.

    Raises
    ------
    SpecError, InputError
        One of them is neither a spec nor a run.
    """
    first, second = _load(a), _load(b)
    changes = tuple(_changes(first.model_dump(mode="json"), second.model_dump(mode="json")))
    before, after = build.identity(first), build.identity(second)
    refused = tuple(key for key in after if before.get(key) != after[key])
    work = tuple(_work(plan.make(first, ""), plan.make(second, ""), changes, refused))
    notes = tuple(_notes(a, b))
    n_shared = 0 if OTHER_DATA in notes else sum(each.kept for each in work if each.task in _TRIALS)
    results = compared_results.compare(a, b, [change.key for change in changes], n_shared)
    return Difference(changes, work, refused, notes, results)


def _load(path: Path) -> Spec:
    return frozen_spec(path) if path.is_dir() else specfile.load(path)


def _changes(first: Any, second: Any, at: str = "") -> Iterator[Change]:
    if isinstance(first, dict) and isinstance(second, dict):
        for key in dict.fromkeys([*first, *second]):
            yield from _changes(first.get(key, _NONE), second.get(key, _NONE), f"{at}.{key}".lstrip("."))
    elif first != second:
        yield Change(at, first, second, _effect(at).text)


def _effect(key: str) -> Affects:
    return effects.of(key) or _UNKNOWN


def _invalid(changes: tuple[Change, ...], refused: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """Tasks whose trials become invalid, and tasks whose results are made again."""
    trials: set[str] = set()
    again: set[str] = set()
    for key in refused:
        trials |= set(_effect(key).trials) or _TRIALS
    for change in changes:
        effect = _effect(change.key)
        trials |= set() if effect.identity else set(effect.trials)  # `refused` covers identity keys
        again |= set(effect.again)
    return trials, again


def _work(first: Plan, second: Plan, changes: tuple[Change, ...], refused: tuple[str, ...]) -> Iterator[Work]:
    trials, again = _invalid(changes, refused)
    old_files = {path: node.task for node in first.nodes for path in _outputs(node)}
    counts = {task: [0, 0, 0] for task in dict.fromkeys([*first.tasks(), *second.tasks()])}
    old = {node.name: (node.cuts, node.bands, node.parents) for node in first.nodes}
    new: set[str] = set()
    for node in second.nodes:
        paths = list(_outputs(node))
        stale = node.task in trials | again or (node.task == PREPARE and bool(trials >= _TRIALS))
        stale |= bool(node.file) and any(parent in new for parent in node.parents)
        n_new = len(paths) if stale else sum(path not in old_files for path in paths)
        if n_new or old.get(node.name) != (node.cuts, node.bands, node.parents):
            new.add(node.name)
            n_new = len(paths) if node.file else n_new
        counts[node.task][0] += len(paths) - n_new
        counts[node.task][1] += n_new
        for path in paths:
            old_files.pop(path, None)
    for task in old_files.values():
        counts[task][2] += 1
    return (Work(task, *numbers) for task, numbers in counts.items())


def _outputs(node: Node) -> Iterator[str]:
    return (f"{node.dir}/{name}" for name in processes.outputs(node))


def _notes(a: Path, b: Path) -> Iterator[str]:
    """Differences of the records of the prepared data of two runs."""
    records = [_prepared(path) for path in (a, b)]
    if not all(records):
        return
    first, second = (record or {} for record in records)
    same = first["digest"] == second["digest"]
    yield "prepared data: the same content" if same else OTHER_DATA
    for name in sorted({*first["versions"], *second["versions"]}):
        before, after = (record["versions"].get(name, _NONE) for record in (first, second))
        if before != after:
            yield f"{name}: {before} -> {after}"
    codes = [record.get("code") for record in (first, second)]
    source = [code.get("source") if isinstance(code, dict) else None for code in codes]
    if all(source):
        yield f"code: {'the same' if source[0] == source[1] else 'another'}"


def _prepared(path: Path) -> dict[str, Any] | None:
    if not path.is_dir():
        return None
    file = path / layout.record_name(layout.DATA)
    try:
        return json_object(file, {"digest": str, "versions": dict})
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}); see `dagmaker repair`") from None


def text(difference: Difference, width: int | None = None) -> Iterator[str]:
    """Text for the terminal, results fitted into its `width`."""
    if not difference.changes:
        yield "the specs are the same"
    for change in difference.changes:
        yield f"{change.key}: {_shown(change.before)} -> {_shown(change.after)}"
        yield f"    {change.effect}"
    yield from difference.notes
    if any(work.new or work.dropped for work in difference.work):
        yield f"\n{'files of':<16}{'kept':>12}{'to make':>12}{'no longer used':>16}"
        for work in difference.work:
            yield f"{work.task:<16}{work.kept:>12,}{work.new:>12,}{work.dropped:>16,}"
    else:
        yield "no file is invalid, and none is new"
    if difference.refused:
        yield f"\n`dagmaker build` wants another run directory: {', '.join(difference.refused)} differ"
    elif difference.changes:
        yield "\n`dagmaker build` of the second into a run of the first plans only what is to make"
    if difference.results:
        yield from compared_results.lines(difference.results, width)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "..."
