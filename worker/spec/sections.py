"""The analysis spec: a closed, versioned schema of frozen models (YAML and messages: `worker.spec.specfile`)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from worker.base.errors import SpecError
from worker.spec import angles, levels, map_defaults, size_limits, tilts
from worker.spec import engine as engines
from worker.spec import hypothesis as hypotheses
from worker.spec.data_section import Data
from worker.spec.engine import BuiltinEngine, Engine
from worker.spec.fields import (
    Affects,
    Model,
    Name,
    Whole,
    not_bool,
    refuse,
)
from worker.spec.free_points import FreePoints
from worker.spec.hypothesis import Hypothesis, SkyHypothesis
from worker.spec.point import Point, declination
from worker.spec.run_sections import Adaptive, Goal, Resources, Unblind, switch
from worker.spec.scan import Scan
from worker.spec.sky_scan import HealpixScan
from worker.spec.trial_sections import Background, Likelihood, Sensitivity, Signal, grid_values


class Spec(Model):
    """The whole analysis."""

    version: Annotated[Literal[1], BeforeValidator(not_bool)]
    name: Annotated[
        Name, Affects("another name of the trials' folder: another analysis for `dagmaker build`", identity=True)
    ]
    seed: Annotated[
        Whole,
        Field(ge=0, lt=2**63),
        Affects("every random number: nothing of the one belongs to the other", identity=True),
    ]
    engine: Engine = BuiltinEngine()
    data: Data
    likelihood: Likelihood = Likelihood()
    hypothesis: Hypothesis = SkyHypothesis()
    points: FreePoints = ()
    background: Background
    signal: Signal
    sensitivity: Sensitivity = Sensitivity()
    scan: Scan
    unblind: Unblind = Unblind()
    goal: Goal = Goal()
    adaptive: Annotated[Adaptive, BeforeValidator(switch, json_schema_input_type=Adaptive | bool)] = Adaptive(
        max_rounds=0
    )
    resources: Resources = Resources()
    site: Annotated[Name, Affects("where processes run: no number", decides="nothing")] = "pool"
    small_angles: Annotated[bool, Affects("how the spec is checked: no number", decides="nothing")] = False

    @model_validator(mode="before")
    @classmethod
    def _write_out_rings(cls, document: Any) -> Any:
        return map_defaults.fill(document, _maps)

    @model_validator(mode="before")
    @classmethod
    def _count_the_tail(cls, document: Any) -> Any:
        return tilts.fill(document)

    @model_validator(mode="before")  # before the one above: pydantic calls the last of these first
    @classmethod
    def _without_skies(cls, document: Any) -> Any:
        return hypotheses.without_grid(document)

    @model_validator(mode="after")
    def _tilted_trials_to_count(self) -> Self:
        if self.scan.survival == "counted" and self.background.tail == "none":
            text = "found counted, which needs tilted trials; write background: {tail: tilted}, or survival: hybrid"
            refuse(("scan.survival", text))
        return self

    @model_validator(mode="after")
    def _its_points(self) -> Self:
        refuse(*self.hypothesis.faults(self))
        self.scan.fill(lambda: tuple(at.folder.name for at in self.all_points))
        return self

    @model_validator(mode="after")
    def _a_background_for_every_ring(self) -> Self:
        refuse(*angles.grid_faults(self))
        return self

    @model_validator(mode="after")
    def _who_reads_the_data(self) -> Self:
        refuse(*engines.faults(self))
        return self

    @model_validator(mode="after")
    def _something_to_reach(self) -> Self:
        goals = (self.goal.sensitivity_error, self.goal.discovery_error, self.goal.local_sigma)
        if self.adaptive.max_rounds and goals == (None, None, None):
            text = "found rounds, but no goal that they could reach; write e.g. goal: {sensitivity_error: 0.03}"
            refuse(("adaptive", text))
        return self

    @model_validator(mode="after")
    def _strata_are_read(self) -> Self:
        if self.signal.strata and self.sensitivity.method != "strata":
            text = f"found {self.sensitivity.method}, which cannot mix exact numbers of events; write method: strata"
            refuse(("sensitivity.method", f"{text}, or leave out signal.strata"))
        return self

    @model_validator(mode="after")
    def _angles(self) -> Self:
        """A p-value is interpolated between background declinations and never extrapolated; angles are degrees."""
        refuse(*angles.faults(self))
        return self

    @model_validator(mode="after")
    def _countable(self) -> Self:
        refuse(*size_limits.faults(self))
        return self

    @property
    def signal_decs(self) -> tuple[float, ...]:
        """Declinations of the signal trials, in degrees, increasing; each has background trials too."""
        return grid_values(self.signal.dec_deg) or self.background.decs

    @property
    def signal_points(self) -> tuple[Point, ...]:
        """Points with signal trials, in the order of the plan."""
        if self.signal.dec_deg is None:
            return self.all_points
        chosen = frozenset(self.signal_decs)
        return tuple(at for at in self.all_points if at.dec_deg in chosen)

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about values that are allowed."""
        note = self.scan.unit_note()
        return () if note is None or self.small_angles else (f"scan: {note}",)

    @property
    def all_points(self) -> tuple[Point, ...]:
        """Points with background and signal trials, in the order of the plan."""
        return self.hypothesis.points(self)

    def at(self, dec_deg: float) -> Point:
        """Point of a declination (deg), on the background grid or not."""
        return declination(dec_deg, levels.decimals(self.background.decs), self.signal.extension_deg)

    def point_of(self, args: Mapping[str, Any]) -> Point:
        """Point of the arguments of a task, which are the address of its node in the plan.

        Raises
        ------
        SpecError
            The spec has no point of that name.
        """
        if "point" not in args:
            return self.at(args["dec"])
        point = self.hypothesis.named(self, args["point"])
        if point is None:
            names = ", ".join(at.folder.name for at in self.all_points[:12])
            raise SpecError(f"--point={args['point']}: the spec has no such point; it has {names or 'none'}")
        return point

    @property
    def healpix(self) -> HealpixScan:
        """The scan, if it is one of the whole sky; else SpecError is raised."""
        if isinstance(self.scan, HealpixScan):
            return self.scan
        raise SpecError(f"this analysis scans no whole sky: there is no map; scan.kind is {self.scan.kind}")


def _maps(section: Any) -> map_defaults.Rings | None:
    """Return nsides and range of a raw scan section; None if it is no map, or wrong."""
    try:
        scan = HealpixScan.model_validate(section)
    except ValidationError:
        return None
    return (scan.nside, scan.map_nside or scan.nside), scan.dec_min_deg, scan.dec_max_deg
