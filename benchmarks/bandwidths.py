"""Which widths of the kernels describe the background best, and data against density.

    python -m benchmarks.bandwidths FOLDER SEASON... [--figure FILE]

FOLDER holds a track release. Prints the tables of docs/engine.md: cross-validated log-likelihood (five parts, each
against the densities of the other four) for a grid of widths, the same by declination against fixed widths in sin(dec),
and counts of events in bands and tails against the densities. Takes some minutes.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.data.clean import clean_events
from worker.data.icetracks import _EVENTS, _event_file, _read_events
from worker.engines.builtin.background import (
    BANDWIDTHS,
    LOG_E_STEP,
    RAD,
    Background,
    Bandwidths,
    EnergyGrid,
    estimate,
)  # fmt: skip
from worker.engines.builtin.pulls import EDGES, TAILS, at_dec, band_counts

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Estimate = Callable[[F64, I64, int], Background]

PARTS = 5
N_BANDS = 20
CHOICES: dict[str, tuple[float, ...]] = {
    "p_width": tuple(x * RAD for x in (0.8, 1.2, 1.6)),
    "p_events": (10, 30, 100),
    "b_width": tuple(x * RAD for x in (0.7, 1.0, 1.4)),
    "b_events": (200, 500, 1000),
    "most_width": tuple(x * RAD for x in (7.0, 10.0, 14.0)),
    "energy_events": (50, 100, 200),
    "energy_width": (0.05, 0.1, 0.15),
    "tail_events": (10, 30, 100),
}


class Season(NamedTuple):
    """Declinations (rad), energy bins and number of bins."""

    name: str
    dec: F64
    bins: I64
    n_bins: int


class Score(NamedTuple):
    """Log-likelihood of each event: of its declination, and of its energy there; expected events in each band."""

    p: F64
    b: F64
    expected: F64


def read(folder: Path, name: str) -> Season:
    table = _read_events(_event_file(folder, name))
    _, log_e, sigma_deg, _, dec_deg = (table.column(column) for column in _EVENTS)
    events, _ = clean_events(dec_deg, sigma_deg, log_e, sigma_max_deg=5.0)
    grid = EnergyGrid.covering(float(events.log_e.min()), float(events.log_e.max()))
    bins = np.clip(((events.log_e.astype(float) - grid.lo) / LOG_E_STEP).astype(np.int64), 0, grid.n - 1)
    return Season(name, events.dec.astype(float), bins, grid.n)


def held_out(season: Season, how: Estimate) -> Score:
    """Log-likelihood of every event under the densities of the other parts."""
    part = np.random.default_rng(1).integers(PARTS, size=season.dec.size)
    p, b, expected = np.empty(season.dec.size), np.empty(season.dec.size), np.zeros(N_BANDS)
    for k in range(PARTS):
        found = how(season.dec[part != k], season.bins[part != k], season.n_bins)
        here = part == k
        p[here] = at_dec(found.density, season.dec[here])
        expected += band_counts(season.dec[here], season.bins[here], found).expected
        rows = at_dec(found.energy, season.dec[here])
        b[here] = rows[np.arange(len(rows)), season.bins[here]]
    return Score(np.log(p), np.log(b), expected)


# The densities of version 1, with fixed widths in sin(dec)

FORMER_NODES = np.linspace(-1, 1, 201)


def now(dec: F64, bins: I64, n_bins: int, bandwidths: Bandwidths = BANDWIDTHS) -> Background:
    """The present densities."""
    return estimate(dec, bins[:, None], n_bins, bandwidths)


def former(dec: F64, bins: I64, n_bins: int) -> Background:
    """Fixed widths 0.02 and 0.04 in sin(dec) and 0.1 in log_e; at the nodes of the present densities."""
    counts = np.zeros((200, n_bins))
    np.add.at(counts, (np.minimum(((np.sin(dec) + 1) / 0.01).astype(int), 199), bins), 1)
    p = _former_kernel(0.02) @ counts.sum(axis=1)
    rows = _former_kernel(0.04) @ counts
    i = np.arange(n_bins)
    weight = np.where(np.abs(i[:, None] - i) <= 10, np.exp(-0.5 * ((i[:, None] - i) * LOG_E_STEP / 0.1) ** 2), 0)
    rows = rows @ (weight / weight.sum(axis=0)).T
    b = np.array([_former_row(row) for row in rows])
    at = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 361))
    x = np.clip((at + 1) / 0.01, 0, 200)
    k = np.minimum(x.astype(int), 199)
    t = x - k
    density = np.maximum(p, 1.0) / (0.01 * (p.sum() - 0.5 * (p[0] + p[-1])))
    energy = np.maximum(b[k] * (1 - t[:, None]) + b[k + 1] * t[:, None], 1e-12)
    return Background(density[k] * (1 - t) + density[k + 1] * t, energy)


def _former_kernel(width: float) -> F64:
    centres, total = -1 + 0.01 * (np.arange(200) + 0.5), np.zeros((201, 200))
    for image in (centres, -2 - centres, 2 - centres):
        d = np.abs(image[None, :] - FORMER_NODES[:, None])
        total += np.where(d < 5 * width, np.exp(-0.5 * (d / width) ** 2), 0)
    return total


def _former_row(row: F64) -> F64:
    few = min(100.0, 0.1 * row.sum())
    out = _tail(_tail(row, few)[::-1], few)[::-1]
    return np.asarray(out / out.sum())


def _tail(row: F64, few: float) -> F64:
    above = np.cumsum(row[::-1])[::-1]
    first = max(int(np.flatnonzero(above >= few).max(initial=1)), 1)
    content = np.cumsum(row[first:])
    middle = int(np.flatnonzero(content >= 0.5 * content[-1])[0])
    before = content[middle] - row[first + middle]
    median = (middle + (0.5 * content[-1] - before) / row[first + middle]) * LOG_E_STEP
    slope = np.clip(np.log(2) / median, 1.0, 30.0)
    q = np.exp(-slope * LOG_E_STEP * np.arange(len(row) - first + 1))
    return np.concatenate([row[:first], content[-1] * (q[:-1] - q[1:]) / (1 - q[-1])])


# Data against density


def chi2(found: F64, expected: F64) -> float:
    return float(((found - expected) ** 2 / expected).sum())


# Tables


def choices(seasons: list[Season]) -> Iterator[str]:
    """Sum of the log-likelihood of all seasons for one width at a time, relative to the chosen one."""

    def total(widths: Bandwidths) -> tuple[float, ...]:
        scores = [held_out(season, partial(now, bandwidths=widths)) for season in seasons]
        return tuple(float(score.p.sum() + score.b.sum()) for score in scores)

    best = total(BANDWIDTHS)
    yield f"| width | value | {' | '.join(season.name for season in seasons)} | all |"
    yield f"|---|---|{'---|' * len(seasons)}---|"
    for name, values in CHOICES.items():
        for value in values:
            shown = value / RAD if name in ("p_width", "b_width", "most_width") else value
            mark = " (chosen)" if value == getattr(BANDWIDTHS, name) else ""
            each = total(BANDWIDTHS._replace(**{name: value})) if not mark else best
            gain = [a - b for a, b in zip(each, best, strict=True)]
            yield f"| {name} | {shown:g}{mark} | {' | '.join(f'{g:+.1f}' for g in gain)} | {sum(gain):+.1f} |"


def by_band(seasons: list[Season]) -> Iterator[str]:
    """Log-likelihood of held-out events in every band, present less former, with its error.

    Of p it is that of Poisson counts: without the expected number, any density with more of the events would win.
    """
    yield "| season | what | all | worst band | its sin(dec) | bands worse by more than twice the error |"
    yield "|---|---|---|---|---|---|"
    for season in seasons:
        present, then = held_out(season, now), held_out(season, former)
        band = np.clip(((np.sin(season.dec) + 1) * 10).astype(int), 0, N_BANDS - 1)
        for what, a, b, more in (
            ("p", present.p, then.p, present.expected - then.expected),
            ("b", present.b, then.b, 0.0),
        ):
            gain = np.bincount(band, a - b, N_BANDS) - more
            error = np.sqrt(np.bincount(band, (a - b) ** 2, N_BANDS))
            k = int(np.argmin(gain))
            n = int(np.sum(gain < -2 * error))
            place = f"{EDGES[k]:.1f} to {EDGES[k + 1]:.1f}"
            yield f"| {season.name} | {what} | {gain.sum():+.1f} | {gain[k]:+.1f} ± {error[k]:.1f} | {place} | {n} |"


def against_data(seasons: list[Season]) -> Iterator[str]:
    """Chi2 of 20 bands, and of the events in the tails of b in the bands that expect 5 or more."""
    yield f"| season | densities | chi2 of p / 20 | {' | '.join(f'upper {q:g}: chi2 / bands, ratio' for q in TAILS)} |"
    yield f"|---|---|---|{'---|' * len(TAILS)}"
    for season in seasons:
        for label, how in (("former", former), ("now", now)):
            c = band_counts(season.dec, season.bins, how(season.dec, season.bins, season.n_bins))
            tails = []
            for above, expected in zip(c.above, c.tails[:, None] * c.events, strict=True):
                use = expected >= 5
                n = int(use.sum())
                text = f"{chi2(above[use], expected[use]):.1f} / {n}" if n else "-"
                tails.append(f"{text}, {above.sum() / expected.sum():.3f}")
            yield f"| {season.name} | {label} | {chi2(c.events, c.expected):.1f} | {' | '.join(tails)} |"


def draw(seasons: list[Season], path: Path) -> None:
    """Pulls of data against density in 20 bands: of p, and of the upper 10 % and 1 % of b."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, len(seasons), figsize=(3.4 * len(seasons) + 1, 7), layout="constrained", sharex=True)
    axes = axes.reshape(3, -1)
    for column, season in zip(axes.T, seasons, strict=True):
        for how, color, label in ((former, "0.6", "fixed widths in sin(dec)"), (now, "C0", "now")):
            c = band_counts(season.dec, season.bins, how(season.dec, season.bins, season.n_bins))
            rows = [(c.events, c.expected), (c.above[0], c.tails[0] * c.events), (c.above[1], c.tails[1] * c.events)]
            for axis, (found, expected) in zip(column, rows, strict=True):
                axis.stairs((found - expected) / np.sqrt(expected), EDGES, color=color, label=label, baseline=None)
        column[0].set_title(season.name)
        column[2].set_xlabel("sin(dec)")
    for axis, text in zip(
        axes[:, 0], ("pull of events", "in the upper 10 % of b", "in the upper 1 % of b"), strict=True
    ):
        axis.set_ylabel(text)
    for axis in axes.flat:
        axis.axhline(0, color="0.3", linewidth=0.8)
        axis.axhspan(-2, 2, color="0.93", zorder=0)
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the tables; write the figure."""
    words = sys.argv[1:]
    figure = Path(words.pop(words.index("--figure") + 1)) if "--figure" in words else None
    words = [word for word in words if word != "--figure"]
    seasons = [read(Path(words[0]), name) for name in words[1:]]
    for part in (against_data, by_band, choices):
        print("\n".join(part(seasons)), end="\n\n", flush=True)
    if figure is not None:
        draw(seasons, figure)


if __name__ == "__main__":
    main()
