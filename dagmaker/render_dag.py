"""The DAG file, line by line. Only commands that old DAGMans know: an unknown one is a parse error."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from dagmaker.clusters import Clusters
from dagmaker.plan import Plan
from dagmaker.priority import PRIORITY
from dagmaker.quote import dag_path, dag_value
from dagmaker.sites import Site

FINAL = "report"


def submit_file(run: PurePosixPath, task: str) -> PurePosixPath:
    """The submit file of a kind of task."""
    return run / f"{task}.sub"


def batch_file(run: PurePosixPath, cluster: str) -> PurePosixPath:
    """The list of processes of a cluster."""
    return run / "batches" / f"{cluster}.txt"


def _job(run: PurePosixPath, keyword: str, cluster: str, task: str) -> Iterator[str]:
    yield f"{keyword} {cluster} {dag_path(str(submit_file(run, task)))}"
    yield f"VARS {cluster} batch={dag_value(str(batch_file(run, cluster)))} node={dag_value(cluster)}"


def _edges(plan: Plan, clusters: Clusters) -> Iterator[str]:
    """One line per distinct set of parents: DAGMan joins many-to-many edges itself."""
    children: dict[tuple[str, ...], dict[str, None]] = {}
    for node in plan.nodes:
        if not node.parents or node.task == FINAL:
            continue
        parents = tuple(dict.fromkeys(name for parent in node.parents for name in clusters.of_node[parent]))
        children.setdefault(parents, {}).update(dict.fromkeys(clusters.of_node[node.name]))
    for parents, names in children.items():
        yield f"PARENT {' '.join(parents)} CHILD {' '.join(names)}"


def lines(plan: Plan, clusters: Clusters, site: Site, run: PurePosixPath, dot: bool = False) -> Iterator[str]:
    """The DAG of a plan.

    There is no RETRY. It starts a whole cluster again, and knows one UNLESS-EXIT value where three exit codes are
    final: with any of them, a process that cannot succeed (exit code 3: 2 submissions, measured) drags its
    thousand neighbours through a second start. `max_retries` in the submit files retries what failed and nothing
    else; what RETRY adds is a second chance for a submission that the schedd refused, and DAGMan has a setting for
    that (dagman.config).

    Parameters
    ----------
    run : PurePosixPath
        The run directory, absolute: DAGMan reads paths from where it was submitted.
    dot : bool
        DAGMan writes a drawing of the DAG (Graphviz) when it starts.
    """
    yield f"# {plan.name}: {plan.n_processes} processes in {len(clusters.clusters)} nodes. Written by `dagmaker build`."
    yield f"CONFIG {dag_path(str(run / 'dagman.config'))}"
    yield f"JOBSTATE_LOG {dag_path(str(run / 'logs' / 'jobstate.log'))}"
    if dot:
        yield f"DOT {dag_path(str(run / 'analysis.dot'))}"
    for cluster in clusters.clusters:
        if cluster.task == FINAL:
            continue
        yield from _job(run, "JOB", cluster.name, cluster.task)
        yield f"PRIORITY {cluster.name} {PRIORITY[cluster.task]}"
        yield f"CATEGORY {cluster.name} {cluster.task}"
    for task, limit in sorted(site.max_nodes.items()):
        yield f"MAXJOBS {task} {limit}"
    yield from _edges(plan, clusters)
    yield from _job(run, "FINAL", FINAL, FINAL)
