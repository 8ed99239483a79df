"""`python -m benchmarks [RELEASE]`: write benchmarks/RESULTS.md and speed.png for this machine, in about five minutes.

RELEASE is a folder in the published track-release format with IC86_I; without it the made-up season is used and there
is no comparison with SkyLLH, which reads such folders.
"""

import subprocess
import sys
from pathlib import Path

from benchmarks import cases, figures, growth, page, peer, processes, roofline
from worker.engines.builtin.analysis import Analysis

HERE = Path(__file__).parent


def _duels(analysis: Analysis, release: Path | None) -> tuple[list[peer.Duel], str]:
    if release is None:
        return [], "no release given (`python -m benchmarks RELEASE`)"
    try:
        return peer.duels(analysis, release), ""
    except (OSError, subprocess.CalledProcessError) as error:
        return [], f"SkyLLH cannot be had here ({error})"


def main() -> None:
    """Measure, print and write."""
    release = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    season = cases.dataset(release)
    analysis = cases.prepared(season)
    rates = cases.rates(analysis)
    duels, no_peer = _duels(analysis, release)
    made_up = cases.dataset(None)
    found = page.Measured(
        f"{season.label}, {season.seasons[0].events.dec.size} events of one season; processes: made-up seasons",
        rates,
        duels,
        no_peer,
        processes.start_up(made_up),
        growth.by_events(analysis),
        growth.by_total(analysis),
        growth.by_dec(analysis),
        processes.memory(),
        processes.at_once(made_up),
        roofline.measure(),
    )
    text = "\n".join(page.lines(found)) + "\n"
    (HERE / "RESULTS.md").write_text(text)
    figures.draw(found, HERE / "speed.png")
    print(text)


if __name__ == "__main__":
    main()
