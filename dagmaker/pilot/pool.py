"""`dagmaker pilot --pool`: run the probes as a small DAG; costs are from event logs and output records."""

import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from dagmaker.htcondor import build, dagjob, eventlog, render_dag, submit, submitfile
from dagmaker.htcondor.jobs import seconds
from dagmaker.pilot import pilot, probes, sensitivity_estimate
from dagmaker.pilot.pilot import Say
from dagmaker.pilot.probes import Measurement, Pair, Probe
from dagmaker.plan import clusters, sites
from dagmaker.plan.clusters import Cluster, Clusters
from dagmaker.plan.plan import Node, Plan
from worker.base import shell
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError, StoppedError
from worker.base.reading import NUMBER, json_object
from worker.base.task_rows import PREPARE, REPORT, ROWS, SIG_TRIALS
from worker.spec.pilot import Pilot
from worker.spec.sections import Spec

FILE = "pilot.dag"
POLL_S = 2.0


def pilot_on_pool(spec: Spec, run: Path, limit_s: float, say: Say) -> Pilot:
    """Measure on the pool and wait for the DAG.

    Raises
    ------
    InputError
        No schedd answers, or no probe ended in time.
    StoppedError
        The DAG did not end in time; it stays in the queue.
    """
    spec = pilot.unsized(spec)
    run = build.make_directory(run)
    built = build.build(spec, run)
    rows = list(probes.pairs(spec))
    pilot.remove_probe_outputs(run)
    estimate_probes = list(sensitivity_estimate.probes(spec))
    _write(run, built.plan, [*(probe for pair in rows for probe in pair), *estimate_probes], spec)
    submitted = submit.submit(run, FILE)
    for line in submitted.lines():
        say(line)
    _wait(run, submitted.cluster, limit_s)
    pairs, cpu = measured(run, rows)
    for pair in pairs:
        say(pilot.probe_line(pair))
    estimates = [point for probe in estimate_probes for point in sensitivity_estimate.read(run, spec, probe)]
    for point in estimates:
        say(sensitivity_estimate.estimate_line(point))
    return pilot.assemble(pairs, cpu, run, estimates)


def _write(run: Path, plan: Plan, probes: list[Probe], spec: Spec) -> None:
    """Write pilot.dag and its lists of processes: `prepare`, then a node for each kind."""
    lines: dict[str, list[str]] = {}
    for probe in probes:  # sensitivity estimates use the submit file of signal trials
        kind = probe.task if probe.task in ROWS else SIG_TRIALS
        lines.setdefault(kind, []).append(" ".join(probe.argv))
    nodes = [node for node in plan.nodes if node.name == PREPARE]
    nodes += [Node(f"pilot_{task}", task, parents=(PREPARE,)) for task in lines]
    nodes += [node for node in plan.nodes if node.task == REPORT]
    pilot_plan = Plan(plan.name, plan.spec_digest, tuple(nodes))
    cluster_list = [cluster for cluster in clusters.make(plan).clusters if cluster.name == PREPARE]
    cluster_list += [Cluster(f"pilot_{task}", task, tuple(text)) for task, text in lines.items()]
    packed_clusters = Clusters(tuple(cluster_list), {cluster.name: (cluster.name,) for cluster in cluster_list})
    for cluster in cluster_list:
        text = "\n".join(cluster.lines) + "\n"
        write_all(run, [Written(render_dag.batch_file(PurePosixPath(), cluster.name), text.encode())])
        (run / "logs" / cluster.name).mkdir(parents=True, exist_ok=True)
    site = sites.with_accounting_group(sites.load(spec.site), spec)
    dag = "\n".join(render_dag.lines(pilot_plan, packed_clusters, site, PurePosixPath(run))) + "\n"
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


def _wall_times(run: Path, task: str) -> Iterator[tuple[int, float]]:
    """Number and wall time in s, from the event log, of each successful probe of a task."""
    log = submitfile.read(run, task).log
    started_at: dict[tuple[int, int], float] = {}
    for event in eventlog.Log(log).new() if log is not None else ():
        key = event.cluster, event.process
        if event.kind == eventlog.EXECUTE:
            started_at[key] = seconds(event.time)
        elif event.kind == eventlog.TERMINATED and eventlog.exit_code(event) == 0 and key in started_at:
            yield event.process, seconds(event.time) - started_at[key]


def _records(run: Path) -> Iterator[dict[str, Any]]:
    """Records of the probes' outputs."""
    for pattern in (f"trials/*/*/**/*_seed_{probes.SEED:04d}*.json", "trials/*/map/**/*.json"):
        for path in run.glob(pattern):
            try:
                yield json_object(path, {"args": dict, "task": str, "cpu_s": NUMBER, "wall_s": NUMBER})
            except (OSError, ValueError) as error:
                raise InputError(f"{path}: not the record of a probe ({error}); remove it and run the pilot") from None


def _matches(record: dict[str, Any], probe: Probe) -> bool:
    """Whether a record belongs to a probe's output."""
    flags, args = dict(word.removeprefix("--").split("=", 1) for word in probe.argv[1:]), record["args"]
    same = all(_same_value(args[key], value) for key, value in flags.items() if key in args)
    return record["task"] == probe.task and same and ("n" not in flags or int(flags["n"]) == record["n"])


def _same_value(value: Any, flag: str) -> bool:
    return str(value) == flag if isinstance(value, str) or value is None else float(value) == float(flag)


def measured(run: Path, rows: list[tuple[Probe, Probe]]) -> tuple[list[Pair], str]:
    """Measurements and processor. CPU times are from records, plus the start time, which records do not include."""
    records = list(_records(run))
    order: dict[str, list[Probe]] = {}
    for pair in rows:
        for probe in pair:
            order.setdefault(probe.task, []).append(probe)
    record_of = {probe: record for pair in rows for probe in pair for record in records if _matches(record, probe)}
    start_times_s = [
        wall - record_of[order[task][number]]["wall_s"]
        for task in order
        for number, wall in _wall_times(run, task)
        if number < len(order[task]) and order[task][number] in record_of
    ]
    if not start_times_s:
        raise InputError(f"{run}: no probe ended well; `{shell.dagmaker('status', run)}` and {run / 'logs'} tell why")
    start_s = max(sum(start_times_s) / len(start_times_s), 0.0)

    def measurement(probe: Probe) -> Measurement:
        record = record_of.get(probe)
        if record is None:
            return Measurement(probe, None, 0.0)
        return Measurement(probe, record["cpu_s"] + start_s, record["max_rss_mb"])

    return [(measurement(short), measurement(long)) for short, long in rows], str(next(iter(record_of.values()))["cpu"])
