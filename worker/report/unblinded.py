"""The real sky on the page, once it was opened: what came out, and who opened it."""

from collections.abc import Mapping
from typing import Any

from worker.base.errors import InputError
from worker.blinding import unblinding_log
from worker.report import formats, tables
from worker.report.results import Results
from worker.rundir import layout


def section(results: Results) -> dict[str, Any] | None:
    """What the templates show; None where the sky is closed."""
    found = results.summary.get("unblinded")
    if not found:
        return None
    try:
        return _section(results, found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{results.run.path / layout.UNBLINDED_RESULTS}: is not what `dagmaker unblind` writes "
            f"({type(error).__name__}: {error}); restore this file from a copy of the run"
        ) from None


def _section(results: Results, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sky": found["sky"],
        "how": f"nside {found['nside']}" if "nside" in found else f"a list of {found['n_sources']} sources",
        "said": _said(found),
        "table": tables.spots(results, found["regions"], found["post_trial_regions"], found.get("upper_limits") or {}),
        "facts": [*_tests(found), *_facts(results)],
        "folder": str(layout.UNBLINDED),
    }


def _said(found: Mapping[str, Any]) -> str:
    """The result in a sentence."""
    post = found["post_trial"]
    return (
        f"Post-trial p-value of the whole search: {formats.p_value(post['p'])}, {formats.nsigma(post['p'])}: "
        f"{post['k']:,} of {post['n']:,} background skies are at least as hot."
    )


def _tests(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The binomial tests of a list of sources."""
    return [
        (f"binomial test, {region}", f"p = {formats.p_value(test['p'])} ({', '.join(test['names'])})")
        for region, test in (found.get("binomial") or {}).items()
    ]


def _facts(results: Results) -> list[tuple[str, str]]:
    try:
        told = unblinding_log.record(results.run)
    except InputError as error:
        return [("opened", f"nobody knows by whom: {error}")]
    facts = [
        ("opened", f"{told['opened_at']} by {told['opened_by']} on {told['host']}"),
        ("approved", f"{told['date']} by {told['approved_by']}: {told['reason']}"),
        ("token", told["token"]),
        *(("opened before", str(earlier)) for earlier in told.get("earlier") or ()),
    ]
    return facts + ([("waived", ", ".join(told["waived"]))] if told["waived"] else [])
