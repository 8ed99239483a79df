"""collect_bg, collect_sig, collect_scan: every promised file, checked, into one per point. Never a glob."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError, RefusedError
from worker.base.task_rows import BG_TRIALS, COLLECT_BG, COLLECT_SCAN, COLLECT_SIG, SCAN_TRIALS, SIG_TRIALS
from worker.engines.builtin.trials import TRIAL_DTYPE
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Expected, Run, expected, missing, open_run, wrong_address
from worker.rundir.record import measure
from worker.tasks import catalog, context, hottest_spots, scans, skymap

Trials = NDArray[np.void]


def collect_bg(path: Path, dec: float, allow_missing: bool) -> None:
    """All background trials of one declination: positive TS (even and odd trials apart) and their number."""
    run = open_run(path)
    rel = layout.bg_collected(dec, context.dec_places(run, dec))
    digest = context.trial_digest(run, BG_TRIALS)
    with measure(COLLECT_BG, {"dec": dec}) as meter:
        files, holes = present(run, BG_TRIALS, allow_missing, dec=dec)
        ts = np.concatenate([load(run, f, TRIAL_DTYPE, digest)["ts"] for f in files])
        # Halves by parity in the stream: one makes p-values that the other is tested with.
        index = np.concatenate([f.first + np.arange(f.n) for f in files]) % 2
        halves = [ts[index == parity] for parity in (0, 1)]
        arrays = {
            "n": np.array([len(half) for half in halves]),
            "n_missing": np.array(holes),
            "ts_even": np.sort(halves[0][halves[0] > 0]),
            "ts_odd": np.sort(halves[1][halves[1] > 0]),
        }
        _save(run, rel, arrays, files, meter.record(len(ts)))


def collect_sig(path: Path, dec: float, allow_missing: bool, gamma: float | None = None) -> None:
    """All signal trials of one declination and spectrum: ts, ns, gamma by n_sig."""
    run = open_run(path)
    level = context.level_of(run.spec.signal, gamma)
    rel = layout.sig_collected(dec, context.dec_places(run, dec), level)
    digest = context.signal_digest(run, gamma)
    point = {"dec": dec} | ({} if level is None else {"gamma": level})
    with measure(COLLECT_SIG, point) as meter:
        files, holes = present(run, SIG_TRIALS, allow_missing, **point)
        arrays: dict[str, NDArray[Any]] = {"n_missing": np.array(holes)}
        n_sigs = sorted({f.point["n_sig"] for f in files})
        arrays["n_sig"] = np.array(n_sigs)
        for i, n_sig in enumerate(n_sigs):
            mine = [f for f in files if f.point["n_sig"] == n_sig]
            arrays[f"trials_{i}"] = np.concatenate([load(run, f, TRIAL_DTYPE, digest) for f in mine])
        _save(run, rel, arrays, files, meter.record(sum(f.n for f in files)))


def collect_scan(path: Path, allow_missing: bool) -> None:
    """Maps and hottest spots of the observed sky, and the hottest spots of every background sky; or the sources."""
    run = open_run(path)
    if catalog.is_catalog(run):
        _collect_sources(run, allow_missing)
        return
    scan = run.spec.healpix
    with measure(COLLECT_SCAN, {"nside": scan.nside}) as meter:
        tsds = hottest_spots.load_tsds(run)
        result = skymap.observed(run, tsds)
        files, holes = present(run, SCAN_TRIALS, allow_missing)
        maxima = _skies(run, files)
        rings = scans.rings(run, scan.nside)
        record = meter.record(len(maxima))
        for region in hottest_spots.REGIONS:
            if not hottest_spots.in_region(run, region, rings.dec).any():
                continue
            spots = hottest_spots.spots(run, rings, maxima, tsds, region)
            store.save_array(path, layout.skies_file(region), spots, record)
            if region == "all":
                rel = layout.scan_dir(run.spec.name, scan.nside) / layout.trials_name(len(spots), 0)
                store.save_array(path, rel, spots, record)
        store.save_json(path, layout.files_of(layout.SCAN), _records(run, files))
        store.save_json(path, layout.SCAN, {**result, "n_skies": len(maxima), "n_missing": holes})
        made_from = (
            input_digests.collected(run, COLLECT_BG) | input_digests.listed(run, layout.SCAN) | skymap.bands_of(run)
        )
        written = input_digests.hashed(run, [layout.SCAN, *skymap.files_of(run)])
        record = replace(meter.record(len(maxima)), inputs=made_from, outputs=written)
        store.save_json(path, layout.timing_file(COLLECT_SCAN), record.as_json())
    print(f"-> {layout.SCAN}")


def _collect_sources(run: Run, allow_missing: bool) -> None:
    """P-values of every source, and hottest sources and binomial tests of every background sky."""
    with measure(COLLECT_SCAN, {}) as meter:
        tsds = hottest_spots.load_tsds(run)
        result = catalog.observed(run, tsds)
        files, holes = present(run, SCAN_TRIALS, allow_missing)
        dtype, digest = scans.sky_dtype(run), scans.scan_digest(run)
        skies = catalog.background(run, (load(run, file, dtype, digest) for file in files), tsds)
        n = catalog.save(run, skies, meter.record(len(skies.spots["all"])))
        store.save_json(run.path, layout.files_of(layout.SCAN), _records(run, files))
        store.save_json(run.path, layout.SCAN, {**result, "n_skies": n, "n_missing": holes})
        made_from = (
            input_digests.collected(run, COLLECT_BG) | input_digests.listed(run, layout.SCAN) | skymap.bands_of(run)
        )
        record = replace(meter.record(n), inputs=made_from, outputs=input_digests.hashed(run, [layout.SCAN]))
        store.save_json(run.path, layout.timing_file(COLLECT_SCAN), record.as_json())
    print(f"-> {layout.SCAN}")


def _skies(run: Run, files: Sequence[Expected]) -> Trials:
    """Ring maxima of all skies, (n_skies, n_rings); bands of the same skies are put side by side."""
    parts = []
    for first in sorted({f.first for f in files}):
        bands = sorted((f for f in files if f.first == first), key=lambda f: f.band or (0, 1))
        loaded = [load(run, f, scans.RING_DTYPE, scans.scan_digest(run)) for f in bands]
        parts.append(np.concatenate(loaded, axis=1))
    return np.concatenate(parts)


def present(run: Run, task: str, allow_missing: bool, **point: float) -> tuple[list[Expected], int]:
    """The promised files that are there, and the number of those that are not.

    Raises
    ------
    RefusedError
        If one is missing and holes are not allowed, or if all are.
    """
    promised, lost = expected(run, task, **point), missing(run, task, **point)
    if lost and (not allow_missing or len(lost) == len(promised)):
        shown = "".join(f"\n  {run.path / e.path}" for e in lost[:5])
        more = f"\n  and {len(lost) - 5} more" if len(lost) > 5 else ""
        raise RefusedError(
            f"{len(lost)} of {len(promised)} promised files of {task} are missing:{shown}{more}\n"
            f"run `dagmaker run` or `dagmaker repair` to make them"
            + ("" if len(lost) == len(promised) else ", or pass --allow_missing to go on without them")
        )
    paths = {e.path for e in lost}
    return [e for e in promised if e.path not in paths], len(lost)


def load(run: Run, file: Expected, dtype: np.dtype[np.void], digest: str) -> Trials:
    """A promised file; its record must name the very place in the very stream that the plan promises.

    Raises
    ------
    InputError
        If it is missing, corrupt, of another analysis, or of another address (two files were swapped).
    """
    array = store.load_array(run.path, file.path, file.n, dtype, digest)
    wrong = wrong_address(file, store.load_record(run.path, file.path).args)
    if wrong:
        raise InputError(
            f"{run.path / file.path}: this file holds other trials than its name says ({wrong}); "
            "delete it and run `dagmaker run` or `dagmaker repair`"
        )
    return array


def _save(
    run: Run, rel: PurePosixPath, arrays: Mapping[str, NDArray[Any]], files: Iterable[Expected], record: Any
) -> None:
    store.save_json(run.path, layout.files_of(rel), _records(run, files))
    store.save_arrays(run.path, rel, arrays, replace(record, inputs=input_digests.listed(run, rel)))
    print(f"-> {rel}")


def _records(run: Run, files: Iterable[Expected]) -> list[dict[str, Any]]:
    """What each file cost and its sha256, in the order of the plan."""
    out = []
    for file in files:
        record = store.load_record(run.path, file.path)
        keep = ("sha256", "n", "wall_s", "cpu_s", "max_rss_mb", "host")
        out.append({"path": str(file.path), **{key: getattr(record, key) for key in keep}})
    return out
