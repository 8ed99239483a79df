"""Sections of the spec about a run: unblinding, resources, goals, rounds."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from worker.base.bounds import MAX_ROUNDS
from worker.base.task_rows import REPORT
from worker.spec.checklist import CheckName
from worker.spec.fields import (
    Affects,
    Count,
    Model,
    Number,
    Whole,
)
from worker.spec.pilot import Pilot
from worker.spec.task_resources import TaskTable

Words = Annotated[str, Field(max_length=2000)]
BOUND = Affects(decides="rounds", decision=True)
APPROVAL = Affects(decides="nothing")


class Unblind(Model):
    """Approval to open the real sky, the quoted significance, and waived checks."""

    affects = Affects(
        "approval and waivers: no number; a token holds for the waivers that it was given for", again=(REPORT,)
    )
    token: Annotated[Words | None, APPROVAL] = None
    approved_by: Annotated[Words | None, APPROVAL] = None
    date: Annotated[Words | None, APPROVAL] = None
    reason: Annotated[Words | None, APPROVAL] = None
    waive: Annotated[tuple[CheckName, ...], Field(strict=False), APPROVAL] = ()
    quote_nsigma: Annotated[Number, Field(gt=0, le=6)] = 3.0


class Resources(Model):
    """Requests of a process to the batch system."""

    affects = Affects("what processes ask for: no number", decides="nothing")
    request_cpus: Annotated[Whole, Field(ge=1, le=1024)] = 1
    request_memory_mb: Annotated[Whole, Field(ge=100, le=10**7)] = 1000
    request_disk_mb: Annotated[Whole, Field(ge=10, le=10**8)] = 500
    gpu: bool = False
    max_retries: Annotated[Whole, Field(ge=0, le=20)] = 2
    time_limit_hours: Annotated[Number, Field(gt=0, le=720)] | None = None
    accounting_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128)] | None = None
    target_hours: Annotated[Number, Field(ge=0.0001, le=720)] | None = None
    max_memory_mb: Annotated[Whole, Field(ge=100, le=10**7)] | None = None
    tasks: TaskTable = Field(default_factory=dict)
    pilot: Annotated[Pilot | None, WithJsonSchema({"type": ["string", "null"], "default": None})] = None


class Goal(Model):
    """Goals of the analysis; counts of trials that are written ``goal`` are computed from them."""

    affects = Affects(
        "what is to be claimed, from which counts are suggested: no number", decides="rounds", decision=True
    )
    local_sigma: Annotated[Number, Field(gt=0, le=7)] | None = None
    post_trial_sigma: Annotated[Annotated[Number, Field(gt=0, le=5)] | None, Affects(decides="rounds")] = None
    sensitivity_error: Annotated[Number, Field(ge=0.001, le=0.5)] | None = None
    discovery_error: Annotated[Number, Field(ge=0.001, le=0.5)] | None = None


class Adaptive(Model):
    """Rounds of further trials at points that miss a goal, and the most that they may add."""

    affects = Affects(
        "rounds of further trials: those that are there stay, results follow the new ones", decides="rounds"
    )
    max_rounds: Annotated[Whole, Field(ge=0, le=MAX_ROUNDS)] = 3
    max_signal_trials: Annotated[Count, BOUND] = 50000
    max_background_trials: Annotated[Count, BOUND] = 1000000


def switch(value: Any) -> Any:
    """Convert ``adaptive: true`` to the section with its defaults, ``false`` to one without rounds."""
    return {True: {}, False: {"max_rounds": 0}}[value] if isinstance(value, bool) else value
