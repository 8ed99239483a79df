"""RESULTS.md from what was measured: goals first, then tables, the limit of the machine, and where we lose."""

import os
import platform
from collections.abc import Iterator
from datetime import date
from statistics import median
from typing import NamedTuple

from benchmarks.cases import Rate
from benchmarks.growth import Cost
from benchmarks.peer import Duel
from benchmarks.processes import Memory, Several, Startup
from benchmarks.roofline import Limit
from worker.rundir.record import cpu_model, versions


class Measured(NamedTuple):
    """Everything that a run of the benchmarks finds."""

    label: str
    rates: list[Rate]
    duels: list[Duel]
    no_peer: str
    start: Startup
    events: list[Cost]
    total: list[Cost]
    decs: dict[float, Cost]
    memory: list[Memory]
    several: list[Several]
    limit: Limit


def lines(m: Measured) -> Iterator[str]:
    """The page."""
    used = versions()
    yield "# Speed\n"
    yield f"Made by `make bench` on {date.today()}: {cpu_model()}, {platform.system()} {platform.machine()}; "
    yield ", ".join(f"{name} {used[name]}" for name in ("python", "numba", "numpy")) + "."
    yield f"Data: {m.label}. CPU time of one core, medians.\n"
    yield "![Cost of a trial against events and declination, memory, efficiency](speed.png)\n"
    yield "## Goals\n"
    yield "| goal | measured | |"
    yield "|---|---|---|"
    for what, found, good in _goals(m):
        yield f"| {what} | {found} | {'reached' if good else '**missed**'} |"
    yield "\nThe csky tutorial's figures (63, 41 and 83 per second) are from its own page, another"
    yield "machine and a real selection"
    yield "of the same season: an order of magnitude, not a measured ratio. SkyLLH is measured in turns with us, below."
    yield f"Load of the machine when this was written: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.\n"
    yield from _rates(m.rates)
    yield from _peer(m)
    yield from _growth(m)
    yield from _limit(m)
    yield from _processes(m)
    yield "\n## Where we lose\n"
    yield "- A process of one trial costs as much as twenty thousand trials: importing numba and loading its cache."
    yield "  Files should hold thousands of trials."
    yield "- Without numba's cache the first process on a machine compiles everything (cold start,"
    yield "above); `prepare` does it"
    yield "  once where the cache is shared."
    yield "- Look-up in memory, not arithmetic, bounds a trial: at most three times faster can be had on such a core."


def _goals(m: Measured) -> Iterator[tuple[str, str, bool]]:
    by_name = {rate.name: rate for rate in m.rates}
    for name, factor in (("background trials, dec +5", 200), ("signal trials, dec +5, n_sig 10", 200)):
        rate = by_name[name]
        ratio = rate.middle / (rate.peer or 1)
        yield (
            f"{name}: {factor} x the tutorial's {rate.peer:g}/s",
            f"{rate.middle:,.0f}/s, {ratio:.0f} x",
            ratio >= factor,
        )
    for duel in m.duels[:1]:
        ratio = median(duel.ratios)
        yield "background trials: 300 x SkyLLH, in turns", f"{ratio:.0f} x", ratio >= 300
    sky = next(rate for rate in m.rates if "nside 128" in rate.name)
    seconds = sky.n / sky.middle
    yield (
        "sky at nside 128 in 12 s",
        f"{seconds:.1f} s, {sky.middle / (sky.peer or 1):.0f} x 83 pixels/s",
        seconds <= 12,
    )
    small = next(rate for rate in m.rates if "nside 16" in rate.name)
    yield "hottest spot of an nside-16 sky in 0.5 s", f"{small.n / small.middle:.2f} s", small.n / small.middle < 0.5
    yield "trial task, start to first trial, warm cache: 1.5 s", f"{m.start.warm:.2f} s", m.start.warm < 1.5
    yield "the same without a cache: 8 s", f"{m.start.cold:.1f} s", m.start.cold < 8
    yield "`worker --help`: 0.5 s", f"{m.start.help:.2f} s", m.start.help < 0.5
    one, most = m.memory[0], m.memory[-1]
    yield "peak memory, one season: 400 MB", f"{_peak(one):.0f} MB", _peak(one) < 400
    events = f"{most.n_events / 1e6:.1f} million events"
    yield f"peak memory, {most.n_seasons} seasons, {events}: 1 GB", f"{_peak(most):.0f} MB", _peak(most) < 1000
    low, high = _per_event(m.events)
    yield "cost against events near the source: linear", f"{low:.0f} to {high:.0f} ns per event", high < 1.5 * low
    flat = m.total[-1].seconds / m.total[0].seconds
    times = m.total[-1].n_events / m.total[0].n_events
    yield f"cost against N alone, N grows {times:.0f} times: none", f"{100 * (flat - 1):+.0f} %", abs(flat - 1) < 0.1
    if len(m.several) > 1:
        worst = min(efficiencies(m.several)[1:])
        yield f"{m.several[-1].n} processes at once: 90 % efficiency", f"{100 * worst:.0f} %", worst >= 0.9


