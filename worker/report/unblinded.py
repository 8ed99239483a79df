"""What the page says of an unblinding: the result in a sentence, who opened the real sky, and the sky before."""

from collections.abc import Mapping
from typing import Any

from worker.base.errors import InputError
from worker.blinding import unblinding_log
from worker.report import formats, tables
from worker.report.hypotheses.points import fit_text
from worker.report.results import Results
from worker.rundir import layout
from worker.rundir.post_trial_text import sentence


def section(results: Results) -> dict[str, Any] | None:
    """Values for the templates; None before unblinding."""
    unblinded = results.summary.get("unblinded")
    if not unblinded:
        return None
    try:
        return _section(results, unblinded)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{results.run.path / layout.UNBLINDED_RESULTS}: is not what `dagmaker unblind` writes "
            f"({type(error).__name__}: {error}); restore this file from a copy of the run"
        ) from None


def _section(results: Results, unblinded: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sky": unblinded["sky"],
        "how": _how(unblinded),
        "said": _sentence(unblinded),
        "table": tables.hottest(results),
        "facts": [*_tests(unblinded), *_facts(results)],
        "folder": str(layout.UNBLINDED),
        "before": tables.hottest(results.blind),
    }


def _how(unblinded: Mapping[str, Any]) -> str:
    """What was looked at: a map, a list of sources, or points."""
    if "nside" in unblinded:
        return f"nside {unblinded['nside']}"
    what = "points" if "n_points" in unblinded else "sources"
    return f"a list of {unblinded[f'n_{what}']} {what}"


def _sentence(unblinded: Mapping[str, Any]) -> str:
    """The result in a sentence."""
    post, spot = unblinded["post_trial"], unblinded["hottest"]
    hottest = f"{formats.position(spot)}: {formats.fit_text(spot)}" if "n_points" not in unblinded else ""
    hottest = hottest or f"point {spot['name']}: {fit_text(spot)}"
    return (
        f"Post-trial p-value of the whole search: {formats.p_value(post['p'])}, {formats.nsigma(post['p'])}: "
        f"{sentence(post)}. "
        f"The hottest is at {hottest}."
    )


def _tests(unblinded: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The binomial tests of a list of sources, and sums of TS over windows."""
    sums = [
        (f"sum of TS, windows of {length}", f"p = {formats.p_value(test['p'])} (sum {test['sum_ts']:.2f})")
        for length, test in (unblinded.get("sums") or {}).items()
    ]
    return sums + [
        (f"binomial test, {region}", f"p = {formats.p_value(test['p'])} ({', '.join(test['names'])})")
        for region, test in (unblinded.get("binomial") or {}).items()
    ]


def _facts(results: Results) -> list[tuple[str, str]]:
    try:
        opening = unblinding_log.record(results.run)
    except InputError as error:
        return [("opened", f"nobody knows by whom: {error}")]
    facts = [
        ("opened", f"{opening['opened_at']} by {opening['opened_by']} on {opening['host']}"),
        ("approved", f"{opening['date']} by {opening['approved_by']}: {opening['reason']}"),
        ("token", opening["token"]),
        *(("opened before", str(earlier)) for earlier in opening.get("earlier") or ()),
    ]
    return facts + ([("waived", ", ".join(opening["waived"]))] if opening["waived"] else [])
