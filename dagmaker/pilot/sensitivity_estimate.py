"""Rough sensitivities and discovery potentials, from which ``signal.n_sig: goal`` takes its grid."""

from collections.abc import Iterator
from pathlib import Path

from dagmaker.pilot.probes import MOST_DECS, SEED, Probe, subset
from dagmaker.plan.processes import number
from worker.base.errors import InputError
from worker.base.reading import json_object
from worker.rundir import layout
from worker.spec.goals import LADDER, n_sig_grid
from worker.spec.pilot import Pilot, Reach
from worker.spec.sections import Spec


def probes(spec: Spec) -> Iterator[Probe]:
    """A process for each of a few declinations; none unless the spec has ``signal.n_sig: goal``."""
    if spec.signal.n_sig == LADDER:
        for dec in subset(spec.background.decs, MOST_DECS):
            yield Probe(("reach", f"--dec={number(dec)}", f"--seed={SEED}"), (dec, None, None), 0, 0)


def read(run: Path, spec: Spec, probe: Probe) -> list[Reach]:
    """Estimates of a probe, one for each spectrum.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    dec = probe.point[0]
    assert dec is not None
    path = run / layout.reach_file(spec.name, spec.at(dec))
    try:
        return [Reach.model_validate(row) for row in json_object(path, {"reach": list})["reach"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what `worker {' '.join(probe.argv)}` writes ({error}); run the pilot") from None


def estimate_line(point: Reach) -> str:
    """The estimate at a declination and spectrum."""
    spectrum = "" if point.gamma is None else f", gamma {point.gamma:g}"
    return (
        f"dec {point.dec_deg:+g} deg{spectrum}: sensitivity near {point.sensitivity:.3g} events, highest discovery "
        f"potential near {point.discovery:.3g}"
    )


def lines(measured: Pilot) -> Iterator[str]:
    """The grid of n_sig from the estimates."""
    if measured.reach is not None:
        grid = n_sig_grid([point.model_dump() for point in measured.reach])
        yield f"n_sig: goal   stands for {', '.join(f'{n_sig:g}' for n_sig in grid)} events"