def _peak(memory: Memory) -> float:
    return max(memory.bg_trials, memory.sig_trials, memory.scan_trials)


def _per_event(costs: list[Cost]) -> tuple[float, float]:
    """Least and most nanoseconds per event near the source, from half a season's density on."""
    each = [1e9 * cost.seconds / cost.near for cost in costs if cost.near > 200]
    return min(each), max(each)


def efficiencies(several: list[Several]) -> list[float]:
    """CPU seconds of one process over those of each of n at once: 1 where they do not hinder each other."""
    return [several[0].cpu_s * s.n / s.cpu_s for s in several]


def _rates(rates: list[Rate]) -> Iterator[str]:
    yield "## Rates\n"
    yield "| what | per CPU second | lowest to highest |"
    yield "|---|---|---|"
    for rate in rates:
        yield f"| {rate.name} | {rate.middle:,.0f} {rate.unit} | {rate.low:,.0f} to {rate.high:,.0f} |"
    yield ""


def _peer(m: Measured) -> Iterator[str]:
    yield "## SkyLLH\n"
    if m.no_peer:
        yield f"Not measured: {m.no_peer}\n"
        return
    yield f"{m.duels[0].versions}, in an environment of its own, one thread: its time-integrated analysis of the track"
    yield "releases as its authors set it up (`skyllh_peer.py`), on the same files of the same season at"
    yield "dec +5, in turns with"
    yield "us. It scrambles and fits its own likelihood (energy tables at steps of 0.1 in gamma, events"
    yield "within 10 degrees,"
    yield "L-BFGS-B), so the TS are not the same numbers; eta is the fraction above 0. Scrambling all"
    yield "events is part of its"
    yield "work, and of what ours avoids.\n"
    yield "| what | ours per CPU second | SkyLLH | ratio: median (lowest to highest pair) | eta ours, theirs |"
    yield "|---|---|---|---|---|"
    for duel in m.duels:
        ratios = duel.ratios
        yield (
            f"| {duel.what} | {median(duel.ours):,.0f} | {median(duel.theirs):.1f} | {median(ratios):.0f} x "
            f"({min(ratios):.0f} to {max(ratios):.0f}) | {duel.eta[0]:.2f}, {duel.eta[1]:.2f} |"
        )
    yield ""


def _growth(m: Measured) -> Iterator[str]:
    yield "## Growth\n"
    yield "Background trials at dec +5. First with more events everywhere, then with more events elsewhere only.\n"
    yield "| events in all | near the source | terms summed | microseconds | ns per event near |"
    yield "|---|---|---|---|---|"
    for cost in [*m.events, *m.total]:
        yield (
            f"| {cost.n_events:,} | {cost.near:.0f} | {cost.terms:,.0f} | {1e6 * cost.seconds:.1f} "
            f"| {1e9 * cost.seconds / cost.near:.0f} |"
        )
    yield ""


def _limit(m: Measured) -> Iterator[str]:
    here = next(cost for cost in m.total)
    least = m.limit.seconds(here.near, here.terms)
    yield "## The limit of this core\n"
    events, terms, took = m.limit.events / 1e6, m.limit.terms / 1e6, 1e6 * here.seconds
    yield f"Arithmetic alone, from the first-level cache: {events:.0f} million events drawn and {terms:,.0f} million"
    yield "likelihood terms summed per second (`roofline.py`). A background trial at dec +5 draws"
    yield f"{here.near:.0f} events and sums {here.terms:,.0f} terms: at least {1e6 * least:.1f} microseconds. It takes"
    yield f"{took:.1f}: {100 * 1e6 * least / took:.0f} % of the limit. The rest is look-up in memory:"
    yield "the place of each event among the"
    yield "cumulative hazards, and the energy term of each event at each gamma.\n"


def _processes(m: Measured) -> Iterator[str]:
    yield "## Processes\n"
    yield "| seasons | events | bg_trials | sig_trials | scan_trials (nside 4) |"
    yield "|---|---|---|---|---|"
    for memory in m.memory:
        yield (
            f"| {memory.n_seasons} | {memory.n_events:,} | {memory.bg_trials:.0f} MB | {memory.sig_trials:.0f} MB "
            f"| {memory.scan_trials:.0f} MB |"
        )
    yield "\n| processes at once | wall | CPU | efficiency in CPU time |"
    yield "|---|---|---|---|"
    for several, efficiency in zip(m.several, efficiencies(m.several), strict=True):
        yield f"| {several.n} | {several.wall_s:.1f} s | {several.cpu_s:.1f} s | {100 * efficiency:.0f} % |"
