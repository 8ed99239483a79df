"""`dagmaker pilot --pool`: the probes as a small DAG, measured by HTCondor's logs and the records of their outputs."""

import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from dagmaker.htcondor import build, dagjob, eventlog, render_dag, submit, submitfile
from dagmaker.htcondor.jobs import seconds
from dagmaker.pilot import pilot, probes, sensitivity_estimate
from dagmaker.pilot.pilot import Say
from dagmaker.pilot.probes import Probe, Took
from dagmaker.plan import clusters, sites
from dagmaker.plan.clusters import Cluster, Clusters
from dagmaker.plan.plan import Node, Plan
from worker.base import shell
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError, StoppedError
from worker.base.reading import NUMBER, json_object
from worker.base.task_rows import PREPARE, REPORT, ROWS, SIG_TRIALS, many
from worker.spec.pilot import Pilot
from worker.spec.sections import Spec

FILE = "pilot.dag"
POLL_S = 2.0


def pilot_on_pool(spec: Spec, run: Path, limit_s: float, say: Say) -> Pilot:
    """Measure on the pool; waits for the DAG.

    Raises
    ------
    InputError
        No schedd answers, or no probe of any kind ended.
    StoppedError
        The DAG has not ended in time; it is left running.
    """
    spec = pilot.unsized(spec)
    run = build.make_directory(run)
    built = build.build(spec, run)
    rows = list(probes.pairs(spec))
    pilot.forget(run)
    quick = list(sensitivity_estimate.probes(spec))
    _write(run, built.plan, [*(probe for pair in rows for probe in pair), *quick], spec)
    submitted = submit.submit(run, FILE)
    for line in submitted.lines():
        say(line)
    _wait(run, submitted.cluster, limit_s)
    took: dict[str, list[tuple[Took, Took]]] = {kind: [] for kind in many()}
    found, cpu = measured(run, rows)
    for pair in found:
        took[pair[0].probe.task].append(pair)
        say(pilot.told(pair))
    there = [point for probe in quick for point in sensitivity_estimate.read(run, spec, probe)]
    for point in there:
        say(sensitivity_estimate.told(point))
    return pilot.assemble(took, cpu, run, there)


def _names(task: str) -> str:
    return f"pilot_{task}"


def _write(run: Path, plan: Plan, probes: list[Probe], spec: Spec) -> None:
    """pilot.dag and its lists of processes: `prepare`, then a node for each kind."""
    lines: dict[str, list[str]] = {}
    for probe in probes:  # those of the quick pass are started as signal trials are
        kind = probe.task if probe.task in ROWS else SIG_TRIALS
        lines.setdefault(kind, []).append(" ".join(probe.argv))
    nodes = [node for node in plan.nodes if node.name == PREPARE]
    nodes += [Node(_names(task), task, parents=(PREPARE,)) for task in lines]
    nodes += [node for node in plan.nodes if node.task == REPORT]
    part = Plan(plan.name, plan.spec_digest, tuple(nodes))
    packed = [cluster for cluster in clusters.make(plan).clusters if cluster.name == PREPARE]
    packed += [Cluster(_names(task), task, tuple(text)) for task, text in lines.items()]
    made = Clusters(tuple(packed), {cluster.name: (cluster.name,) for cluster in packed})
    for cluster in packed:
        text = "\n".join(cluster.lines) + "\n"
        write_all(run, [Written(render_dag.batch_file(PurePosixPath(), cluster.name), text.encode())])
        (run / "logs" / cluster.name).mkdir(parents=True, exist_ok=True)
    dag = "\n".join(render_dag.lines(part, made, sites.charged(sites.load(spec.site), spec), PurePosixPath(run))) + "\n"
    write_all(run, [Written(PurePosixPath(FILE), dag.encode())])


def _wait(run: Path, cluster: int | None, limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while (job := dagjob.read(run, FILE)) is None or job.cluster != cluster or job.active:
        if time.monotonic() > until:
            raise StoppedError(
                f"{run / FILE}: not done after {limit_s:g} s; it stays in the queue: wait longer with --limit_s, the "
                "same command looks again when it has ended, or take it out with condor_rm"
            )
        time.sleep(POLL_S)


def _starts(run: Path, task: str) -> Iterator[tuple[int, float]]:
    """Number and seconds from start to end, by the event log, of the probes of a kind that ended well."""
    log = submitfile.read(run, task).log
    begun: dict[tuple[int, int], float] = {}
    for event in eventlog.Log(log).new() if log is not None else ():
        key = event.cluster, event.process
        if event.kind == eventlog.EXECUTE:
            begun[key] = seconds(event.time)
        elif event.kind == eventlog.TERMINATED and eventlog.ended(event) == 0 and key in begun:
            yield event.process, seconds(event.time) - begun[key]


def _records(run: Path) -> Iterator[dict[str, Any]]:
    """Records of what the probes made."""
    for pattern in (f"trials/*/*/**/*_seed_{probes.SEED:04d}*.json", "trials/*/map/**/*.json"):
        for path in run.glob(pattern):
            try:
                yield json_object(path, {"args": dict, "task": str, "cpu_s": NUMBER, "wall_s": NUMBER})
            except (OSError, ValueError) as error:
                raise InputError(f"{path}: not the record of a probe ({error}); remove it and run the pilot") from None


def _flags(probe: Probe) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in probe.argv[1:])


def _is_of(record: dict[str, Any], probe: Probe) -> bool:
    """Whether a record is that of a probe's output."""
    flags, args = _flags(probe), record["args"]
    same = all(_same(args[key], value) for key, value in flags.items() if key in args)
    return record["task"] == probe.task and same and ("n" not in flags or int(flags["n"]) == record["n"])


def _same(value: Any, flag: str) -> bool:
    return str(value) == flag if isinstance(value, str) or value is None else float(value) == float(flag)


def measured(run: Path, rows: list[tuple[Probe, Probe]]) -> tuple[list[tuple[Took, Took]], str]:
    """What the probes took, and on which processor: CPU time by the records, and the start that they do not see."""
    records = list(_records(run))
    order: dict[str, list[Probe]] = {}
    for pair in rows:
        for probe in pair:
            order.setdefault(probe.task, []).append(probe)
    mine = {probe: record for pair in rows for probe in pair for record in records if _is_of(record, probe)}
    before = [
        wall - mine[order[task][number]]["wall_s"]
        for task in order
        for number, wall in _starts(run, task)
        if number < len(order[task]) and order[task][number] in mine
    ]
    if not before:
        raise InputError(f"{run}: no probe ended well; `{shell.dagmaker('status', run)}` and {run / 'logs'} tell why")
    start_s = max(sum(before) / len(before), 0.0)

    def took(probe: Probe) -> Took:
        record = mine.get(probe)
        if record is None:
            return Took(probe, None, 0.0)
        return Took(probe, record["cpu_s"] + start_s, record["max_rss_mb"])

    return [(took(short), took(long)) for short, long in rows], str(next(iter(mine.values()))["cpu"])
