"""Measurements of a pilot as a section of the spec: set-up time, time per unit and memory of each kind of task.

The units are trials (bg_trials, tail_trials, sig_trials) and pixels (scan_trials, scan_map; a sky has as many as its
scan).
"""

from typing import Annotated, Literal

from pydantic import Field

from worker.spec.fields import DecDeg, Model, Number, Positive, Whole

NotNegative = Annotated[Number, Field(ge=0)]


class Rate(Model):
    """CPU time of one unit at one point."""

    dec_deg: DecDeg | None = None
    n_sig: NotNegative | None = None
    nside: Whole | None = None
    unit_s: Positive
    unit_s_error: NotNegative


class KindCost(Model):
    """One kind of task.

    A process takes ``start_s + start_unit_s * pixels + unit_s * units`` seconds of CPU time, where `pixels` are those
    of its declination band (0 for trials at one declination).
    """

    start_s: NotNegative
    start_s_error: NotNegative
    start_unit_s: NotNegative = 0.0
    memory_mb: Positive
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, strict=False)]
    warning: str | None = None


class Reach(Model):
    """Estimates of the sensitivity and the highest discovery potential (events) of a point: a declination or a name."""

    dec_deg: DecDeg | None = None
    point: str | None = None
    gamma: Number | None = None
    sensitivity: Positive
    discovery: Positive


class Pilot(Model):
    """Measured kinds of tasks; the built-in model is used for others.

    `prepared_mb` is the size of the prepared data; ``signal.n_sig: goal`` is computed from `reach`.
    """

    pilot_version: Literal[1]
    cpu: str
    prepared_mb: Positive | None = None
    bg_trials: KindCost | None = None
    tail_trials: KindCost | None = None
    sig_trials: KindCost | None = None
    scan_trials: KindCost | None = None
    scan_map: KindCost | None = None
    patch_trials: KindCost | None = None
    reach: Annotated[tuple[Reach, ...], Field(min_length=1, strict=False)] | None = None
