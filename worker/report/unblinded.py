"""What the page says of an unblinding: the result in a sentence, who opened the real sky, and the sky before."""

from collections.abc import Mapping
from typing import Any

from worker.base.errors import InputError
from worker.blinding import unblinding_log
from worker.report import formats, tables
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
        "how": _what(unblinded),
        "said": _sentence(unblinded),
        "table": tables.hottest(results),
        "facts": [*_tests(unblinded), *_facts(results)],
        "folder": str(layout.UNBLINDED),
        "before": tables.hottest(results.blind),
    }


def _sentence(unblinded: Mapping[str, Any]) -> str:
    """The result in a sentence."""
    post, spot = unblinded["post_trial"], unblinded["hottest"]
    return (
        f"Post-trial p-value of the whole search: {formats.p_value(post['p'])}, {formats.nsigma(post['p'])}: "
        f"{sentence(post)}. "
        f"The hottest is {_place(spot)}: {formats.fit_text(spot)}."
    )


def _what(unblinded: Mapping[str, Any]) -> str:
    """What was looked at in the sky."""
    if "nside" in unblinded:
        return f"nside {unblinded['nside']}"
    if "n_sources" in unblinded:
        return f"a list of {unblinded['n_sources']} sources"
    return f"{unblinded['n_points']} {'catalogues' if unblinded.get('kind') == 'stacking' else 'points'}"


def _place(spot: Mapping[str, Any]) -> str:
    return f"at {formats.position(spot)}" if "ra" in spot else str(spot["name"])


def _tests(unblinded: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Tests of a list of sources, of windows, of a population in a sky, and with spatial priors."""
    sums = [
        (f"sum of TS, windows of {length}", f"p = {formats.p_value(test['p'])} (sum {test['sum_ts']:.2f})")
        for length, test in (unblinded.get("sums") or {}).items()
    ]
    binomial = [
        (f"binomial test, {region}", f"p = {formats.p_value(test['p'])} ({', '.join(test['names'])})")
        for region, test in (unblinded.get("binomial") or {}).items()
    ]
    population = [
        (f"population test, {region}", f"p = {formats.p_value(test['p'])} ({test['n_spots']} spots)")
        for region, test in (unblinded.get("population") or {}).items()
    ]
    priors = unblinded.get("prior_tests") or {}
    each = [(f"spatial prior {name}", f"p = {formats.p_value(test['p'])}") for name, test in priors.items()]
    best = [("the best spatial prior", f"p = {formats.p_value(test['p_of_all'])}") for test in priors.values()][:1]
    return [*sums, *binomial, *population, *each, *(best if len(priors) > 1 else [])]


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
