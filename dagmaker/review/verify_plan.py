"""`dagmaker verify-plan`: make the plan again from the frozen spec; check that no random numbers are shared."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dagmaker import interpreter
from dagmaker.htcondor import build_record, render, render_dag, rounds
from dagmaker.plan import clusters, plan, processes
from worker.base.bounds import MAX_ROUNDS
from worker.base.errors import DagmakerError, InputError
from worker.base.finding import Finding
from worker.base.reading import file_bytes
from worker.base.task_rows import ROWS
from worker.rundir import layout
from worker.spec import specfile
from worker.spec.sections import Spec

SHOWN = 5


def verify_plan(run: Path) -> Iterator[Finding]:
    """Findings, one for each comparison.

    Raises
    ------
    InputError
        Not a run directory, or its spec cannot be read.
    """
    spec = frozen_spec(run)
    resolved = specfile.resolved_text(spec)
    yield _spec(run, resolved)
    planned = plan.make(spec, specfile.text_digest(resolved))
    yield from _files(run, spec, resolved, planned)
    if spec.adaptive.max_rounds:
        yield from _rounds(run, spec)
        planned = rounds.read_plan(run)
    yield _unique_outputs(planned)
    yield _streams(run)


def frozen_spec(run: Path) -> Spec:
    """The frozen spec of a run directory.

    Raises
    ------
    InputError
        It has none.
    """
    for name in (layout.SPEC, layout.PLAN):
        if not (run / name).is_file():
            raise InputError(f"{run}: this is not a run directory: it has no {name}; `dagmaker build` makes one")
    return specfile.load_resolved(run / layout.SPEC)


def _spec(run: Path, resolved: str) -> Finding:
    what = f"{layout.SPEC} is a resolved spec, every default written out"
    if file_bytes(run / layout.SPEC) == resolved.encode():
        return Finding("same", what, f"the same bytes, sha256 {specfile.text_digest(resolved)[:12]}")
    return Finding("fault", what, "its bytes are not those that `dagmaker build` writes for it: it was edited")


def _files(run: Path, spec: Spec, resolved: str, planned: plan.Plan) -> Iterator[Finding]:
    """Compare all files if they can be made again here, else those that depend on the spec alone."""
    try:
        record = build_record.read(run)
        problem = (
            ""
            if record.templates == build_record.templates_digest()
            else "the templates here are not those of the build"
        )
    except InputError as error:
        problem = str(error)
    if problem:
        yield Finding("note", "submit files and DAG, made again from the spec", f"not compared: {problem}")
        yield _compare(run, "plan.json and lists of processes", _site_independent_files(planned))
    else:
        texts = build_record.files(record, planned, spec, resolved, {})
        yield _compare(run, "plan.json, lists of processes, submit files, DAG", texts)


def _site_independent_files(planned: plan.Plan) -> Iterator[tuple[str, str]]:
    """Files that contain no path and no value of a site."""
    yield str(layout.PLAN), plan.write(planned)
    yield from render.batches(clusters.make(planned))


def _compare(run: Path, what: str, texts: Iterable[tuple[str, str]]) -> Finding:
    wrong: list[str] = []
    known: set[str] = set()
    for name, text in texts:
        known.add(name)
        if name != str(layout.SPEC) and (difference := _difference(run / name, text)):
            wrong.append(f"{name}: {difference}")
    wrong += [f"{name}: is not of this plan" for name in _unplanned_files(run, known)]
    return _finding(f"{what}, made again from the spec", wrong, f"{len(known):,} files, the same bytes")


def _finding(what: str, wrong: list[str], agreement: str) -> Finding:
    return Finding("fault", what, _listed(wrong)) if wrong else Finding("same", what, agreement)


def _difference(path: Path, text: str) -> str:
    try:
        content = file_bytes(path).decode()
    except FileNotFoundError:
        return "is missing"
    except (OSError, UnicodeDecodeError) as error:
        return f"cannot be read ({error})"
    if content == text:
        return ""
    for number, (written, expected) in enumerate(zip(content.splitlines(), text.splitlines(), strict=False), 1):
        if written != expected:
            return f"line {number} is {written[:100]!r}, the plan has {expected[:100]!r}"
    return f"has {content.count(chr(10))} lines, the plan has {text.count(chr(10))}"


def _rounds(run: Path, spec: Spec) -> Iterator[Finding]:
    """Decide rounds again from their files, plan them again from their decisions, find undecided files."""
    answer = _worker(run, "rounds")
    what = "every round decided again from the files before it"
    if isinstance(answer, str):
        yield Finding("fault", what, f"cannot be told: {answer}")
    else:
        agreement = f"{answer['rounds']:,} of at most {spec.adaptive.max_rounds} rounds, the same decisions"
        yield _finding(what, answer["faults"], agreement)
    yield _planned(run, spec)
    undecided = list(_undecided(run, rounds.read_plan(run)))
    what = "every file of trials was decided"
    yield Finding("note" if undecided else "same", what, _listed(undecided) or "none but those of plan and rounds")


def _planned(run: Path, spec: Spec) -> Finding:
    """Compare plan, lists of processes and DAG of each round; find other files in their folder."""
    what = "plans, lists of processes and DAGs of rounds, made again from their decisions"
    wrong, known = [], {str(render_dag.ROUND_SCRIPT)}
    try:
        record = build_record.read(run)
    except InputError as error:
        return Finding("note", what, f"not compared: {error}")
    for number, decided in rounds.decisions(spec, run):
        known.add(str(layout.decision(number)))
        for name, text in rounds.files(spec, record.site, record.place.run, number, decided):
            known.add(name)
            if difference := _difference(run / name, text):
                wrong.append(f"{name}: {difference}")
    paths = [*run.glob(f"{layout.ROUNDS}/*"), *run.glob(f"batches/{rounds.PREFIX}[0-9]*_*.txt")]
    names = sorted(str(path.relative_to(run)) for path in paths if ".dag." not in path.name)
    wrong += [f"{name}: no decision asked for it" for name in names if name not in known]
    return _finding(what, wrong, f"{len(known) - 1:,} files, the same bytes")


def _undecided(run: Path, whole: plan.Plan) -> Iterator[str]:
    """Files of trials in the plan's streams that no plan contains, for example of discarded rounds."""
    nodes = [node for node in whole.nodes if ROWS[node.task].at_point]
    decided = {f"{node.dir}/{name}" for node in nodes for name in processes.outputs(node)}
    for path in sorted((run / "trials" / whole.name).glob(f"[bst][gia]*/**/trials__*_seed_{plan.SEED:04d}*.npy")):
        name = str(path.relative_to(run))
        if name not in decided:
            yield f"{name}: no plan and no decision asked for it"


