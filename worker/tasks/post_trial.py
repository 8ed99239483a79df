"""Post-trial p-values of the hottest spots of a sky: counted background skies and, beyond them, patches."""

from collections.abc import Mapping
from typing import Any

from worker.hypotheses import hottest_spots
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.stats.patches import SPOT_DTYPE, Spots
from worker.stats.posttrial import parametrised, post_trial
from worker.tasks import flux_rows

LEAST_SKIES = 10
"""With fewer background skies at least as hot, whose error is then 30 %, the p-value is that of patches."""


def of_sky(run: Run, regions: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Post-trial p-value of the hottest spot of each region.

    With patches, a row has more: ``way`` (counted or patches: which one p, lo and hi are), ``counted`` (p, lo, hi),
    ``patches`` (p, its error, effective number, ...), and ``n_eff_ratio``, p_eff over p of patches: the error of the
    parametrisation by N_eff in the tail.
    """
    rows = {}
    for region, spot in regions.items():
        skies = hottest_spots.background_spots(run, region)["mlog10p"]
        row = flux_rows.finite_or_null(post_trial(spot["mlog10p"], skies)._asdict())
        rows[region] = row if run.spec.scan.post_trial.tail == "none" else _with_patches(run, region, spot, row)
    return rows


def spots(run: Run, region: str) -> Spots:
    """Hot spots of all patches in a region.

    Raises
    ------
    InputError
        They are not collected.
    """
    n = int(store.load_record(run.path, layout.patches_file(region)).n)
    return Spots(n, store.load_array(run.path, layout.patches_file(region), None, SPOT_DTYPE))


def _with_patches(run: Run, region: str, spot: Mapping[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    found = spots(run, region).post_trial(spot["mlog10p"])
    counted = {key: row[key] for key in ("p", "lo", "hi")}
    way = "counted" if row["k"] >= LEAST_SKIES else "patches"
    p = counted if way == "counted" else {key: getattr(found, key) for key in ("p", "lo", "hi")}
    ratio = None if row["n_eff"] is None else float(parametrised(spot["mlog10p"], row["n_eff"])) / found.p
    return {**row, **p, "way": way, "counted": counted, "patches": found._asdict(), "n_eff_ratio": ratio}
