"""`dagmaker pilot`: a few processes of every kind are run and measured, and what they cost is written for the plan."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from resource import struct_rusage

from dagmaker import interpreter
from dagmaker.htcondor import build
from dagmaker.pilot import probes, sensitivity_estimate
from dagmaker.pilot.probes import Probe, Took
from worker.base.errors import InputError
from worker.base.task_rows import BG_TRIALS, PREPARE, SCAN_TRIALS, many
from worker.rundir import layout
from worker.spec.pilot import KindCost, Pilot, Reach
from worker.spec.sections import Spec

Say = Callable[[str], None]


def unsized(spec: Spec) -> Spec:
    """The spec without what a pilot is to find out."""
    resources = spec.resources.model_copy(update={"pilot": None, "target_hours": None, "time_limit_hours": None})
    return spec.model_copy(update={"resources": resources})


def pilot(spec: Spec, run: Path, limit_s: float, say: Say) -> Pilot:
    """Measure here, one process after the other.

    Parameters
    ----------
    run : Path
        Folder for the pilot's own run directory.
    limit_s : float, s
        A probe that takes longer is stopped, and told of.

    Raises
    ------
    InputError
        The data cannot be prepared, or no probe of any kind ended.
    """
    spec = unsized(spec)
    run = build.make_directory(run)
    build.build(spec, run)
    _prepare(run)
    took: dict[str, list[tuple[Took, Took]]] = {kind: [] for kind in many()}
    for short, long in probes.pairs(spec):
        took[short.task].append((_measure(run, short, limit_s), _measure(run, long, limit_s)))
        say(told(took[short.task][-1]))
    there: list[Reach] = []
    for probe in sensitivity_estimate.probes(spec):
        if _measure(run, probe, limit_s).cpu_s is None:
            raise InputError(f"worker {' '.join(probe.argv)}: not done after {limit_s:g} s: raise --limit_s")
        found = sensitivity_estimate.read(run, spec, probe)
        for point in found:
            say(sensitivity_estimate.told(point))
        there += found
    return assemble(took, _cpu(), run, there)


def assemble(took: dict[str, list[tuple[Took, Took]]], cpu: str, run: Path, there: Sequence[Reach]) -> Pilot:
    """All kinds from all probes, on a processor of this name.

    Raises
    ------
    InputError
        No probe of any kind ended.
    """
    found: dict[str, KindCost] = {kind: cost for kind, rows in took.items() if (cost := probes.cost_of(rows))}
    if not found:
        raise InputError("no probe ended in time: raise --limit_s, or try on a faster machine")
    if SCAN_TRIALS in found and BG_TRIALS in found:
        part = took[SCAN_TRIALS][0][0].probe.pixels
        found[SCAN_TRIALS] = probes.with_band_set_up(found[SCAN_TRIALS], found[BG_TRIALS].start_s, part)
    size = sum((run / name).stat().st_size for name in (layout.DATA, layout.record_name(layout.DATA))) / 1e6
    return Pilot(pilot_version=1, cpu=cpu, prepared_mb=round(size, 3), reach=tuple(there) or None, **found)


def text(found: Pilot) -> str:
    """pilot.json."""
    return json.dumps(found.model_dump(mode="json", exclude_none=True), indent=1) + "\n"


def lines(found: Pilot) -> Iterator[str]:
    """What was found, one line for each kind."""
    yield f"{'kind':<14}{'set-up':>18}{'per trial or pixel':>34}{'memory':>10}"
    for kind in many():
        cost: KindCost | None = getattr(found, kind)
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


def told(row: tuple[Took, Took]) -> str:
    """A point's two probes on one line."""
    cpu = ", ".join("stopped" if one.cpu_s is None else f"{one.cpu_s:.2f} s" for one in row)
    return f"{' '.join(row[1].probe.argv[:-1])}: {cpu}"


def _command(run: Path, argv: tuple[str, ...]) -> list[str]:
    return [interpreter.python(), "-m", "worker", *argv, f"--run={run}"]


def _prepare(run: Path) -> None:
    """Prepare the data, which compiles what the probes need, too."""
    done = subprocess.run(
        _command(run, (PREPARE,)), env=interpreter.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"{run}: the data cannot be prepared (exit code {done.returncode}): {done.stderr.strip()}")


def _measure(run: Path, probe: Probe, limit_s: float) -> Took:
    """CPU time and peak memory of one process, from its start to its end.

    Raises
    ------
    InputError
        It failed.
    """
    forget(run)
    with (run / "probe.err").open("w+b") as said:
        child = subprocess.Popen(
            _command(run, probe.argv), env=interpreter.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            status, usage, memory = _wait(child.pid, limit_s)
        except BaseException:
            child.kill()
            raise
        child.returncode = os.waitstatus_to_exitcode(status) if status is not None else -9
        if status is None:
            return Took(probe, None, memory)
        if child.returncode:
            said.seek(0)
            last = said.read().decode(errors="replace").strip()
            raise InputError(f"worker {' '.join(probe.argv)}: exit code {child.returncode}: {last}")
    return Took(probe, usage.ru_utime + usage.ru_stime, round(memory, 1))


def _wait(pid: int, limit_s: float) -> tuple[int | None, struct_rusage, float]:
    """Exit status (None: killed at the limit), what was used, and the peak memory in MB."""
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
    """The kernel's mark of a process that runs: the usage told at its end is at least the size of who started it."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def forget(run: Path) -> None:
    """Remove what a probe of an earlier pilot left: a worker that finds its output does nothing."""
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
