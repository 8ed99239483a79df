"""Rough sensitivities and discovery potentials, from which ``signal.n_sig: goal`` takes its grid."""

from collections.abc import Iterator
from pathlib import Path

from dagmaker.pilot.probes import MOST_POINTS, SEED, Probe, point_flags, subset
from worker.base.errors import InputError
from worker.base.reading import json_object
from worker.rundir import layout
from worker.spec.goals import LADDER, n_sig_grid
from worker.spec.pilot import Pilot, Reach
from worker.spec.sections import Spec


def probes(spec: Spec) -> Iterator[Probe]:
    """A process for each of a few points; none unless the spec has ``signal.n_sig: goal``."""
    if spec.signal.n_sig == LADDER:
        for at in subset(spec.signal_points, MOST_POINTS):
            yield Probe(("reach", *point_flags(at), f"--seed={SEED}"), (at.dec_deg, None, None), 0, 0, at)


def read(run: Path, spec: Spec, probe: Probe) -> list[Reach]:
    """Estimates of a probe, one for each spectrum.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    assert probe.at is not None
    path = run / layout.reach_file(spec.name, probe.at)
    try:
        return [Reach.model_validate(row) for row in json_object(path, {"reach": list})["reach"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what `worker {' '.join(probe.argv)}` writes ({error}); run the pilot") from None


def estimate_line(point: Reach) -> str:
    """The estimate of a point and spectrum."""
    where = point.point if point.dec_deg is None else f"dec {point.dec_deg:+g} deg"
    spectrum = "" if point.gamma is None else f", gamma {point.gamma:g}"
    return (
        f"{where}{spectrum}: sensitivity near {point.sensitivity:.3g} events, highest discovery "
        f"potential near {point.discovery:.3g}"
    )


def lines(measured: Pilot) -> Iterator[str]:
    """The grid of n_sig from the estimates."""
    if measured.reach is not None:
        grid = n_sig_grid([point.model_dump() for point in measured.reach])
        yield f"n_sig: goal   stands for {', '.join(f'{n_sig:g}' for n_sig in grid)} events"
