"""Lines of the DAG file. It uses only commands that old DAGMans know: an unknown one is a parse error."""

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from dagmaker.htcondor.quoting import dag_path, dag_value
from dagmaker.plan.clusters import Cluster, Clusters
from dagmaker.plan.plan import Plan
from dagmaker.plan.sites import Site
from worker.base.task_rows import JUDGE, REPORT, ROWS
from worker.rundir import layout

ROUND_SCRIPT = layout.ROUNDS / "plan_round.sh"
NOTHING_TO_DO = 90  # exit code of the script before a round; dagmaker uses no such code


def batch_file(run: PurePosixPath, cluster: str) -> PurePosixPath:
    """The list of processes of a cluster."""
    return run / "batches" / f"{cluster}.txt"


def _job(run: PurePosixPath, keyword: str, cluster: str, task: str) -> Iterator[str]:
    yield f"{keyword} {cluster} {dag_path(str(run / f'{task}.sub'))}"
    yield f"VARS {cluster} batch={dag_value(str(batch_file(run, cluster)))} node={dag_value(cluster)}"


def _round(run: PurePosixPath, judge: str) -> Iterator[str]:
    """Sub-DAG of a round. It is written after the judge's decision, and skipped if it would be empty."""
    name, number = round_name(judge), judge.rpartition("_")[2]
    yield f"SUBDAG EXTERNAL {name} {dag_path(str(run / layout.round_dag(int(number))))}"
    yield f"SCRIPT PRE {name} /bin/sh {dag_path(str(run / ROUND_SCRIPT))} {number}"
    yield f"PRE_SKIP {name} {NOTHING_TO_DO}"
    yield f"PARENT {judge} CHILD {name}"


def round_name(judge: str) -> str:
    """Node of a round's sub-DAG: ``judge_1`` -> ``round_1``."""
    return judge.replace(JUDGE, "round")


def script(run: str, python: str, import_path: str | None) -> str:
    """Shell script that DAGMan calls on the submit host before each round."""
    path = (
        f"PYTHONPATH={shlex.quote(import_path)}${{PYTHONPATH:+:$PYTHONPATH}}; export PYTHONPATH\n"
        if import_path
        else ""
    )
    return (
        "#!/bin/sh\n"
        f"# Plans round $1 from its decision; exit code {NOTHING_TO_DO}: nothing to add. Written by `dagmaker build`.\n"
        f"run={shlex.quote(run)}\n"
        f"{path}"
        'mkdir -p "$run/logs" && exec >"$run/logs/round_$1.out" 2>&1\n'
        f'{shlex.quote(python)} -m dagmaker round "$run" "--round=$1" || exit\n'
        f'test -e "$run/{layout.ROUNDS}/round_$1.dag" || exit {NOTHING_TO_DO}\n'
    )


def round_lines(plan: Plan, clusters: Clusters, site: Site, run: PurePosixPath) -> Iterator[str]:
    """The DAG of a round: nodes without parents, with the submit files of the first plan."""
    yield f"# {plan.name}: {plan.n_processes} processes. Written by `dagmaker round`."
    yield from _head(site, run)
    for cluster in clusters.clusters:
        yield from _node(run, cluster)
    yield from _limits(site)


def _head(site: Site, run: PurePosixPath) -> Iterator[str]:
    """Settings of DAGMan, and the accounting group of DAGMan's own job."""
    yield f"CONFIG {dag_path(str(run / 'dagman.config'))}"
    if site.accounting_group:
        yield f"SET_JOB_ATTR AcctGroup = {dag_value(site.accounting_group)}"


def _node(run: PurePosixPath, cluster: Cluster) -> Iterator[str]:
    yield from _job(run, "JOB", cluster.name, cluster.task)
    yield f"PRIORITY {cluster.name} {ROWS[cluster.task].priority}"
    yield f"CATEGORY {cluster.name} {cluster.task}"


def _limits(site: Site) -> Iterator[str]:
    for task, limit in sorted(site.max_nodes.items()):
        yield f"MAXJOBS {task} {limit}"


def _edges(plan: Plan, clusters: Clusters) -> Iterator[str]:
    """One line per distinct set of parents."""
    children: dict[tuple[str, ...], dict[str, None]] = {}
    for node in plan.nodes:
        if not node.parents or node.task == REPORT:
            continue
        parents = tuple(dict.fromkeys(name for parent in node.parents for name in _ends(clusters, parent)))
        children.setdefault(parents, {}).update(dict.fromkeys(clusters.of_node[node.name]))
    for parents, names in children.items():
        yield f"PARENT {' '.join(parents)} CHILD {' '.join(names)}"


def _ends(clusters: Clusters, node: str) -> tuple[str, ...]:
    """DAG nodes that must end before a child of a node starts: for a judge, its round."""
    names = clusters.of_node[node]
    return tuple(round_name(name) if JUDGE in name else name for name in names)


def lines(plan: Plan, clusters: Clusters, site: Site, run: PurePosixPath, dot: bool = False) -> Iterator[str]:
    """The DAG of a plan.

    There is no RETRY. It would start all thousand processes of a cluster again, and it knows one UNLESS-EXIT value,
    but three exit codes are final. `max_retries` in the submit files retries only failed processes. A setting in
    dagman.config retries submissions that the schedd refused.

    Parameters
    ----------
    run : PurePosixPath
        The run directory, absolute: DAGMan resolves paths relative to its working directory.
    dot : bool
        DAGMan writes a drawing of the DAG (Graphviz) when it starts.
    """
    yield f"# {plan.name}: {plan.n_processes} processes in {len(clusters.clusters)} nodes. Written by `dagmaker build`."
    yield from _head(site, run)
    yield f"JOBSTATE_LOG {dag_path(str(run / 'logs' / 'jobstate.log'))}"
    if dot:
        yield f"DOT {dag_path(str(run / 'analysis.dot'))}"
    for cluster in clusters.clusters:
        if cluster.task == REPORT:
            continue
        yield from _node(run, cluster)
        if cluster.task == JUDGE:
            yield from _round(run, cluster.name)
    yield from _limits(site)
    yield from _edges(plan, clusters)
    yield from _job(run, "FINAL", REPORT, REPORT)
