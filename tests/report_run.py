"""A small analysis, run for real, for the tests of the report."""

from pathlib import Path

from dagmaker.build import build
from worker.ledger import expected, open_run
from worker.specfile import loads
from worker.stages import collect, limits, prepare, results, scans, trials

SPEC = """
version: 1
name: tiny
seed: 3
data: {format: synthetic, n_events: 10000}
background: {dec_deg: [-40, 5, 60], n_trials: 400}
signal: {n_sig: [3, 8, 20], n_trials: 60}
sensitivity: {n_bootstrap: 20}
scan: {nside: 4, map_nside: 16, n_skies: 8, dec_min_deg: -40, dec_max_deg: 60}
"""


def built(run: Path, spec: str = SPEC) -> Path:
    """A run directory in which nothing was done yet."""
    build(loads(spec), run)
    return run


def finished(run: Path, spec: str = SPEC) -> Path:
    """Everything but the report."""
    built(run, spec)
    prepare.prepare(run)
    opened = open_run(run)
    for e in expected(opened, "bg_trials"):
        trials.bg_trials(run, e.point["dec"], e.n, e.seed, e.first)
    for e in expected(opened, "sig_trials"):
        trials.sig_trials(run, e.point["dec"], e.point["n_sig"], e.n, e.seed, e.first)
    for e in expected(opened, "scan_trials"):
        scans.scan_trials(run, e.n, e.seed, e.first, None)
    for e in expected(opened, "scan_map"):
        scans.scan_map(run, int(e.point["nside"]), *(e.band or (0, 1)))
    for dec in opened.spec.background.decs:
        collect.collect_bg(run, dec, False)
        collect.collect_sig(run, dec, False)
    results.distributions(run)
    results.sensitivity(run)
    collect.collect_scan(run, False)
    results.post_trial(run)
    limits.upper_limits(run)
    return run
