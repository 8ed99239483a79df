"""The quick pass of a pilot behind ``signal.n_sig: goal``: where sensitivity and discovery potential lie, roughly."""

from collections.abc import Iterator
from pathlib import Path

from dagmaker.pilot.probes import MOST_DECS, SEED, Probe, spread
from dagmaker.plan.processes import number
from worker.base.errors import InputError
from worker.base.reading import json_object
from worker.rundir import layout
from worker.spec import levels
from worker.spec.goals import LADDER, n_sig_grid
from worker.spec.pilot import Pilot, Reach
from worker.spec.sections import Spec


def probes(spec: Spec) -> Iterator[Probe]:
    """A process for each declination of the pass; none where the spec was not read with rungs for its n_sig."""
    if spec.signal.n_sig == LADDER:
        for dec in spread(spec.background.decs, MOST_DECS):
            yield Probe(("reach", f"--dec={number(dec)}", f"--seed={SEED}"), (dec, None, None), 0, 0)


def read(run: Path, spec: Spec, probe: Probe) -> list[Reach]:
    """What a probe found, spectrum by spectrum.

    Raises
    ------
    InputError
        Its file is missing or says something else.
    """
    dec = probe.point[0]
    assert dec is not None
    path = run / layout.reach_file(spec.name, dec, levels.decimals(spec.background.decs))
    try:
        return [Reach.model_validate(row) for row in json_object(path, {"reach": list})["reach"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what `worker {' '.join(probe.argv)}` writes ({error}); run the pilot") from None


def told(point: Reach) -> str:
    """A declination and spectrum on one line."""
    spectrum = "" if point.gamma is None else f", gamma {point.gamma:g}"
    return (
        f"dec {point.dec_deg:+g} deg{spectrum}: sensitivity near {point.sensitivity:.3g} events, highest discovery "
        f"potential near {point.discovery:.3g}"
    )


def lines(found: Pilot) -> Iterator[str]:
    """The grid that follows."""
    if found.reach is not None:
        grid = n_sig_grid([point.model_dump() for point in found.reach])
        yield f"n_sig: goal   stands for {', '.join(f'{n_sig:g}' for n_sig in grid)} events"
