"""Predicted cost of a plan; the model is in `plan.rates` and `cost.small_task_costs`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dagmaker.cost import disk, small_task_costs
from dagmaker.cost.hours import hours
from dagmaker.cost.significance_reach import Quotable, way_of
from dagmaker.plan import clusters, rates, sites, sizing
from dagmaker.plan.plan import Node, Plan
from worker.base.task_rows import BG_TRIALS, PATCH_TRIALS, ROWS, SIG_TRIALS
from worker.spec.sections import Spec

NODES_PER_S = 20.0  # DAGMan's submission, clusters of any size
FILES_PER_FOLDER = 1000  # more makes a network disk slow for everybody
MANY_RESULTS = 5000  # the same for files that are written once and read once: two for each declination


@dataclass(frozen=True)
class StageCost:
    """Cost of one kind of task.

    Attributes
    ----------
    processes, jobs, trials, files, files_per_folder : int
        Fewer jobs than processes on a pool where a job makes several processes.
    cpu_h, start_h : float, hours
        Sum over all processes, and the part of it that they spend starting.
    longest_s : float, s
        One process.
    memory_mb, request_mb : int
        Needed and asked for, one process.
    disk_mb : int
        Asked for, one process.
    """

    task: str
    processes: int
    jobs: int
    trials: int
    files: int
    files_per_folder: int
    cpu_h: float
    start_h: float
    longest_s: float
    memory_mb: int
    request_mb: int
    disk_mb: int


@dataclass(frozen=True)
class Cost:
    """Cost of a whole plan.

    Attributes
    ----------
    wall_h : float, hours
        On `slots` slots that are always busy; at least the critical path.
    dag_nodes : int
    submit_s : float, s
        Until DAGMan has submitted the last node, if nothing else limits it.
    local_sigma, post_trial_p : float
        Largest local significance with enough background trials above it; smallest post-trial p-value.
    quotable : Quotable
        All significances, with and without the fit.
    measured : str
        Processor of the pilot; empty for the built-in model.
    warnings : tuple of str
    rounds : tuple of str
        What an adaptive analysis may add at most, in words.
    """

    stages: tuple[StageCost, ...]
    slots: int
    wall_h: float
    dag_nodes: int
    submit_s: float
    local_sigma: float
    post_trial_p: float
    quotable: Quotable
    measured: str
    warnings: tuple[str, ...]
    rounds: tuple[str, ...] = ()

    @property
    def cpu_h(self) -> float:
        """CPU hours of all stages on a pool, where every process starts anew."""
        return sum(stage.cpu_h for stage in self.stages)

    @property
    def local_h(self) -> float:
        """CPU hours of `dagmaker run` with one worker, which starts once."""
        return self.cpu_h - sum(s.start_h for s in self.stages) + max(s.start_h / s.jobs for s in self.stages)

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        more = {
            "cpu_h": self.cpu_h,
            "here_cpu_h": self.local_h,
            "processes": sum(stage.processes for stage in self.stages),
            "fitted_sigma": self.quotable.fitted,
            "post_trial_sigma": self.quotable.post_trial,
            "sensitivity_error": self.quotable.sensitivity_error,
        }
        return {**asdict(self), **more}


def _work_s(node: Node, spec: Spec, readers: dict[str, int]) -> float:
    """CPU seconds of all processes of a node, without their starts."""
    args: dict[str, Any] = dict(node.args)
    if ROWS[node.task].at_point:
        unit_s = rates.of(spec, node.task).unit_s(spec.point_of(args).dec_deg, args.get("n_sig"))
        return node.n_trials * unit_s
    if node.task == PATCH_TRIALS:
        one_s, set_up_s = sizing.patch_s(spec)
        return one_s * node.n_trials + set_up_s * len(node.cuts)
    if ROWS[node.task].scans_skies:
        one_s, set_up_s = sizing.sky_s(spec, node.task, int(args.get("nside", spec.scan.main_nside)))
        return one_s * (node.n_trials or 1) + set_up_s * max(1, len(node.cuts))
    return small_task_costs.work_s(node, spec, sum(readers[parent] for parent in node.parents))


def work_s(plan: Plan, spec: Spec) -> dict[str, float]:
    """CPU seconds of all processes of each node by its name, without their starts."""
    readers = {node.name: node.n_processes for node in plan.nodes}
    return {node.name: _work_s(node, spec, readers) for node in plan.nodes}


def _stages(plan: Plan, spec: Spec) -> Iterator[StageCost]:
    site = sites.load(spec.site)
    all_work = work_s(plan, spec)
    for task in plan.tasks():
        nodes = [node for node in plan.nodes if node.task == task]
        processes = sum(node.n_processes for node in nodes)
        work = [all_work[node.name] for node in nodes]
        start_s, jobs = small_task_costs.start(spec, task).total_s, clusters.n_jobs(task, nodes)
        each = [s / node.n_processes for s, node in zip(work, nodes, strict=True)]
        folders: dict[str, int] = {}
        for node in nodes:
            folders[node.dir] = folders.get(node.dir, 0) + 2 * node.n_processes  # array and record of each process
        yield StageCost(
            task=task, processes=processes, jobs=jobs, trials=sum(node.n_trials for node in nodes),
            files=sum(folders.values()), files_per_folder=max(folders.values()),
            cpu_h=(sum(work) + start_s * jobs) / 3600,
            start_h=start_s * jobs / 3600,
            longest_s=start_s + clusters.calls_per_job(task, nodes) * max(each),
            memory_mb=rates.memory_mb(spec, task),
            request_mb=sizing.request(spec, site, task).memory_mb,
            disk_mb=disk.asked_mb(plan, spec, site, task),
        )  # fmt: skip


def _path_s(plan: Plan, longest: dict[str, float]) -> float:
    """Length of the critical path: the longest chain of single processes."""
    ends: dict[str, float] = {}
    for node in plan.nodes:
        ends[node.name] = longest[node.task] + max((ends[parent] for parent in node.parents), default=0.0)
    return max(ends.values())


def _warnings(stages: tuple[StageCost, ...], spec: Spec) -> Iterator[str]:
    sized = spec.resources.target_hours is not None
    if spec.engine.kind == "plugin" and spec.resources.pilot is None:
        yield (
            f"times are a guess: {rates.PLUGIN_TRIAL_S:g} s for each trial of the plug-in; `dagmaker pilot` measures it"
        )
    for stage in stages:
        row = ROWS[stage.task]
        key = "resources.target_hours" if sized else row.per_file
        if stage.files_per_folder > (FILES_PER_FOLDER if row.is_stream else MANY_RESULTS):
            cure = f"raise {key}" if row.is_stream else "use a coarser grid"
            yield f"{stage.task}: {stage.files_per_folder} files in one folder (more than {FILES_PER_FOLDER}): {cure}"
        start_s = small_task_costs.start(spec, stage.task).total_s
        if not sized and row.is_stream and stage.longest_s < 10 * start_s and stage.processes > 1000:
            yield (
                f"{stage.task}: a process works {stage.longest_s - start_s:.1f} s and starts for {start_s:g} s: "
                f"raise {key}"
            )
        if stage.memory_mb > stage.request_mb:
            capped = stage.request_mb == spec.resources.max_memory_mb
            key = "resources.max_memory_mb" if capped else f"resources.tasks.{stage.task}.request_memory_mb"
            yield (
                f"{stage.task}: needs about {stage.memory_mb} MB, {key} is {stage.request_mb}: "
                + ("it would be held for its memory" if capped else "it would be held once and then get more")
            )


def _rounds(spec: Spec) -> Iterator[str]:
    """Largest work that rounds may add: every point up to its bounds."""
    most, points = spec.adaptive, spec.all_points
    if not most.max_rounds:
        return
    signal = max(most.max_signal_trials - spec.signal.n_trials * len(spec.signal.n_sig), 0)
    background = max(most.max_background_trials - spec.background.n_trials, 0)
    top = spec.signal.n_sig[-1]
    injected, spectra = spec.signal_points, len(spec.signal.gammas)
    cpu_s = sum(signal * spectra * rates.of(spec, SIG_TRIALS).unit_s(at.dec_deg, top) for at in injected)
    cpu_s += sum(background * rates.of(spec, BG_TRIALS).unit_s(at.dec_deg) for at in points)
    signals = signal * len(injected) * spectra
    yield (
        f"rounds       at most {most.max_rounds}, of at most {signals:,} signal and "
        f"{background * len(points):,} background trials more: +{hours(cpu_s / 3600)} of CPU time"
    )


def estimate(plan: Plan, spec: Spec, slots: int = 1) -> Cost:
    """Predicted cost of a plan on a number of slots."""
    stages = tuple(_stages(plan, spec))
    total_s = sum(stage.cpu_h for stage in stages) * 3600
    path_s = _path_s(plan, {stage.task: stage.longest_s for stage in stages})
    tilted = 0 if spec.background.tail == "none" else spec.background.n_tail_trials
    quotable = Quotable(
        spec.background.n_trials, spec.scan.n_skies, spec.signal.n_trials, spec.scan.survival,
        spec.unblind.quote_nsigma, spec.unblind.waive, tilted, way_of(spec),
        spec.scan.post_trial.n_patches if spec.scan.post_trial.tail == "patches" else 0,
        spec.scan.further_tests,
    )  # fmt: skip
    n_clusters = clusters.count(plan)
    return Cost(
        stages=stages, slots=slots, wall_h=max(total_s / slots, path_s) / 3600,
        dag_nodes=n_clusters, submit_s=n_clusters / NODES_PER_S, quotable=quotable, local_sigma=quotable.counted,
        post_trial_p=1 / (spec.scan.n_skies + 1),
        measured=spec.resources.pilot.cpu if spec.resources.pilot is not None else "",
        warnings=tuple(_warnings(stages, spec)),
        rounds=tuple(_rounds(spec)),
    )  # fmt: skip
