"""`python -m tests.engine.golden`: what the bits of `ENGINE` are, in golden.json; refused while ENGINE is not raised.

The digest of a file of trials names the engine by its number alone, so a change of a bit without a new number would
put two kinds of trials into one collection. What is held: the made-up data, densities and signal tables, trials of
cells and of simulated events, of one season and of two, of points and of extended sources, tilted ones, with both
signal densities, a ring and a list.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from worker import data
from worker.base import healpix
from worker.data.dataset import Dataset, Simulation
from worker.data.prepared import content_digest
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import mixture, scan, trials
from worker.engines.builtin.engine import ENGINE, analysis_of, spectrum_of
from worker.engines.builtin.sources import SourceScanner
from worker.engines.protocol import Sources, Tilt
from worker.rundir import address
from worker.spec.sections import Spec
from worker.spec.specfile import loads

FILE = Path(__file__).with_name("golden.json")
SPEC = """
version: 1
name: golden
seed: 5
data: {format: synthetic, n_events: 3000}
background: {tail: none, dec_deg: [-40, 5, 86], n_trials: 10}
signal: {n_sig: [4, 8, 12], n_trials: 10%s}
likelihood: {gamma_step: 0.0625, psf: %s}
scan: {nside: 4, n_skies: 2, dec_min_deg: -40, dec_max_deg: 85}
"""
GAUSSIAN = SPEC % ("", "gaussian")
RESPONSE = SPEC % ("", "response")
WIDE = SPEC % (", cutoff_tev: 300, extension_deg: 1.0", "gaussian, extension_deg: 0.5")
TILTS = (Tilt(4.0, 1.3, 0.25), Tilt(9.0, 2.6, 0.25), Tilt(15.0, 3.7, 0.375), Tilt(6.0, 2.0, 0.0))
N = 12
"""Trials of each kind."""


def made() -> dict[str, str]:
    """Sha256 of everything that is held, by its name."""
    spec = loads(GAUSSIAN)
    dataset = data.read(spec)
    one = analysis_of(dataset, spec)
    found = {"data": content_digest(dataset), "densities": _sum(one.density, one.energy, one.sky.weight)}
    found |= {f"table {dec:g}": _sum(*engine.table_at(one, np.radians(dec))[:4]) for dec in spec.background.decs}
    found |= _trials("cells", spec, one, spec.background.decs)
    found |= _trials("two seasons", spec, analysis_of(_two(dataset), spec), (5.0,))
    found |= _trials("simulated", spec, analysis_of(_simulated(dataset), spec), (5.0,))
    found |= _trials("extended", loads(WIDE), analysis_of(dataset, loads(WIDE)), (5.0,))
    found |= _tilted("cells", spec, one, spec.background.decs)
    found |= _tilted("two seasons", spec, analysis_of(_two(dataset), spec), (5.0,))
    near, made_of = loads(RESPONSE), {"cells": _two(dataset), "simulated": _simulated(dataset)}
    for name, what in made_of.items():
        analysis = analysis_of(what, near)
        found[f"psf, {name}"] = _sum(
            *engine.psf_at(analysis, np.radians(5.0))[1:],
            analysis.sigma,
            *engine.table_at(analysis, np.radians(5.0))[:6],
        )
        found |= _trials(f"response, {name}", near, analysis, (5.0,))
    found |= _tilted("response", near, analysis, (5.0,))
    turn = scan.right_ascensions(one, address.scan_trials(spec, 0), 1)
    found["ring"] = _sum(scan.Scanner(one, healpix.rings_of(4)).ring(7, turn))
    places = Sources(np.radians([-30.0, 22.0, 60.0]), np.array([0.1, 0.5, 0.9]))
    found["sources"] = _sum(SourceScanner(one, places).skies(address.scan_trials(spec, 1), 0, 3))
    return found


def _trials(name: str, spec: Spec, analysis: engine.Analysis, decs: tuple[float, ...]) -> dict[str, str]:
    found = {}
    for dec in decs:
        point, signal = trials.point_at(analysis, np.radians(dec)), spec.signal
        injector = trials.injector_at(
            analysis,
            np.radians(dec),
            spectrum_of(signal, signal.gammas[0]),
            8.0,
            True,
            np.radians(signal.extension_deg),
        )
        background, injected = (
            address.bg_trials(spec, spec.at(dec), 0),
            address.sig_trials(spec, spec.at(dec), 8.0, 0, 2.0),
        )
        found[f"background, {name} {dec:g}"] = _sum(trials.run(analysis, point, background, 0, N))
        found[f"signal, {name} {dec:g}"] = _sum(trials.run(analysis, point, injected, 0, N, injector))
    return found


def _tilted(name: str, spec: Spec, analysis: engine.Analysis, decs: tuple[float, ...]) -> dict[str, str]:
    found = {}
    for dec in decs:
        point = trials.point_at(analysis, np.radians(dec))
        mixed = mixture.mixture_at(analysis, point, TILTS)
        made = mixture.run(analysis, point, mixed, address.tail_trials(spec, spec.at(dec), 0), 0, N)
        found[f"tilted, {name} {dec:g}"] = _sum(
            *mixed[:5], *mixed[6:], *made
        )  # m of the tilts follows from their gamma
    return found


def _two(dataset: Dataset) -> Dataset:
    """The season beside a smaller one with half the effective area."""
    season = dataset.seasons[0]
    events = type(season.events)(*(column[::3] for column in season.events))
    area = season.area._replace(area_cm2=0.5 * season.area.area_cm2)
    return replace(dataset, seasons=(season, replace(season, name="other", events=events, area=area)))


def _simulated(dataset: Dataset) -> Dataset:
    """The season with simulated events in the place of cells: values of a grid, without any generator."""
    n_bands, each = 50, 60
    i = np.arange(n_bands * each)
    part = [
        (i * step % 1.0) for step in (0.6180339887498949, 0.7548776662466927, 0.5698402909980532, 0.4142135623730951)
    ]
    log_e_nu = 2.5 + 4.0 * part[0]
    events = np.column_stack(
        [log_e_nu, 1e9 + 1e9 * part[1], 2.0 + 0.6 * log_e_nu * part[2], 0.03 * part[3], 0.005 + 0.02 * part[1], part[2]]
    ).astype(np.float32)
    simulation = Simulation(np.linspace(-1, 1, n_bands + 1), np.arange(n_bands + 1) * each, events)
    return replace(dataset, seasons=(replace(dataset.seasons[0], smearing=simulation),))


def _sum(*arrays: Any) -> str:
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def held() -> dict[str, Any]:
    """What golden.json says: ``engine``, and ``sha256`` by name."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def differences(found: dict[str, str]) -> list[str]:
    """Names of what has other bits than golden.json says."""
    known = held()["sha256"]
    return sorted(name for name in found.keys() | known.keys() if found.get(name) != known.get(name))


def main() -> int:
    """Write golden.json anew where no bits that it has have changed, or ENGINE was raised."""
    found = made()
    if (
        FILE.exists()
        and held()["engine"] == ENGINE
        and (changed := [name for name in differences(found) if name in held()["sha256"]])
    ):
        print(
            f"other bits of {', '.join(changed)}: raise ENGINE in worker/engines/builtin/engine.py first",
            file=sys.stderr,
        )
        return 2
    FILE.write_text(json.dumps({"engine": ENGINE, "sha256": found}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
