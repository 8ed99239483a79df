"""`python -m benchmarks.side_by_side RUN RUN [PNG]`: two finished runs of one point beside each other, two engines.

Prints a table in Markdown: TS distribution of the background, sensitivity, CPU time per trial; draws the survival
functions of TS without and with signal. docs/plugins.md shows it for the built-in engine and SkyLLH.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


class Side(NamedTuple):
    """What is shown of a run: TS (n,) of background trials and by n_sig, CPU seconds of trials and their number."""

    name: str
    background: NDArray[np.float64]
    signal: dict[float, NDArray[np.float64]]
    cost: tuple[float, int]
    sensitivity: dict[str, float]


def read(run: Path) -> Side:
    """Read a run that has one point and one spectrum."""
    name = json.loads((run / "plan.json").read_text())["name"]
    records = [json.loads(file.read_text()) for file in run.glob(f"trials/{name}/bg/**/*.json")]
    background = [np.load(file)["ts"] for file in sorted(run.glob(f"trials/{name}/bg/**/*.npy"))]
    signal: dict[float, list[NDArray[np.float64]]] = {}
    for file in sorted(run.glob(f"trials/{name}/sig/**/*.npy")):
        signal.setdefault(float(file.parent.name), []).append(np.load(file)["ts"])
    [row] = json.loads((run / "results/sensitivity.json").read_text())["sensitivity"]
    return Side(
        name, np.concatenate(background), {n_sig: np.concatenate(parts) for n_sig, parts in signal.items()},
        (sum(record["cpu_s"] for record in records), sum(record["n"] for record in records)), row,
    )  # fmt: skip


def lines(sides: list[Side]) -> list[str]:
    """The table; errors of fractions are binomial."""
    rows: dict[str, list[str]] = {"background trials": [f"{len(side.background):,}" for side in sides]}
    eta = [float(np.mean(side.background > 0)) for side in sides]
    error = [(x * (1 - x) / len(side.background)) ** 0.5 for x, side in zip(eta, sides, strict=True)]
    rows["fraction with TS > 0"] = [f"{x:.3f} ± {dx:.3f}" for x, dx in zip(eta, error, strict=True)]
    for q in (0.5, 0.9, 0.99):
        rows[f"TS, quantile {q:g}"] = [f"{np.quantile(side.background, q):.2f}" for side in sides]
    for n_sig in sorted(set.intersection(*(set(side.signal) for side in sides))):
        over = [float(np.mean(s.signal[n_sig] > np.median(s.background))) for s in sides]
        of = [len(s.signal[n_sig]) for s in sides]
        text = [f"{x:.3f} ± {(x * (1 - x) / n) ** 0.5:.3f}" for x, n in zip(over, of, strict=True)]
        rows[f"passing, n_sig {n_sig:g}"] = text
    told = [side.sensitivity for side in sides]
    rows["sensitivity, events"] = [f"{row['n_sig']:.2f} ± {row['n_sig_error']:.2f}" for row in told]
    rows["its flux"] = [f"{row['flux']:.2e}" for row in told]
    rows["CPU time of a background trial, with set-up of the data"] = [
        f"{1e3 * s.cost[0] / s.cost[1]:.3g} ms" for s in sides
    ]
    head = ["| | " + " | ".join(side.name for side in sides) + " |", "|---|" + "---|" * len(sides)]
    return head + [f"| {key} | " + " | ".join(values) + " |" for key, values in rows.items()]


def draw(sides: list[Side], png: Path) -> None:
    """Survival functions of TS: background, and the middle n_sig."""
    figure = Figure((9, 5), layout="constrained")
    axis = figure.subplots()
    for side, color in zip(sides, ("tab:blue", "tab:orange"), strict=False):
        n_sig = sorted(side.signal)[len(side.signal) // 2]
        for ts, style, what in ((side.background, "-", "background"), (side.signal[n_sig], "--", f"n_sig {n_sig:g}")):
            x = np.sort(ts)
            axis.step(x, 1 - np.arange(len(x)) / len(x), style, color=color, label=f"{side.name}, {what}")
    axis.set(yscale="log", xlabel="TS", ylabel="fraction of trials above", xlim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(png, dpi=90)


def main(argv: list[str]) -> None:
    sides = [read(Path(run)) for run in argv[:2]]
    print("\n".join(lines(sides)))
    if argv[2:]:
        draw(sides, Path(argv[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
