"""The engines of two runs beside each other: versions, CPU time per trial, TS distributions with and without signal.

It reads collected trials and records: no plug-in is loaded, and no sky.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dagmaker.review import curves
from dagmaker.review.curves import Curve
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.spec.engine import PluginEngine
from worker.spec.point import Point

MOST_POINTS = 6
"""Points with a table and a drawing; of more, so many evenly spaced ones."""
QUANTILES = (0.5, 0.9, 0.99)
Row = tuple[str, str, str]
_SHA256 = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


class Shown(NamedTuple):
    """A point of both runs: the rows of its table, and a drawing of survival functions as SVG."""

    at: str
    rows: list[Row]
    drawing: str


class SideBySide(NamedTuple):
    """Rows on the engines, the points that are shown, and how many both runs have."""

    engines: list[Row]
    points: list[Shown]
    n_common: int


class Trials(NamedTuple):
    """Trials of a point.

    Attributes
    ----------
    background : (k,) array
        TS > 0 of background trials, in ascending order.
    n : int
        All background trials.
    signal : dict of (m,) arrays
        TS by n_sig, of the first spectrum.
    """

    background: NDArray[np.float64]
    n: int
    signal: dict[float, NDArray[np.float64]]

    def quantile(self, q: float) -> float:
        """TS below which a fraction q of the background trials lies; those without an excess have TS = 0."""
        rank = math.ceil(q * self.n) - 1 - (self.n - len(self.background))
        return float(self.background[rank]) if rank >= 0 else 0.0


def of_runs(paths: tuple[Path, Path], timings: Sequence[Mapping[str, Any]]) -> SideBySide:
    """Compare the engines of two runs with collected trials.

    Parameters
    ----------
    timings : two mappings
        ``timing`` of their summaries: CPU seconds and trials by task.
    """
    one, other = (open_run(path) for path in paths)
    sides = [_points(one), _points(other)]
    common = [labels for labels in sides[0] if labels in sides[1]]
    chosen = common if len(common) <= MOST_POINTS else [
        common[round(i * (len(common) - 1) / (MOST_POINTS - 1))] for i in range(MOST_POINTS)
    ]  # fmt: skip
    shown = []
    for labels in chosen:
        at = sides[0][labels], sides[1][labels]
        trials = _trials(one, at[0]), _trials(other, at[1])
        shown.append(Shown(str(at[0]), list(_rows(*trials)), _drawing(*trials)))
    told = [dict(_engine(run, timing)) for run, timing in zip((one, other), timings, strict=True)]
    engines = [(key, told[0].get(key, "-"), told[1].get(key, "-")) for key in {**told[0], **told[1]}]
    return SideBySide(engines, shown, len(common))


def _points(run: Run) -> dict[tuple[tuple[str, Any], ...], Point]:
    """Points with collected background trials, by their labels."""
    points = run.spec.all_points
    return {tuple(sorted(at.labels.items())): at for at in points if (run.path / layout.bg_collected(at)).exists()}


def _trials(run: Run, at: Point) -> Trials:
    arrays = store.load_arrays(run.path, layout.bg_collected(at))
    background = np.sort(np.concatenate([arrays["ts_even"], arrays["ts_odd"]]))
    rel = layout.sig_collected(at, run.spec.signal.levels[0])
    signal = {}
    if (run.path / rel).exists():
        found = store.load_arrays(run.path, rel)
        signal = {float(n_sig): found[f"trials_{i}"]["ts"] for i, n_sig in enumerate(found["n_sig"])}
    return Trials(background, int(arrays["n"].sum()), signal)


def _engine(run: Run, timing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Facts of an engine: name, versions, determinism, and cost."""
    engine = run.spec.engine
    yield "engine", engine.label if isinstance(engine, PluginEngine) else "builtin"
    if isinstance(engine, PluginEngine):
        facts = store.load_json(run.path, layout.ENGINE)["facts"]
        yield "it says of itself", _plain(facts["identity"]["plugin"])
        yield "its options", _plain(facts["identity"]["options"]) or "none"
        yield "deterministic", str(facts["deterministic"])
    else:
        yield "deterministic", "per-trial"
    versions = _versions(run)
    yield "packages of the trials", ", ".join(f"{name} {versions[name]}" for name in sorted(versions)) or "-"
    for task, what in (("bg_trials", "background trial"), ("sig_trials", "signal trial")):
        cost = timing.get(task) or {}
        if cost.get("n"):
            yield f"CPU time of a {what}", f"{1e3 * cost['cpu_s'] / cost['n']:.3g} ms ({cost['n']:,} trials)"
            yield f"memory of a process with {what}s", f"{cost['max_rss_mb']:,.0f} MB"


def _versions(run: Run) -> Mapping[str, str]:
    """Packages of the process that made the first file of background trials that is still there."""
    for at in run.spec.all_points:
        listed = layout.files_of(layout.bg_collected(at))
        for file in store.load_json(run.path, listed) if (run.path / listed).exists() else ():
            if (run.path / file["path"]).with_suffix(".json").exists():
                return store.load_record(run.path, PurePosixPath(file["path"])).versions
    return {}


def _plain(found: Mapping[str, Any]) -> str:
    """``toy 1, table.npz 48d6dbb747d9``: names and values; of a sha256 its first digits."""
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    return _SHA256.sub(r"\1", ", ".join(f"{key} {value}" for key, value in values.items()))


def _rows(one: Trials, other: Trials) -> Iterator[Row]:
    """Numbers of the TS distributions of a point; errors of fractions are binomial."""

    def row(what: str, texts: Sequence[str]) -> Row:
        return what, texts[0], texts[1]

    both = (one, other)
    yield row("background trials", [f"{side.n:,}" for side in both])
    yield row("fraction with TS > 0", [_fraction(len(side.background), side.n) for side in both])
    for q in QUANTILES:
        enough = [side.n * (1 - q) >= 1 for side in both]
        texts = [f"{s.quantile(q):.2f}" if some else "too few trials" for s, some in zip(both, enough, strict=True)]
        yield row(f"background TS, quantile {q:g}", texts)
    for n_sig in sorted(one.signal.keys() & other.signal.keys()):
        passing = [int(np.sum(side.signal[n_sig] > side.quantile(0.5))) for side in both]
        texts = [_fraction(k, len(side.signal[n_sig])) for k, side in zip(passing, both, strict=True)]
        yield row(f"above the run's own background median, n_sig {n_sig:g}", texts)


def _fraction(k: int, n: int) -> str:
    p = k / n if n else math.nan
    return f"{p:.3f} ± {math.sqrt(p * (1 - p) / n):.3f}" if 0 < k < n else f"{p:.3f} of {n:,}"


def _drawing(one: Trials, other: Trials) -> str:
    """Survival functions of TS: background, and the middle one of the signal strengths of both."""
    strengths = sorted(one.signal.keys() & other.signal.keys())
    drawn = []
    for side, name in ((one, "first"), (other, "second")):
        drawn.append(Curve(f"{name}, background", name, side.background, side.n))
        if strengths:
            n_sig = strengths[len(strengths) // 2]
            ts = np.sort(side.signal[n_sig])
            drawn.append(Curve(f"{name}, n_sig {n_sig:g}", f"{name} signal", ts[ts > 0], len(ts)))
    return curves.svg(drawn)
