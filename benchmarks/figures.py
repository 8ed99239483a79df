"""The four plots: cost against events and declination, memory against events, efficiency against processes."""

from pathlib import Path

from benchmarks.page import Measured, efficiencies


def draw(m: Measured, path: Path) -> None:
    """Write one picture with all four."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, ((events, decs), (memory, processes)) = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained")
    events.loglog([c.near for c in m.events], [1e6 * c.seconds for c in m.events], "o-", label="more everywhere")
    first = m.events[2]
    ends = [m.events[0].near, m.events[-1].near]
    events.loglog(ends, [1e6 * first.seconds * x / first.near for x in ends], "--", color="0.6", label="linear")
    least = [1e6 * m.limit.seconds(c.near, c.terms) for c in m.events]
    events.loglog([c.near for c in m.events], least, ":", color="0.3", label="arithmetic alone")
    events.set(xlabel="events near the source", ylabel="µs per background trial")
    events.legend(frameon=False)
    events.xaxis.set_minor_formatter(plt.NullFormatter())
    decs.plot(list(m.decs), [1e6 * c.seconds for c in m.decs.values()], "o-")
    decs.set(xlabel="declination [deg]", ylabel="µs per background trial", ylim=(0, None))
    for task in ("bg_trials", "sig_trials", "scan_trials"):
        memory.plot([x.n_events / 1e6 for x in m.memory], [getattr(x, task) for x in m.memory], "o-", label=task)
    memory.set(xlabel="events [million]", ylabel="peak memory [MB]", ylim=(0, None))
    memory.legend(frameon=False)
    processes.plot([s.n for s in m.several], [100 * e for e in efficiencies(m.several)], "o-", label="CPU time")
    wall = [100 * m.several[0].wall_s / s.wall_s for s in m.several]
    processes.plot([s.n for s in m.several], wall, "s--", color="0.6", label="wall time")
    processes.axhline(90, color="0.8", zorder=0)
    processes.set(xlabel="processes at once", ylabel="efficiency [%]", ylim=(0, 120))
    processes.set_xticks([s.n for s in m.several])
    processes.legend(frameon=False)
    figure.savefig(path, dpi=110)
