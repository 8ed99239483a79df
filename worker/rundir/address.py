"""Keys of all random streams of an analysis, from their addresses; `worker streams` shows that no two are the same."""

from collections.abc import Mapping
from typing import Any

from worker.base.key import Key, key
from worker.base.task_rows import BG_TRIALS, PATCH_TRIALS, SCAN_TRIALS, SIG_TRIALS, TAIL_PILOT, TAIL_TRIALS
from worker.spec.point import Point
from worker.spec.sections import Spec


def bg_trials(spec: Spec, at: Point, seed: int) -> Key:
    """Background trials of a point."""
    return key(spec.seed, BG_TRIALS, *at.address, int(seed))


def tail_trials(spec: Spec, at: Point, seed: int) -> Key:
    """Tilted background trials of a point."""
    return key(spec.seed, TAIL_TRIALS, *at.address, int(seed))


def tail_pilot(spec: Spec, at: Point) -> Key:
    """Trials of the pilot that chooses the tilts of a point."""
    return key(spec.seed, TAIL_PILOT, *at.address)


def sig_trials(spec: Spec, at: Point, n_sig: float, seed: int, gamma: float) -> Key:
    """Signal trials of a point."""
    signal = spec.signal
    spectrum = (float(gamma), float(signal.cutoff_tev or 0.0), int(signal.draws_poisson))
    extension = (float(signal.extension_deg),) if signal.extension_deg else ()
    bend = ("break", signal.break_at.energy_tev, signal.break_at.gamma) if signal.break_at else ()
    return key(spec.seed, SIG_TRIALS, *at.address, float(n_sig), *spectrum, *extension, *bend, int(seed))


def scan_trials(spec: Spec, seed: int) -> Key:
    """Background skies."""
    return key(spec.seed, SCAN_TRIALS, int(seed))


def prior_signal(spec: Spec, seed: int) -> Key:
    """Sources drawn from spatial priors, in background skies."""
    return key(spec.seed, "prior_signal", int(seed))


def prior_bootstrap(spec: Spec, kind: str, prior: int) -> Key:
    """Resamplings of skies with a source, for the error of a result."""
    return key(spec.seed, "prior_bootstrap", kind, int(prior))


def patches(spec: Spec, seed: int) -> Key:
    """Patches of tilted skies."""
    return key(spec.seed, "patches", int(seed))


def of_node(spec: Spec, node: Mapping[str, Any]) -> Key | None:
    """Return the key of a node's trials; None for a task without trials."""
    args, seed = node["args"], int(node.get("seed") or 0)
    makers = {
        BG_TRIALS: lambda: bg_trials(spec, spec.point_of(args), seed),
        TAIL_PILOT: lambda: tail_pilot(spec, spec.point_of(args)),
        TAIL_TRIALS: lambda: tail_trials(spec, spec.point_of(args), seed),
        SIG_TRIALS: lambda: sig_trials(
            spec, spec.point_of(args), args["n_sig"], seed, args.get("gamma", spec.signal.gammas[0])
        ),
        SCAN_TRIALS: lambda: scan_trials(spec, seed),
        PATCH_TRIALS: lambda: patches(spec, seed),
    }
    return makers[node["task"]]() if node["task"] in makers else None


def observed(spec: Spec) -> Key:
    """The scrambled sky that replaces the observed one until unblinding."""
    return key(spec.seed, "observed_sky")


def bootstrap(spec: Spec, kind: str, at: Point, gamma: float, n_sigma: float = 0.0) -> Key:
    """Resamplings of signal trials for the error of a result of a point; `n_sigma` of a discovery potential."""
    return key(spec.seed, "bootstrap", kind, *at.address, float(gamma), float(n_sigma))


def bootstrap_threshold(spec: Spec, at: Point) -> Key:
    """Resamplings of the background trials of a point: the same for every spectrum."""
    return key(spec.seed, "bootstrap_threshold", *at.address)


def synthetic(seed: int) -> Key:
    """Made-up events."""
    return key("synthetic", seed)
