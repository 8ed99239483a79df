"""collect_bg, collect_sig, collect_scan: check all planned files of a point and merge them into one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError, RefusedError
from worker.base.task_rows import (
    BG_TRIALS,
    COLLECT_BG,
    COLLECT_SCAN,
    COLLECT_SIG,
    PATCH_TRIALS,
    SCAN_MAP,
    SCAN_TRIALS,
    SIG_TRIALS,
    TAIL_TRIALS,
)
from worker.engines.protocol import PATCH_DTYPE
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import BackgroundSkies, Sky
from worker.hypotheses.sky import patches as tail_of_skies
from worker.hypotheses.sky.rings import rings
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Expected, Run, expected, missing, open_run, wrong_address
from worker.rundir.record import Meter, measure
from worker.spec.point import Point, Value
from worker.stats.distributions import TSD
from worker.tasks import context, patches, scans, tail, trials

Trials = NDArray[np.void]


def collect_bg(path: Path, dec: float | None, allow_missing: bool, point: str | None = None) -> None:
    """All background trials of one point: positive TS (even and odd trials apart) and their number.

    And its tilted trials, if there are some: TS and ln of the weight, by increasing TS.
    """
    run = open_run(path)
    at = context.point(run.spec, dec, point)
    rel = layout.bg_collected(at)
    digest = context.trial_digest(run, BG_TRIALS)
    with measure(COLLECT_BG, dict(at.args)) as meter:
        files, holes = present_files(run, BG_TRIALS, allow_missing, **at.args)
        ts = np.concatenate([load(run, f, context.columns(run), digest)["ts"] for f in files])
        # Even and odd trials apart: the p-values of one half are tested with the other.
        index = np.concatenate([f.first + np.arange(f.n) for f in files]) % 2
        halves = [ts[index == parity] for parity in (0, 1)]
        arrays = {
            "n": np.array([len(half) for half in halves]),
            "n_missing": np.array(holes),
            "ts_even": np.sort(halves[0][halves[0] > 0]),
            "ts_odd": np.sort(halves[1][halves[1] > 0]),
        }
        if run.spec.background.tail == "tilted":
            tilted, more, tail_holes = tail_arrays(run, allow_missing, at)
            arrays |= tilted | {"n_tail_missing": np.array(tail_holes)}
            files += more
        _save(run, rel, arrays, files, meter.record(len(ts)))


def tail_arrays(run: Run, allow_missing: bool, at: Point) -> tuple[dict[str, NDArray[Any]], list[Expected], int]:
    """Tilted trials of a point by increasing TS, their files, and the number of missing files."""
    files, holes = present_files(run, TAIL_TRIALS, allow_missing, **at.args)
    digest = tail.digest_at(run, at)
    rows = np.concatenate([load(run, file, tail.columns(run), digest) for file in files])
    rows = rows[np.argsort(rows["ts"], kind="stable")]
    names = [name for name in rows.dtype.names or () if name not in ("ns", "gamma")]
    return {f"tail_{name}": np.ascontiguousarray(rows[name]) for name in names}, files, holes


def collect_sig(
    path: Path, dec: float | None, allow_missing: bool, gamma: float | None = None, point: str | None = None
) -> None:
    """All signal trials of one point and spectrum: ts, ns, gamma and number of injected events by n_sig."""
    run = open_run(path)
    level = context.level_of(run.spec.signal, gamma)
    at = context.point(run.spec, dec, point)
    rel = layout.sig_collected(at, level)
    digest = context.signal_digest(run, gamma)
    args = at.signal_args(level)
    with measure(COLLECT_SIG, args) as meter:
        files, holes = present_files(run, SIG_TRIALS, allow_missing, **args)
        arrays: dict[str, NDArray[Any]] = {"n_missing": np.array(holes)}
        n_sigs = sorted({f.point["n_sig"] for f in files})
        arrays["n_sig"] = np.array(n_sigs)
        for i, n_sig in enumerate(n_sigs):
            files_of_n_sig = [f for f in files if f.point["n_sig"] == n_sig]
            arrays[f"trials_{i}"] = np.concatenate([load(run, f, context.columns(run), digest) for f in files_of_n_sig])
            counts = trials.injected_counts(run, files_of_n_sig)
            if counts is not None:
                arrays[f"counts_{i}"] = counts
        _save(run, rel, arrays, files, meter.record(sum(f.n for f in files)))


def collect_scan(path: Path, allow_missing: bool) -> None:
    """Results of the observed sky, and hottest spots (and further tests) of every background sky, by region."""
    run = open_run(path)
    ensemble, main = context.ensemble(run), run.spec.scan.main_nside
    with measure(COLLECT_SCAN, {"nside": main} if main else {}) as meter:
        tsds = hottest_spots.load_tsds(run)
        result = hottest_spots.with_local_p(run.spec, tsds, ensemble.sky_result(_observed(run), tsds))
        files, holes = present_files(run, SCAN_TRIALS, allow_missing)
        digest = scans.scan_digest(run)
        background = ensemble.background(files, lambda file: load(run, file, ensemble.sky_dtype, digest), tsds)
        record = meter.record(background.n)
        for rel, rows in background.files.items():
            store.save_array(path, rel, rows, record)
        result |= _patches(run, meter, tsds, files, allow_missing)
        store.save_json(path, layout.files_of(layout.SCAN), _file_costs(run, files))
        counts = {"n_skies": background.n, "n_missing": holes, "n_eff_bands": _bands(background)}
        store.save_json(path, layout.SCAN, result | counts)
        made_from = input_digests.collected(run, COLLECT_BG) | input_digests.listed(run, layout.SCAN)
        made_from |= input_digests.recorded(run, [file.path for file in expected(run, SCAN_MAP)])
        written = input_digests.hashed(run, [layout.SCAN, *ensemble.maps(layout.map_file)])
        record = replace(meter.record(background.n), inputs=made_from, outputs=written)
        store.save_json(path, layout.timing_file(COLLECT_SCAN), record.as_json())
    print(f"-> {layout.SCAN}")


def _patches(
    run: Run, meter: Meter, tsds: Mapping[float, TSD], files: list[Expected], allow_missing: bool
) -> dict[str, Any]:
    """Write the hot spots of patches by region, and add their files to `files`; results for scan.json."""
    if run.spec.scan.post_trial.tail == "none":
        return {}
    scan = run.spec.healpix
    of_patches, holes = present_files(run, PATCH_TRIALS, allow_missing)
    digest = patches.digest(run)
    parts = (load(run, file, PATCH_DTYPE, digest) for file in of_patches)
    found = tail_of_skies.collect(run.spec, rings(scan, scan.nside), parts, tsds)
    for region, rows in found.hot.items():
        store.save_array(run.path, layout.patches_file(region), rows, meter.record(found.n))
    files += of_patches
    return {"patches": {"n": found.n, "n_missing": holes, "pixel_sums": found.pixel_sums}}


def _bands(background: BackgroundSkies) -> list[dict[str, Any]]:
    """N_eff by declination."""
    return [{k: None if np.isnan(v) else v for k, v in band._asdict().items()} for band in background.bands]


def _observed(run: Run) -> Sky:
    """The observed sky (until unblinding one more scrambled sky); all its bands must exist."""
    dtype = context.ensemble(run).map_dtype

    def values(nside: int) -> Trials:
        files = expected(run, SCAN_MAP, **dict(run.spec.scan.map_node(nside)[1]))
        digests = (scans.map_digest(run, nside, *(file.band or (0, 1))) for file in files)
        return np.concatenate(
            [store.load_array(run.path, f.path, None, dtype, digest) for f, digest in zip(files, digests, strict=True)]
        )

    return Sky("scrambled", "scrambled: right ascensions are not real", values, run.path, layout.map_file)


def present_files(run: Run, task: str, allow_missing: bool, **point: Value) -> tuple[list[Expected], int]:
    """The planned files that exist, and the number of missing ones.

    Raises
    ------
    RefusedError
        A file is missing and `allow_missing` is false, or all are missing.
    """
    promised, absent = expected(run, task, **point), missing(run, task, **point)
    if absent and (not allow_missing or len(absent) == len(promised)):
        shown = "".join(f"\n  {run.path / e.path}" for e in absent[:5])
        more = f"\n  and {len(absent) - 5} more" if len(absent) > 5 else ""
        raise RefusedError(
            f"{len(absent)} of {len(promised)} promised files of {task} are missing:{shown}{more}\n"
            f"run `dagmaker run` or `dagmaker repair` to make them"
            + ("" if len(absent) == len(promised) else ", or pass --allow_missing to go on without them")
        )
    paths = {e.path for e in absent}
    return [e for e in promised if e.path not in paths], len(absent)


def load(run: Run, file: Expected, dtype: np.dtype[np.void], digest: str) -> Trials:
    """Load a planned file; its record must have the stream and trials of the plan.

    Raises
    ------
    InputError
        It is missing, corrupt, of another analysis, or holds other trials (two files were swapped).
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
    store.save_json(run.path, layout.files_of(rel), _file_costs(run, files))
    store.save_arrays(run.path, rel, arrays, replace(record, inputs=input_digests.listed(run, rel)))
    print(f"-> {rel}")


def _file_costs(run: Run, files: Iterable[Expected]) -> list[dict[str, Any]]:
    """Cost and sha256 of each file, in the order of the plan."""
    out = []
    for file in files:
        record = store.load_record(run.path, file.path)
        keep = ("sha256", "n", "wall_s", "cpu_s", "max_rss_mb", "host")
        out.append({"path": str(file.path), **{key: getattr(record, key) for key in keep}})
    return out
