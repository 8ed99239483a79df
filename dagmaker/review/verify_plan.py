"""verify-plan: every file of the plan is made again from the frozen spec, and no two files share random numbers."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dagmaker import interpreter
from dagmaker.htcondor import build_record, render, render_dag, rounds
from dagmaker.plan import clusters, plan, processes
from worker.base.bounds import MAX_ROUNDS
from worker.base.errors import InputError
from worker.base.finding import Finding
from worker.base.reading import file_bytes
from worker.base.task_rows import ROWS
from worker.rundir import layout
from worker.spec import specfile
from worker.spec.sections import Spec

SHOWN = 5


def verify_plan(run: Path) -> Iterator[Finding]:
    """Compare; one line for each comparison, as soon as it is made.

    Raises
    ------
    InputError
        It is no run directory, or its spec cannot be read.
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
    """The spec in a run directory.

    Raises
    ------
    InputError
        There is none.
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
    """All files where they can be made again here; what follows from the spec alone where not."""
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
    """The files that hold no path and no value of a site."""
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
    what += ", made again from the spec"
    return (
        Finding("fault", what, _listed(wrong))
        if wrong
        else Finding("same", what, f"{len(known):,} files, the same bytes")
    )


def _difference(path: Path, text: str) -> str:
    try:
        content = file_bytes(path).decode()
    except FileNotFoundError:
        return "is missing"
    except (OSError, UnicodeDecodeError) as error:
        return f"cannot be read ({error})"
    if content == text:
        return ""
    for number, (one, other) in enumerate(zip(content.splitlines(), text.splitlines(), strict=False), 1):
        if one != other:
            return f"line {number} is {one[:100]!r}, the plan has {other[:100]!r}"
    return f"has {content.count(chr(10))} lines, the plan has {text.count(chr(10))}"


def _rounds(run: Path, spec: Spec) -> Iterator[Finding]:
    """Rounds decided again from their files, planned again from their decisions, and what nobody decided."""
    answer = _worker(run, "rounds")
    what = "every round decided again from the files before it"
    if isinstance(answer, str):
        yield Finding("fault", what, f"cannot be told: {answer}")
    elif answer["faults"]:
        yield Finding("fault", what, _listed(answer["faults"]))
    else:
        yield Finding(
            "same", what, f"{answer['rounds']:,} of at most {spec.adaptive.max_rounds} rounds, the same decisions"
        )
    yield _planned(run, spec)
    undecided = list(_undecided(run, rounds.read_plan(run)))
    what = "every file of trials was decided"
    yield Finding(
        "note" if undecided else "same", what, _listed(undecided) if undecided else "none but those of plan and rounds"
    )


def _planned(run: Path, spec: Spec) -> Finding:
    """The plan, lists of processes and DAG of each round, and nothing else in their folder."""
    what = "plans, lists of processes and DAGs of rounds, made again from their decisions"
    wrong, known = [], {str(render_dag.ROUND_SCRIPT)}
    try:
        record = build_record.read(run)
    except InputError as error:
        return Finding("note", what, f"not compared: {error}")
    for number in range(1, spec.adaptive.max_rounds + 1):
        decided = rounds.decision(run, number)
        if decided is None:
            break
        known.add(str(layout.decision(number)))
        for name, text in rounds.files(spec, record.site, record.place.run, number, decided):
            known.add(name)
            if difference := _difference(run / name, text):
                wrong.append(f"{name}: {difference}")
    paths = [*run.glob(f"{layout.ROUNDS}/*"), *run.glob(f"batches/{rounds.PREFIX}[0-9]*_*.txt")]
    names = sorted(str(path.relative_to(run)) for path in paths if ".dag." not in path.name)
    wrong += [f"{name}: no decision asked for it" for name in names if name not in known]
    agreement = f"{len(known) - 1:,} files, the same bytes"
    return Finding("fault", what, _listed(wrong)) if wrong else Finding("same", what, agreement)


def _undecided(run: Path, whole: plan.Plan) -> Iterator[str]:
    """Files beside those of the plan in the streams that it uses: perhaps of rounds that were tried and left out."""
    nodes = [node for node in whole.nodes if ROWS[node.task].at_point]
    decided = {f"{node.dir}/{name}" for node in nodes for name in processes.outputs(node)}
    for path in sorted((run / "trials" / whole.name).glob(f"[bs][gi]*/**/trials__*_seed_{plan.SEED:04d}*.npy")):
        name = str(path.relative_to(run))
        if name not in decided:
            yield f"{name}: no plan and no decision asked for it"


def _unplanned_files(run: Path, known: set[str]) -> Iterator[str]:
    """Lists of processes and submit files that no plan and no repair wrote."""
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
    """Every output has one process that makes it."""
    what = "every file has one process that makes it"
    seen: set[str] = set()
    twice: list[str] = []
    for node in planned.nodes:
        for name in processes.outputs(node):
            path = f"{node.dir}/{name}"
            if path in seen:
                twice.append(f"{path} of {node.name}")
            seen.add(path)
    return (
        Finding("fault", what, _listed(twice))
        if twice
        else Finding("same", what, f"{len(seen):,} files, no name twice")
    )


def _worker(run: Path, task: str) -> Any:
    """The JSON object that a worker prints, or the last line of its complaint."""
    command = [interpreter.python(), "-m", "worker", task, f"--run={run}"]
    process = subprocess.run(
        command, env=interpreter.environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if process.returncode != 0 or not process.stdout:
        return (process.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return json.loads(process.stdout.splitlines()[-1])


def _streams(run: Path) -> Finding:
    """Random streams, by the worker, which knows how numbers are addressed."""
    what = "no two files share random numbers"
    answer = _worker(run, "streams")
    if isinstance(answer, str):
        return Finding("fault", what, f"cannot be told: {answer}")
    if answer["faults"]:
        return Finding("fault", what, _listed(answer["faults"]))
    n_keys, n_trials, n_files = (answer[key] for key in ("keys", "trials", "files"))
    counts = (
        f"{n_keys:,} Philox keys, all different; {n_trials:,} trials in {n_files:,} files, each trial in one of them"
    )
    return Finding("same", what, counts)
