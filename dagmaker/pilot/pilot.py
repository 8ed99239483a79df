"""`dagmaker pilot`: run a few processes of every kind and measure their costs."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from resource import struct_rusage

from dagmaker import interpreter
from dagmaker.htcondor import build
from dagmaker.pilot import probes, sensitivity_estimate
from dagmaker.pilot.probes import Measurement, Pair, Probe
from worker.base.errors import DagmakerError, InputError
from worker.base.task_rows import BG_TRIALS, PREPARE, SCAN_TRIALS, multi_file_tasks
from worker.rundir import layout
from worker.spec.pilot import KindCost, Pilot, Reach
from worker.spec.sections import Spec

Say = Callable[[str], None]


def unsized(spec: Spec) -> Spec:
    """The spec without the values that the pilot determines."""
    resources = spec.resources.model_copy(update={"pilot": None, "target_hours": None, "time_limit_hours": None})
    return spec.model_copy(update={"resources": resources})


def pilot(spec: Spec, run: Path, limit_s: float, say: Say) -> Pilot:
    """Measure on this machine, one process after the other.

    Parameters
    ----------
    run : Path
        Folder for the pilot's own run directory.
    limit_s : float, s
        Time limit of a probe.

    Raises
    ------
    InputError
        The data cannot be prepared, or no probe ended in time.
    """
    spec = unsized(spec)
    run = build.make_directory(run)
    build.build(spec, run)
    _prepare(run)
    pairs: list[Pair] = []
    for short, long in probes.pairs(spec):
        pairs.append((_measure(run, short, limit_s), _measure(run, long, limit_s)))
        say(probe_line(pairs[-1]))
    estimates: list[Reach] = []
    for probe in sensitivity_estimate.probes(spec):
        if _measure(run, probe, limit_s).cpu_s is None:
            raise InputError(f"worker {' '.join(probe.argv)}: not done after {limit_s:g} s: raise --limit_s")
        points = sensitivity_estimate.read(run, spec, probe)
        for point in points:
            say(sensitivity_estimate.estimate_line(point))
        estimates += points
    return assemble(pairs, _cpu(), run, estimates)


def assemble(pairs: Iterable[Pair], cpu: str, run: Path, estimates: Sequence[Reach]) -> Pilot:
    """Costs of all kinds from all pairs of probes, measured on a processor of this name.

    Raises
    ------
    InputError
        No probe ended in time.
    """
    measurements: dict[str, list[Pair]] = {kind: [] for kind in multi_file_tasks()}
    for pair in pairs:
        measurements[pair[0].probe.task].append(pair)
    costs: dict[str, KindCost] = {kind: cost for kind, rows in measurements.items() if (cost := probes.kind_cost(rows))}
    if not costs:
        raise InputError("no probe ended in time: raise --limit_s, or try on a faster machine")
    if SCAN_TRIALS in costs and BG_TRIALS in costs:
        part = measurements[SCAN_TRIALS][0][0].probe.pixels
        costs[SCAN_TRIALS] = probes.with_band_set_up(costs[SCAN_TRIALS], costs[BG_TRIALS].start_s, part)
    size = sum((run / name).stat().st_size for name in _prepared(run)) / 1e6
    return Pilot(pilot_version=1, cpu=cpu, prepared_mb=round(size, 3), reach=tuple(estimates) or None, **costs)


def _prepared(run: Path) -> list[PurePosixPath]:
    """Files of the prepared data that travel with a job; a plug-in has no tables."""
    files = [rel for rel in (layout.DATA, layout.TABLES) if (run / rel).exists()]
    return [*files, *map(layout.record_name, files)]


def text(measured: Pilot) -> str:
    """Text of pilot.json."""
    return json.dumps(measured.model_dump(mode="json", exclude_none=True), indent=1) + "\n"


def lines(measured: Pilot, spec: Spec) -> Iterator[str]:
    """Table of the costs, one line for each kind of task that the spec has."""
    probed = {short.task for short, _ in probes.pairs(unsized(spec))}
    yield f"{'kind':<14}{'set-up':>18}{'per trial or pixel':>34}{'memory':>10}"
    for kind in multi_file_tasks():
        cost: KindCost | None = getattr(measured, kind)
        if cost is None and kind not in probed:
            continue
        if cost is None:
            yield f"{kind:<14}no probe ended in time; the built-in model is used"
            continue
        low, high = (limit(cost.rates, key=lambda rate: rate.unit_s) for limit in (min, max))
        per = f"{_si(low.unit_s)} to {_si(high.unit_s)} (± {100 * high.unit_s_error / high.unit_s:.1f} %)"
        yield (
            f"{kind:<14}{f'{cost.start_s:.2f} ± {cost.start_s_error:.2f} s':>18}{per:>34}{cost.memory_mb:>7.0f} MB"
            + (f"  {cost.warning}" if cost.warning else "")
        )


def _si(seconds: float) -> str:
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def probe_line(pair: Pair) -> str:
    """CPU times of the two probes of a point."""
    cpu = ", ".join("stopped" if measurement.cpu_s is None else f"{measurement.cpu_s:.2f} s" for measurement in pair)
    return f"{' '.join(pair[1].probe.argv[:-1])}: {cpu}"


def _prepare(run: Path) -> None:
    """Prepare the data; this also compiles the functions that the probes use."""
    try:
        interpreter.answer(PREPARE, f"--run={run}")
    except DagmakerError as error:
        raise InputError(f"{run}: the data cannot be prepared: {error}") from None


def _measure(run: Path, probe: Probe, limit_s: float) -> Measurement:
    """CPU time and peak memory of one process, from its start to its end.

    Raises
    ------
    InputError
        The process failed.
    """
    remove_probe_outputs(run)
    command = [interpreter.python(), "-m", "worker", *probe.argv, f"--run={run}"]
    with (run / "probe.err").open("w+b") as stderr:
        child = subprocess.Popen(
            command, env=interpreter.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True,
        )  # fmt: skip
        try:
            status, usage, memory = _wait(child.pid, limit_s)
        except BaseException:
            child.kill()
            raise
        child.returncode = os.waitstatus_to_exitcode(status) if status is not None else -9
        if status is None:
            return Measurement(probe, None, memory)
        if child.returncode:
            stderr.seek(0)
            message = stderr.read().decode(errors="replace").strip()
            raise InputError(f"worker {' '.join(probe.argv)}: exit code {child.returncode}: {message}")
    return Measurement(probe, usage.ru_utime + usage.ru_stime, round(memory, 1))


def _wait(pid: int, limit_s: float) -> tuple[int | None, struct_rusage, float]:
    """Exit status (None: killed at the limit), resource usage, and peak memory in MB."""
    until = time.monotonic() + limit_s
    memory = 0.0
    while time.monotonic() < until:
        memory = _peak_mb(pid) or memory
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return status, usage, memory
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.kill(pid, 9)
    _, _, usage = os.wait4(pid, 0)
    return None, usage, memory


def _peak_mb(pid: int) -> float:
    """Peak memory of a running process, MB; the usage at its end includes that of the parent before exec."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def remove_probe_outputs(run: Path) -> None:
    """Remove outputs of earlier probes: a worker that finds its output does nothing."""
    for pattern in (f"trials/*/*/**/*_seed_{probes.SEED:04d}*", "trials/*/map/**/map__*", "partial/**/*.npy"):
        for path in run.glob(pattern):
            path.unlink(missing_ok=True)


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return "unknown processor"