def _unplanned_files(run: Path, known: set[str]) -> Iterator[str]:
    """Lists of processes and submit files that belong to no plan and no repair."""
    others = ("repair", *(f"{rounds.PREFIX}{number}_" for number in range(1, MAX_ROUNDS + 1)))  # see `_planned`
    patterns = ("batches/*.txt", "*.sub") if str(layout.DAG) in known else ("batches/*.txt",)
    for pattern in patterns:
        for path in sorted(run.glob(pattern)):
            name = str(path.relative_to(run))
            if name not in known and not path.name.startswith(others) and not name.endswith(".condor.sub"):
                yield name


def _listed(items: list[str]) -> str:
    more = f"; and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more


def _unique_outputs(planned: plan.Plan) -> Finding:
    """Check that no two processes make the same output."""
    what = "every file has one process that makes it"
    seen: set[str] = set()
    twice: list[str] = []
    for node in planned.nodes:
        for name in processes.outputs(node):
            path = f"{node.dir}/{name}"
            if path in seen:
                twice.append(f"{path} of {node.name}")
            seen.add(path)
    return _finding(what, twice, f"{len(seen):,} files, no name twice")


def _worker(run: Path, task: str) -> Any:
    """JSON object that a worker prints, or its message if it fails."""
    try:
        return json.loads(interpreter.answer(task, f"--run={run}").splitlines()[-1])
    except DagmakerError as error:
        return str(error)


def _streams(run: Path) -> Finding:
    """Check the random streams, by the worker."""
    what = "no two files share random numbers"
    answer = _worker(run, "streams")
    if isinstance(answer, str):
        return Finding("fault", what, f"cannot be told: {answer}")
    n_keys, n_trials, n_files = (answer[key] for key in ("keys", "trials", "files"))
    trials = f"{n_trials:,} trials in {n_files:,} files, each trial in one of them"
    return _finding(what, answer["faults"], f"{n_keys:,} Philox keys, all different; {trials}")
