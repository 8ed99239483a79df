"""The hottest places of a sky with the events around them: what the pictures of the report show."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.engines.protocol import Engine, Surroundings
from worker.hypotheses.sky.spots import hottest_spots
from worker.rundir import address, layout, store
from worker.rundir.ledger import Run
from worker.spec.source_scan import CatalogScan
from worker.tasks import context

F64 = NDArray[np.float64]
Row = dict[str, Any]

N_PLACES = 3
APART_DEG = 3.0
"""Spots of a map are at least this far from each other."""
RADIUS_DEG = 6.0
"""Events within this are kept."""
UNBLINDED = layout.UNBLINDED / "surroundings.json"
"""Surroundings of the hottest places of the real sky, written by unblinding."""


class Place(NamedTuple):
    """A tested position (rad); `name` is that of a source, or empty."""

    dec: float
    ra: float
    name: str


def scrambled(run: Run, result: Mapping[str, Any]) -> list[Row]:
    """Surroundings of the hottest places of the scrambled sky; empty if the engine has none.

    Parameters
    ----------
    result : mapping
        Results of the sky, from results/scan.json.
    """
    if not _has_places(run, result):
        return []
    engine = context.skies(run)
    turn = engine.scrambled(address.observed(run.spec), 0)
    return _rows(run, engine, turn, places(run.path, result, layout.map_file))


def write_real(run: Run, turn: F64, result: Mapping[str, Any], root: Path) -> None:
    """Write the surroundings of the hottest places of the real sky below `root`, where its maps are."""
    if _has_places(run, result):
        rows = _rows(run, context.skies(run), turn, places(root, result, layout.unblinded_map))
        store.save_json(root, UNBLINDED, {"places": rows})


def real(run: Run) -> list[Row]:
    """Surroundings of the hottest places of the real sky; InputError if unblinding wrote none."""
    rows: list[Row] = store.load_json(run.path, UNBLINDED)["places"]
    return rows


def places(root: Path, result: Mapping[str, Any], file: Any) -> list[Place]:
    """The hottest listed sources, or spots of the finest map below `root`, hottest first; only with TS > 0."""
    if result.get("sources"):
        hot = sorted((row for row in result["sources"] if row["ts"] > 0), key=lambda row: -float(row["mlog10p"]))
        return [Place(np.radians(row["dec_deg"]), np.radians(row["ra_deg"]), row["name"]) for row in hot[:N_PLACES]]
    if not result.get("maps"):
        return []
    import healpy

    nside = max(int(key) for key in result["maps"])
    rel: PurePosixPath = file(nside)
    values = store.load_array(root, rel, 4)
    theta, phi = healpy.pix2ang(nside, hottest_spots(values, nside, N_PLACES, np.radians(APART_DEG)))
    return [Place(float(0.5 * np.pi - t), float(p), "") for t, p in zip(theta, phi, strict=True)]


def _has_places(run: Run, result: Mapping[str, Any]) -> bool:
    """Whether the scan is one of places and the engine tells what is around them."""
    scanned = bool(result.get("sources") or result.get("maps"))
    return scanned and "surroundings" in context.engine_facts(run).supports


def _rows(run: Run, engine: Engine, turn: F64, hot: list[Place]) -> list[Row]:
    radius = float(np.radians(RADIUS_DEG))
    return [_row(run, at, engine.surroundings(turn, at.dec, at.ra, radius)) for at in hot]


def _row(run: Run, at: Place, found: Surroundings) -> Row:
    ts, ns, gamma = found.fit
    return {
        "name": at.name,
        "dec_deg": float(np.degrees(at.dec)),
        "ra_deg": float(np.degrees(at.ra)),
        "fit": {"ts": ts, "ns": ns, "gamma": gamma},
        "psf_deg": np.round(np.degrees(found.psf), 4),
        "events": {
            "dec_deg": np.round(np.degrees(found.dec), 4),
            "ra_deg": np.round(np.degrees(found.ra), 4),
            "sigma_deg": np.round(np.degrees(found.sigma), 4),
            "log10_energy_gev": np.round(found.log_e, 4),
        },
        "grid": {"ns": found.ns, "gamma": found.gamma, "ts": np.round(found.ts, 6)},
        "sources": _listed(run, at),
    }


def _listed(run: Run, at: Place) -> list[Row]:
    """Sources of the spec's list near a place."""
    if not isinstance(run.spec.scan, CatalogScan):
        return []
    from worker.engines.builtin.surroundings import distance

    entries = run.spec.scan.entries
    dec, ra = (np.radians([getattr(source, f"{name}_deg") for source in entries]) for name in ("dec", "ra"))
    near = np.flatnonzero(distance(at.dec, at.ra, dec, ra) <= np.radians(RADIUS_DEG))
    return [{"name": entries[i].name, "dec_deg": entries[i].dec_deg, "ra_deg": entries[i].ra_deg} for i in near]
