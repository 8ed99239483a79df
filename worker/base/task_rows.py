"""The tasks of a plan: one row of numbers and words for each.

Rows are plain numbers and words. Functions of a task stand in rooms above, in one table by task for each purpose:
random streams in `worker.rundir.address`, columns and digests in `worker.tasks.file_kinds`, what a user calls in
`worker.tasks.table`, CPU time in `dagmaker.cost.small_task_costs`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PREPARE = "prepare"
BG_TRIALS, SIG_TRIALS, SCAN_TRIALS, SCAN_MAP = "bg_trials", "sig_trials", "scan_trials", "scan_map"
TAIL_PILOT, TAIL_TRIALS, PATCH_TRIALS = "tail_pilot", "tail_trials", "patch_trials"
JUDGE = "judge"
COLLECT_BG, COLLECT_SIG, COLLECT_SCAN = "collect_bg", "collect_sig", "collect_scan"
DISTRIBUTIONS, SENSITIVITY, POST_TRIAL = "distributions", "sensitivity", "post_trial"
UPPER_LIMITS, REPORT = "upper_limits", "report"

LAST = 99


@dataclass(frozen=True, kw_only=True)
class Task:
    """One kind of task; columns that do not apply keep their defaults.

    Attributes
    ----------
    priority : int
        The task with the largest goes first: the critical path is high, background skies are low.
    needs : tuple of str
        Arguments that every node of the task has; ``point`` may stand in place of ``dec``.
    file : str
        The output, relative to the run directory, if a run has just one.
    folder : str
        Below trials/NAME, for the files of a task that reads the prepared data only, and can stop and resume.
    n_trials, per_file : str
        Keys of the spec, if the task makes streams: length of a stream, and trials per file.
    collected_by : str
        Task that merges the files of a stream.
    makes, unit : str
        Product of the task in words, and the unit in which it is counted.
    result, keys : str, tuple of str
        Key of the output in summary.json, and keys that the output itself must have.
    timed, recomputed : bool
        The output has its record in results/timing; a review recomputes it from the trials.
    cost_line : int
        Place in the report's table of costs.
    per_s : float
        Trials or pixels in a second of CPU time, with 138,322 events.
    memory_mb, million_mb : float, MB
        Peak memory up to 138,322 events, and what a million events add.
    scans_skies : bool
        Whether the task scans whole skies, or bands of them.
    on_device : bool
        A device makes its trials or skies if the spec has ``gpu: true``.
    start_s, start_inside_s : float, s
        CPU time that a new process takes beyond its work, and the part of it in the record of its output.
    """

    priority: int
    needs: tuple[str, ...] = ()
    file: str = ""
    folder: str = ""
    n_trials: str = ""
    per_file: str = ""
    collected_by: str = ""
    makes: str = ""
    unit: str = "trials"
    result: str = ""
    keys: tuple[str, ...] = ()
    timed: bool = False
    recomputed: bool = True
    cost_line: int = LAST
    per_s: float = 0.0
    memory_mb: int = 300
    million_mb: float = 0.0
    scans_skies: bool = False
    on_device: bool = False
    start_s: float = 0.0
    start_inside_s: float = 0.0

    @property
    def has_many_files(self) -> bool:
        """Whether a node has several files, named by cuts and bands."""
        return bool(self.folder)

    @property
    def is_stream(self) -> bool:
        """Whether the work is a stream of trials or skies, cut into pieces."""
        return bool(self.per_file)

    @property
    def at_point(self) -> bool:
        """Whether the task makes trials of one point."""
        return self.is_stream and "dec" in self.needs


# Rates were measured on one core of a 2-core Xeon virtual machine with 138,322 events, and rounded down; memory at
# 0.01, 0.14, 0.5, 1.6 and 3 million events, compilation included; starts as in `dagmaker.cost.small_task_costs`.
ROWS: dict[str, Task] = {
    PREPARE: Task(
        priority=100, file="prepared/data.npz", makes="the prepared data", unit="events", result="data",
        recomputed=False, cost_line=0, million_mb=195.0, start_s=0.7,
    ),
    BG_TRIALS: Task(
        priority=50, needs=("dec",), folder="bg", n_trials="background.n_trials",
        per_file="background.trials_per_file", collected_by=COLLECT_BG, makes="background trials", cost_line=1,
        per_s=55000.0, million_mb=115.0, on_device=True,
    ),
    TAIL_PILOT: Task(
        priority=55, needs=("dec",), makes="the tilts of a declination", unit="tilts", recomputed=False,
        million_mb=115.0, start_s=0.9, start_inside_s=0.2,
    ),
    TAIL_TRIALS: Task(
        priority=50, needs=("dec",), folder="tail", n_trials="background.n_tail_trials",
        per_file="background.tail_trials_per_file", collected_by=COLLECT_BG, makes="tilted background trials",
        cost_line=1, per_s=20000.0, million_mb=115.0,
    ),
    SIG_TRIALS: Task(
        priority=40, needs=("dec", "n_sig"), folder="sig", n_trials="signal.n_trials",
        per_file="signal.trials_per_file", collected_by=COLLECT_SIG, makes="signal trials", cost_line=2,
        per_s=26000.0, million_mb=115.0, on_device=True,
    ),
    SCAN_TRIALS: Task(
        priority=20, folder="scan", n_trials="scan.n_skies", per_file="scan.skies_per_file",
        collected_by=COLLECT_SCAN, makes="background skies", unit="skies", cost_line=8, per_s=60000.0,
        million_mb=130.0, scans_skies=True, on_device=True,
    ),
    PATCH_TRIALS: Task(
        priority=25, folder="patches", n_trials="scan.post_trial.n_patches",
        per_file="scan.post_trial.patches_per_file", collected_by=COLLECT_SCAN, makes="patches of tilted skies",
        unit="patches", cost_line=8, per_s=12000.0, memory_mb=500, million_mb=800.0,
    ),
    SCAN_MAP: Task(
        priority=30, folder="map", makes="maps of the scrambled sky that stands in for the real one",
        unit="pixels", cost_line=7, per_s=32000.0, million_mb=130.0, scans_skies=True, on_device=True,
    ),
    JUDGE: Task(
        priority=90, needs=("round",), keys=("round", "asked", "inputs", "added", "points"), recomputed=False,
        start_s=0.9, start_inside_s=0.2,
    ),
    COLLECT_BG: Task(priority=70, needs=("dec",), cost_line=3, start_s=0.35, start_inside_s=0.002),
    COLLECT_SIG: Task(priority=60, needs=("dec",), cost_line=4, start_s=0.35, start_inside_s=0.002),
    DISTRIBUTIONS: Task(
        priority=90, file="results/background.json", makes="the background distributions", result="background",
        keys=("background",), timed=True, cost_line=5, start_s=0.65, start_inside_s=0.045,
    ),
    SENSITIVITY: Task(
        priority=80, file="results/sensitivity.json", makes="sensitivity and discovery potential",
        result="sensitivity", keys=("sensitivity", "discovery"), timed=True, cost_line=6, million_mb=115.0,
        start_s=0.9, start_inside_s=0.2,
    ),
    COLLECT_SCAN: Task(
        priority=90, file="results/scan.json", makes="the maps and the hottest spots", unit="skies", result="scan",
        keys=("regions", "n_skies"), cost_line=9, memory_mb=350, start_s=0.6,
    ),
    POST_TRIAL: Task(
        priority=80, file="results/post_trial.json", makes="the post-trial p-value", result="post_trial",
        keys=("post_trial", "regions"), timed=True, cost_line=10, start_s=0.65, start_inside_s=0.045,
    ),
    UPPER_LIMITS: Task(
        priority=80, file="results/upper_limits.json", makes="the upper limits", result="upper_limits",
        keys=("limits",), timed=True, cost_line=11, million_mb=120.0, start_s=0.95, start_inside_s=0.28,
    ),
    REPORT: Task(
        priority=80, file="report/index.html", recomputed=False, memory_mb=500, start_s=1.4, start_inside_s=0.4
    ),
}  # fmt: skip
"""By name, in the order of the work."""


def multi_file_tasks() -> Iterator[str]:
    """Return the names of the tasks with several files per node."""
    return (name for name, row in ROWS.items() if row.has_many_files)
