"""Do processes take the time that they were cut for, and stages what was predicted, on the IC86_I season?

    python -m benchmarks.sizing FOLDER

FOLDER holds the track release (events/, uptime/, irfs/). A pilot measures, its plan is cut for 12 s of CPU time in a
process, the run is made here, one process after the other, and compared. Prints the table of docs/planning.md; takes
about a quarter of an hour on an idle core.
"""

import sys
import tempfile
from pathlib import Path

from dagmaker.cli import main as dagmaker
from dagmaker.status import efficiency
from dagmaker.status.efficiency import KindUsage
from worker.spec import specfile
from worker.spec.pilot import KindCost

SPEC = """
version: 1
name: sizing
seed: 7
data: {{format: icetracks, dir: {folder}, seasons: [IC86_I], label: semi-real}}
background: {{tail: none, dec_deg: [-60, -20, 5, 30, 70], n_trials: 2000000}}
signal: {{n_sig: [4, 10, 20], n_trials: 800000}}
scan: {{nside: 64, map_nside: 128, n_skies: 60, dec_min_deg: -60, dec_max_deg: 70}}
resources: {{pilot: pilot.json, target_hours: {hours}}}
"""
TARGET_S = 12.0
CUT = ("bg_trials", "sig_trials", "scan_trials", "scan_map")


def line(kind: KindUsage, start_s: float) -> str:
    """A row of the table; starts of processes, which a run here does not repeat, are counted as on a pool."""
    low, middle, high = ((seconds + start_s) / TARGET_S for seconds in kind.spread_s)
    return (
        f"| {kind.task} | {kind.measured} | {low:.2f}, {middle:.2f}, {high:.2f} | {kind.cpu_s:.0f} s | "
        f"{100 * kind.predicted_s / kind.cpu_s:.0f} % | {kind.memory_mb:.0f} MB | {kind.asked_mb} MB |"
    )


def main() -> None:
    """Pilot, run, table."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.yaml"
        spec.write_text(SPEC.format(folder=Path(sys.argv[1]).absolute(), hours=TARGET_S / 3600))
        steps = (["pilot", str(spec), f"--output={folder}/pilot.json"], ["run", str(spec), f"--run={folder}/run"])
        for words in (steps[0], [*steps[1], "--jobs=1"]):
            if code := dagmaker(words):
                sys.exit(code)
        pilot = specfile.load(spec).resources.pilot
        kinds = efficiency.look(Path(folder) / "run").kinds
    print("\n| kind | processes | CPU time over target: 5 %, median, 95 % | CPU time | predicted | memory | asked |")
    print("|---|---|---|---|---|---|---|")
    for kind in kinds:
        cost: KindCost | None = getattr(pilot, kind.task, None)
        if kind.task in CUT and cost is not None:
            print(line(kind, cost.start_s))
    rest = [kind for kind in kinds if kind.task not in CUT]
    print(f"\nthe other stages: {sum(k.cpu_s for k in rest):.1f} s, predicted {sum(k.predicted_s for k in rest):.1f} s")
    for kind in rest:
        print(f"    {kind.task:<14} {kind.cpu_s:6.1f} s, predicted {kind.predicted_s:6.1f} s")


if __name__ == "__main__":
    main()
