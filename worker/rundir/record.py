"""The record that every process writes beside its output: task, machine, versions and cost.

No result depends on a record.
"""

import math
import platform
import re
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from worker.rundir.revision import revision

PACKAGES = ("dagmaker", "astropy", "fire", "healpy", "llvmlite", "numba", "numpy", "pydantic", "pyyaml", "scipy")
"""Packages that compute, compile, read the spec or write the maps."""
_FIELDS = ("task", "args", "digest", "n", "sha256", "wall_s", "cpu_s", "max_rss_mb", "host", "cpu", "versions")
_LATER = ("code", "inputs", "outputs", "origin")  # records of the first version do not have these


@dataclass(frozen=True)
class Record:
    """Content of a sidecar file.

    Attributes
    ----------
    args : dict
        Address of the output: dec (deg), n_sig, seed, first, ...
    digest : str
        Trial digest: of everything besides the address that decides the content.
    n : int
        Trials (or skies, events, pixels) in the output.
    sha256 : str
        Of the output file; set by `worker.rundir.store`.
    max_rss_mb : float, MB (1e6 bytes)
        Peak resident memory during this task.
    code : dict
        See `worker.rundir.revision`.
    inputs, outputs : dict
        Sha256 by path of inputs that `digest` does not cover (see `worker.rundir.input_digests`), and of outputs
        without records of their own.
    origin : dict
        ``run`` and ``file`` from which the output was taken over (`worker.tasks.take_over`); empty if it was made here.
    """

    task: str
    args: Mapping[str, Any]
    digest: str
    n: int
    sha256: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    max_rss_mb: float = 0.0
    host: str = ""
    cpu: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain data in a fixed order, without empty inputs, outputs and origin."""
        data = asdict(self)
        return {key: value for key, value in data.items() if value or key not in ("inputs", "outputs", "origin")}

    def with_sha256(self, sha256: str) -> "Record":
        """Return the record with this sha256."""
        return replace(self, sha256=sha256)


def from_json(data: Any) -> Record:
    """Return the record in `data`; ValueError if keys are missing, unknown or of the wrong type."""
    if not isinstance(data, dict) or set(data) - set(_LATER) != set(_FIELDS):
        raise ValueError("it is not a record: its keys are not those of one")
    wrong = [key for key, value in data.items() if not _is_right(key, value)]
    if wrong:
        raise ValueError(f"it is not a record: {', '.join(wrong)} is of the wrong kind")
    return Record(**data)


def is_cost(value: Any) -> bool:
    """Whether a value is a number of seconds, megabytes, files or trials."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_right(key: str, value: Any) -> bool:
    """Whether a value has the type of this key of a record."""
    if key == "args":
        return isinstance(value, dict)
    if key == "n":
        return isinstance(value, int) and not isinstance(value, bool)
    if key in ("wall_s", "cpu_s", "max_rss_mb"):
        return is_cost(value)
    if key in ("versions", *_LATER):
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return isinstance(value, str)


IS_VERSION = re.compile(r"not installed|\d[0-9A-Za-z.+!]{0,40}")
"""A value of `versions`."""


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and `PACKAGES`, without importing them."""
    by_package = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            by_package[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            by_package[package] = "not installed"
    return by_package


@cache
def cpu_model() -> str:
    """Return the name of the processor, for comparing speeds."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _reset_peak() -> None:
    """Reset the kernel's peak memory, if permitted: a persistent worker runs many tasks."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mb() -> float:
    """Return the peak resident memory in MB since the last reset.

    VmHWM, if the kernel has it: the value of getrusage is at least the size of the parent process.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


@dataclass(frozen=True)
class Meter:
    """A running measurement; `record` may be taken any number of times, each with the cost so far."""

    task: str
    args: Mapping[str, Any]
    digest: str
    wall_start: float
    cpu_start: float

    def record(self, n: int) -> Record:
        """The record of an output with `n` trials (skies, pixels ...) written now."""
        return Record(
            task=self.task,
            args=dict(self.args),
            digest=self.digest,
            n=int(n),
            wall_s=round(time.perf_counter() - self.wall_start, 4),
            cpu_s=round(time.process_time() - self.cpu_start, 4),
            max_rss_mb=round(_peak_mb(), 1),
            host=platform.node(),
            cpu=cpu_model(),
            versions=versions(),
            code=revision(),
        )


@contextmanager
def measure(task: str, args: Mapping[str, Any], digest: str = "") -> Iterator[Meter]:
    """Measure a task from here to the moment its record is taken.

    Examples
    --------
    >>> with measure("bg_trials", {"dec": 5.0, "n": 10, "seed": 0, "first": 0}, "ab12") as meter:
    ...     record = meter.record(n=10)
    >>> record.task, record.n
    ('bg_trials', 10)
    """
    _reset_peak()
    yield Meter(task, args, digest, time.perf_counter(), time.process_time())
