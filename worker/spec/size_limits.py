"""Largest numbers of points and processes of an analysis; a larger spec is refused before it is expanded."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.base.bounds import MAX_PER_FILE

if TYPE_CHECKING:
    from worker.spec.sections import Spec

MAX_POINTS = 50_000
"""Points x spectra x n_sig; each is a node with its own folder."""
MAX_PROCESSES = 2_000_000
"""Of a kind, each with a file: a year of a thousand slots at four hours each."""


def faults(spec: "Spec") -> list[tuple[str, str]]:
    """Return key and sentence of each count that is too large."""
    return [*_points(spec), *_processes(spec)]


def _points(spec: "Spec") -> Iterator[tuple[str, str]]:
    signal, n_tested = spec.signal, len(spec.signal_points)
    n = n_tested * len(signal.gammas) * len(signal.n_sig)
    if n > MAX_POINTS:
        what = "points" if spec.hypothesis.lists_points else "declinations"
        found = f"found {len(signal.n_sig):,} values, which with {n_tested:,} {what} and {len(signal.gammas)} "
        cure = f"at most {MAX_POINTS:,}: write fewer n_sig or fewer {what}"
        yield "signal.n_sig", f"{found}spectra are {n:,} points; a plan has {cure}"


def _processes(spec: "Spec") -> Iterator[tuple[str, str]]:
    """Faults of the numbers of processes; if `target_hours` is set, the plan checks them."""
    if spec.resources.target_hours is not None:
        return
    background, signal, scan = spec.background, spec.signal, spec.scan
    n_tested = len(spec.all_points)
    n_points = len(spec.signal_points) * len(signal.gammas) * len(signal.n_sig)
    tail = background.n_tail_trials if background.tail == "tilted" else 0
    tail_of_sky = scan.post_trial
    n_patches = tail_of_sky.n_patches if tail_of_sky.tail == "patches" else 0
    for place, n, size, times in (
        ("background.trials_per_file", background.n_trials, background.trials_per_file, n_tested),
        ("background.tail_trials_per_file", tail, background.tail_trials_per_file, n_tested),
        ("signal.trials_per_file", signal.n_trials, signal.trials_per_file, n_points),
        ("scan.skies_per_file", scan.n_skies, scan.skies_per_file, scan.sky_bands),
        ("scan.post_trial.patches_per_file", n_patches, tail_of_sky.patches_per_file, 1),
    ):
        key = place.rpartition(".")[2]
        if min(n, size) > MAX_PER_FILE:
            yield place, f"found {size:,}, and a file has at most {MAX_PER_FILE:,}: write {key}: 1000000"
        n_processes = -(-n // size) * times
        if n_processes > MAX_PROCESSES:
            each = max(MAX_PROCESSES // times, 1)
            least = math.ceil(n / each)
            cure = f"write {key}: {least}, or fewer in all"
            if least > MAX_PER_FILE:
                cure = f"write fewer in all, {each * MAX_PER_FILE:,} at most"
            found = f"found {size:,}, which makes {n_processes:,} processes of {n:,}"
            yield place, f"{found}; a plan has at most {MAX_PROCESSES:,}: {cure}"
