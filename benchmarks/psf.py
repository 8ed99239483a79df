"""`python -m benchmarks.psf RUN OUT.json [PART ...]`: the likelihood with ``psf: response`` against ``psf: gaussian``.

RUN is a prepared run directory. Parts: `cost` (CPU time of a trial), `bias` (fitted over injected ns, also with signal
drawn from the densities of the likelihood: `benchmarks.psf_model`), `discovery`
(n_sig of the discovery potential at 3 sigma: the threshold from tilted trials, n_sig from trials with exact numbers of
events), `foreign` (the same of the last season, with the response of the season before it in the likelihood: a
response that does not inject), `figure` (OUT.png, the point-spread function at +5 deg; only if it is named).
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import psf_model
from worker.base import rng
from worker.data.dataset import Dataset
from worker.data.prepared import unpack
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import mixture, psf_curves, tilt_pilot, trials
from worker.engines.builtin.inject import Injector
from worker.engines.builtin.response import Spectrum
from worker.report import spread, style
from worker.rundir import layout, store
from worker.stats.strata import Strata, StrataNSig, find_n_sig_from_strata
from worker.stats.tail import Tilted

F64 = NDArray[np.float64]

GAMMAS = np.arange(1.0, 4.0 + 1e-9, 1 / 16)
CUTS = engine.Cuts(GAMMAS, 5.0, float(np.radians(0.2)), float(np.radians(5.0)))
PSFS = ("gaussian", "response")
BIAS_DECS = (-60.0, -30.0, -5.0, 5.0, 30.0, 60.0)
DISCOVERY_DECS = (-30.0, 0.0, 5.0, 30.0, 60.0)
SPECTRA = (2.0, 3.2)
N_EVENTS = (10, 50)
KEY, OTHER_KEY = rng.key("psf background"), rng.key("psf signal")
P3 = 1.0 - NormalDist().cdf(3.0)
N_BIAS, N_BACKGROUND, N_PILOT, N_SIGNAL = 2000, 16384, 100, 8000


def bias(analyses: dict[str, engine.Analysis]) -> list[dict[str, Any]]:
    """Mean fitted ns over injected events, by declination, spectrum and number of events."""
    rows = []
    for dec_deg in BIAS_DECS:
        for gamma in SPECTRA:
            for n in N_EVENTS:
                row: dict[str, Any] = {"dec": dec_deg, "gamma": gamma, "n": n}
                dec = float(np.radians(dec_deg))
                row["cells"] = psf_model.effective_number(analyses["response"], dec, gamma)
                injectors = {
                    name: (analysis, trials.injector_at(analysis, dec, Spectrum(gamma), float(n), False))
                    for name, analysis in analyses.items()
                }
                own = psf_model.injector(analyses["response"], dec, gamma, n)
                for name, (analysis, injector) in (injectors | {"own": (analyses["response"], own)}).items():
                    found = trials.run(analysis, trials.point_at(analysis, dec), OTHER_KEY, 0, N_BIAS, injector)["ns"]
                    row[name] = [float(found.mean() / n), float(found.std() / n / np.sqrt(N_BIAS))]
                rows.append(row)
                print(row, flush=True)
    return rows


def threshold(analysis: engine.Analysis, point: trials.Point) -> tuple[float, float]:
    """TS of 3 sigma from tilted trials, and its error."""
    tilts = tilt_pilot.tilts(analysis, point, rng.key("psf pilot"))
    mixed = mixture.mixture_at(analysis, point, tilts)
    rows = mixture.run(analysis, point, mixed, KEY, 0, N_BACKGROUND).rows
    order = np.argsort(rows[:, 0], kind="stable")
    tilted = Tilted(rows[order, 0], rows[order, 3])
    return float(tilted.isf(np.asarray(P3))), tilted.isf_error(P3)


def discovery(analyses: dict[str, engine.Analysis], source: engine.Analysis | None = None) -> list[dict[str, Any]]:
    """n_sig of the discovery potential at 3 sigma; signal of `source` if given."""
    rows = []
    for dec_deg in DISCOVERY_DECS:
        dec = float(np.radians(dec_deg))
        points = {name: trials.point_at(analysis, dec) for name, analysis in analyses.items()}
        thresholds = {name: threshold(analysis, points[name]) for name, analysis in analyses.items()}
        for gamma in SPECTRA:
            row: dict[str, Any] = {"dec": dec_deg, "gamma": gamma}
            for name, analysis in analyses.items():
                row[name] = _discovery(analysis, points[name], thresholds[name], Spectrum(gamma), source)
            row["ratio"] = row["response"][0] / row["gaussian"][0]
            rows.append(row)
            print(row, flush=True)
    return rows


def _discovery(
    analysis: engine.Analysis,
    point: trials.Point,
    at: tuple[float, float],
    spectrum: Spectrum,
    source: engine.Analysis | None,
) -> tuple[float, float]:
    """n_sig and its error, from trials with exact numbers of events: a few of each, the others where they help most."""
    made: list[F64] = [np.empty(0)]

    def add(k: int, n: int) -> None:
        injector = injector_of(analysis, point.dec, spectrum, float(k), source)
        first = len(made[k])
        made[k] = np.concatenate([made[k], trials.run(analysis, point, rng.key("psf k", k), first, n, injector)["ts"]])

    passing: list[float] = []
    while len(passing) < 8 or min(passing[-2:]) < 0.98:  # so half of the trials pass well below
        made.append(np.empty(0))
        add(len(made) - 1, N_PILOT)
        passing.append(float(np.mean(made[-1] > at[0])))
    first = _n_sig(made, at[0])
    extra = np.floor(N_SIGNAL * first.weights / first.weights.sum()).astype(int)
    for k, n in enumerate(extra[: len(made) - 1], 1):
        add(k, int(n))
    found = _n_sig(made, at[0])
    moved = _n_sig(made, at[0] + at[1])
    return found.n_sig, float(np.hypot(found.error_signal, moved.n_sig - found.n_sig))


def _n_sig(made: list[F64], ts: float) -> StrataNSig:
    """From trials of each number of events; without any, P3 of the trials pass."""
    passed = np.array([round(P3 * N_BACKGROUND), *(np.sum(one > ts) for one in made[1:])], dtype=np.float64)
    n = np.array([N_BACKGROUND, *(len(one) for one in made[1:])], dtype=np.float64)
    return find_n_sig_from_strata(Strata(np.arange(len(n), dtype=np.float64), n, passed, passed), ts, 0.5)


def injector_of(
    analysis: engine.Analysis, dec: float, spectrum: Spectrum, n_sig: float, source: engine.Analysis | None
) -> Injector:
    """Signal drawn from the response of `source`, weighed as `analysis` does."""
    injector = trials.injector_at(analysis, dec, spectrum, n_sig)
    if source is None:
        return injector
    drawn = trials.injector_at(source, dec, spectrum, n_sig)
    return injector._replace(cell_cdf=drawn.cell_cdf, cells=drawn.cells, season=drawn.season)


def cost(analyses: dict[str, engine.Analysis]) -> list[dict[str, Any]]:
    """CPU time of background and signal trials, in microseconds, in turns."""
    rows = []
    for dec_deg in (-45.0, 5.0, 60.0):
        for n_sig in (0.0, 10.0):
            dec, n = float(np.radians(dec_deg)), 20_000 if n_sig == 0.0 else 5000
            jobs = {
                name: (a, trials.point_at(a, dec), trials.injector_at(a, dec, Spectrum(2.0), n_sig) if n_sig else None)
                for name, a in analyses.items()
            }
            times: dict[str, list[float]] = {name: [] for name in jobs}
            for _ in range(6):
                for name, (analysis, point, injector) in jobs.items():
                    begin = time.process_time()
                    trials.run(analysis, point, KEY, 0, n, injector)
                    times[name].append(1e6 * (time.process_time() - begin) / n)
            row: dict[str, Any] = {"dec": dec_deg, "n_sig": n_sig}
            row |= {name: float(np.median(t[1:])) for name, t in times.items()}
            row["ratio"] = row["response"] / row["gaussian"]
            rows.append(row)
            print(row, flush=True)
    return rows


def both(dataset: Dataset) -> dict[str, engine.Analysis]:
    """The data set prepared in both ways."""
    return {psf: engine.build(dataset, CUTS._replace(psf=psf)) for psf in PSFS}


def foreign(dataset: Dataset) -> list[dict[str, Any]]:
    """Discovery of the last season alone, with the response of the season before it in the likelihood."""
    *_, other, last = dataset.seasons
    strange = replace(dataset, seasons=(replace(last, smearing=other.smearing, area=other.area),))
    own = replace(dataset, seasons=(last,))
    return discovery(both(strange), engine.build(own, CUTS))


def figure(analysis: engine.Analysis, file: Path) -> None:
    """The figure of docs/engine.md."""
    with style.settings():
        drawn = spread.draw(psf_curves.curves(analysis, float(np.radians(5.0)), SPECTRA[0]), 5.0, SPECTRA[0])
        file.write_bytes(style.png(drawn.figure))


def _ratio(row: dict[str, Any]) -> str:
    (near, near_error), (flat, flat_error) = row["response"], row["gaussian"]
    return f"{near / flat:.2f} ± {near / flat * np.hypot(near_error / near, flat_error / flat):.2f}"


def page(found: dict[str, list[dict[str, Any]]]) -> str:
    """Rows of the tables of docs/engine.md."""
    lines = []
    for row in found.get("bias", []):
        if row["n"] == N_EVENTS[0]:
            lines.append(f"| {row['dec']:+.0f}, {row['gamma']:g} ")
        place = [r for r in found["bias"] if (r["dec"], r["gamma"]) == (row["dec"], row["gamma"])]
        if row["n"] == N_EVENTS[-1]:
            lines[-1] += "".join(f"| {r[psf][0]:.2f} ± {r[psf][1]:.2f} " for psf in (*PSFS, "own") for r in place)
            lines[-1] += f"| {row['cells']:.0f} |"
    for dec in DISCOVERY_DECS:
        parts = [row for part in ("discovery", "foreign") for row in found.get(part, []) if row["dec"] == dec]
        lines.append(f"| {dec:+.0f} | " + " | ".join(_ratio(row) for row in parts) + " |")
    return "\n".join([*lines, *(f"CPU {row}" for row in found.get("cost", []))])


def main(run: Path, out: Path, parts: list[str]) -> None:
    """Measure and write the parts, and print the tables of all that are in the file."""
    dataset = unpack(store.load_arrays(run, layout.DATA))
    analyses = both(dataset)
    jobs = {
        "cost": lambda: cost(analyses),
        "bias": lambda: bias(analyses),
        "discovery": lambda: discovery(analyses),
        "foreign": lambda: foreign(dataset),
    }
    found = json.loads(out.read_text()) if out.exists() else {}
    if "figure" in parts:
        figure(analyses["response"], out.with_suffix(".png"))
    for part in [part for part in parts if part != "figure"] if parts else jobs:
        begin = time.process_time()
        found[part] = jobs[part]()
        print(f"{part}: {time.process_time() - begin:.0f} CPU s", flush=True)
        out.write_text(json.dumps(found, indent=1) + "\n")
    print(page(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
