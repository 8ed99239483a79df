"""`python -m benchmarks [RELEASE]`: write benchmarks/RESULTS.md for this machine.

RELEASE is a folder in the published track-release format with IC86_I; without it the made-up season is used.
"""

import platform
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from benchmarks import cases
from worker.record import cpu_model, versions

OUT = Path(__file__).parent / "RESULTS.md"


def lines(release: Path | None) -> Iterator[str]:
    """The page."""
    season = cases.dataset(release)
    used = versions()
    yield "# Speed on one core\n"
    yield f"Made by `make bench` on {date.today()}: {cpu_model()}, {platform.system()} {platform.machine()}; "
    yield ", ".join(f"{name} {used[name]}" for name in ("python", "numba", "numpy")) + "."
    yield f"Data: {season.label}, {season.seasons[0].events.dec.size} events. CPU time, medians of up to 5 rounds.\n"
    yield "| what | per CPU second | lowest to highest | ratio to the csky tutorial's published figure |"
    yield "|---|---|---|---|"
    for rate in cases.rates(cases.prepared(season)):
        ratio = f"{rate.middle / rate.peer:.0f} x ({rate.peer:g})" if rate.peer else ""
        yield f"| {rate.name} | {rate.middle:,.0f} {rate.unit} | {rate.low:,.0f} to {rate.high:,.0f} | {ratio} |"
    yield "\nThe tutorial's figures are from its own page, another machine and a real selection of the same season:"
    yield "an order of magnitude, not a measured ratio.\n"
    yield "| start-up of a process | CPU seconds |"
    yield "|---|---|"
    for name, seconds in cases.start_up().items():
        yield f"| {name} | {seconds:.2f} |"
    yield "\nWhere we lose: a process of one trial costs as much as ten thousand trials, nearly all of it in importing"
    yield "numba and loading its cache; so files should hold thousands of trials."


def main() -> None:
    """Measure, print and write."""
    release = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    text = "\n".join(lines(release)) + "\n"
    OUT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
