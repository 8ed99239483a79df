"""What a plan will cost, before anything runs. All constants of the model are here; a run reports its own."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dagmaker import clusters
from dagmaker.plan import Node, Plan
from dagmaker.processes import MAP, SCAN
from worker.spec import Spec

# Measured on one core of a 2-core Xeon virtual machine, 138,322 events, rounded down.
START_S = 1.0  # of a process, until it works
TRIALS_PER_S = {"bg_trials": 15000.0, "sig_trials": 10000.0}
PIXELS_PER_S = 20000.0
SINGLE_S = {"prepare": 5.0, "sensitivity": 5.0, "collect_scan": 5.0, "report": 15.0}
OTHER_SINGLE_S = 1.0
COLLECT_S = 0.001  # per file that is read
MEMORY_MB = {"collect_scan": 350, "report": 450}
OTHER_MEMORY_MB = 300

NODES_PER_S = 20.0  # DAGMan's submission, clusters of any size
FILES_PER_FOLDER = 1000  # more makes a network disk slow for everybody
TAIL = 10  # trials above a threshold that a significance needs to be counted rather than extrapolated


@dataclass(frozen=True)
class StageCost:
    """One kind of task.

    Attributes
    ----------
    processes, trials, files, files_per_folder : int
    cpu_h : float, hours
        Sum over all processes on one core each.
    longest_s : float, s
        One process.
    memory_mb : int
    """

    task: str
    processes: int
    trials: int
    files: int
    files_per_folder: int
    cpu_h: float
    longest_s: float
    memory_mb: int


@dataclass(frozen=True)
class Cost:
    """All of a plan.

    Attributes
    ----------
    wall_h : float, hours
        On `slots` slots that are always busy, at least the critical path.
    dag_nodes : int
    submit_s : float, s
        Until DAGMan has submitted the last node, when nothing else limits it.
    local_sigma, post_trial_p : float
        Largest local significance with enough background trials above it; smallest post-trial p-value.
    warnings : tuple of str
    """

    stages: tuple[StageCost, ...]
    slots: int
    wall_h: float
    dag_nodes: int
    submit_s: float
    local_sigma: float
    post_trial_p: float
    warnings: tuple[str, ...]

    @property
    def cpu_h(self) -> float:
        """CPU hours of all stages."""
        return sum(stage.cpu_h for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {**asdict(self), "cpu_h": self.cpu_h, "processes": sum(stage.processes for stage in self.stages)}


def pixels(nside: int, dec_min_deg: float, dec_max_deg: float) -> int:
    """Healpix pixels between two declinations, from their share of the sphere."""
    low, high = math.sin(math.radians(dec_min_deg)), math.sin(math.radians(dec_max_deg))
    return round(12 * nside**2 * (high - low) / 2)


def _work_s(node: Node, spec: Spec, readers: dict[str, int]) -> float:
    """CPU seconds of all processes of a node, without their starts."""
    scan = spec.scan
    if node.task in TRIALS_PER_S:
        return node.n_trials / TRIALS_PER_S[node.task]
    if node.task == SCAN:
        return node.n_trials * pixels(scan.nside, scan.dec_min_deg, scan.dec_max_deg) / PIXELS_PER_S
    if node.task == MAP:
        return pixels(int(dict(node.args)["nside"]), scan.dec_min_deg, scan.dec_max_deg) / PIXELS_PER_S
    files = sum(readers[parent] for parent in node.parents)
    return SINGLE_S.get(node.task, OTHER_SINGLE_S) + COLLECT_S * files


def _outputs(node: Node) -> int:
    """Output files of a node: array and record of each process."""
    return 2 * node.n_processes


def _stages(plan: Plan, spec: Spec) -> Iterator[StageCost]:
    readers = {node.name: node.n_processes for node in plan.nodes}
    for task in plan.tasks():
        nodes = [node for node in plan.nodes if node.task == task]
        processes = sum(node.n_processes for node in nodes)
        work = [_work_s(node, spec, readers) for node in nodes]
        folders: dict[str, int] = {}
        for node in nodes:
            folders[node.dir] = folders.get(node.dir, 0) + _outputs(node)
        yield StageCost(
            task=task,
            processes=processes,
            trials=sum(node.n_trials for node in nodes),
            files=sum(folders.values()),
            files_per_folder=max(folders.values()),
            cpu_h=(sum(work) + START_S * processes) / 3600,
            longest_s=max(START_S + s / node.n_processes for s, node in zip(work, nodes, strict=True)),
            memory_mb=MEMORY_MB.get(task, OTHER_MEMORY_MB),
        )


def _path_s(plan: Plan, longest: dict[str, float]) -> float:
    """Length of the critical path: the longest chain of single processes."""
    ends: dict[str, float] = {}
    for node in plan.nodes:
        ends[node.name] = longest[node.task] + max((ends[parent] for parent in node.parents), default=0.0)
    return max(ends.values())


def _warnings(stages: tuple[StageCost, ...], spec: Spec) -> Iterator[str]:
    keys = {
        "bg_trials": "background.trials_per_file",
        "sig_trials": "signal.trials_per_file",
        "scan_trials": "scan.skies_per_file",
    }
    for stage in stages:
        if stage.files_per_folder > FILES_PER_FOLDER:
            cure = f"raise {keys[stage.task]}" if stage.task in keys else "use a coarser grid"
            yield f"{stage.task}: {stage.files_per_folder} files in one folder (more than {FILES_PER_FOLDER}): {cure}"
        if stage.task in keys and stage.longest_s < 10 * START_S and stage.processes > 1000:
            yield (
                f"{stage.task}: a process works {stage.longest_s - START_S:.1f} s and starts for {START_S:g} s: "
                f"raise {keys[stage.task]}"
            )
        if stage.memory_mb > spec.resources.request_memory_mb:
            yield (
                f"{stage.task}: needs about {stage.memory_mb} MB, resources.request_memory_mb is "
                f"{spec.resources.request_memory_mb}: it would be held once and then get more"
            )


def sigma(p: float) -> float:
    """One-sided Gaussian significance of a p-value."""
    from statistics import NormalDist

    return -NormalDist().inv_cdf(p)


def estimate(plan: Plan, spec: Spec, slots: int = 1) -> Cost:
    """Cost of a plan on so many slots."""
    stages = tuple(_stages(plan, spec))
    total_s = sum(stage.cpu_h for stage in stages) * 3600
    path_s = _path_s(plan, {stage.task: stage.longest_s for stage in stages})
    n = spec.background.n_trials
    return Cost(
        stages=stages,
        slots=slots,
        wall_h=max(total_s / slots, path_s) / 3600,
        dag_nodes=len(clusters.make(plan).clusters),
        submit_s=len(clusters.make(plan).clusters) / NODES_PER_S,
        local_sigma=sigma(TAIL / n) if n > 2 * TAIL else 0.0,
        post_trial_p=1 / (spec.scan.n_skies + 1),
        warnings=tuple(_warnings(stages, spec)),
    )
