"""The section ``scan.post_trial`` of the spec: how the tail of the hottest spot's p-value is obtained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from worker.base.task_rows import COLLECT_SCAN, PATCH_TRIALS, POST_TRIAL
from worker.spec.fields import Affects, Count, Model, Number, refuse

_CUT = Affects("how patches are cut into files: the patches are the same, the files are not", decides="nothing")
_MORE = Affects("more or fewer patches of the same stream")
_GEOMETRY = Affects("which pixels belong to a patch: all patches", trials=(PATCH_TRIALS,))
_TAIL = Affects("patches for the tail of post-trial p-values: these are made again", again=(COLLECT_SCAN, POST_TRIAL))
Angle = Annotated[Number, Field(gt=0, le=30)]


class PostTrialTail(Model):
    """Patches of tilted skies, beside the background skies."""

    affects = _TAIL
    tail: Annotated[Literal["none", "patches"], _TAIL] = "none"
    n_patches: Annotated[Count, _MORE] = 4096
    patches_per_file: Annotated[Count, _CUT] = 1024
    radius_deg: Annotated[Angle, _GEOMETRY] = 2.5
    separation_deg: Annotated[Angle, _GEOMETRY] = 4.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.separation_deg < self.radius_deg:
            text = f"found {self.separation_deg:g}; must not be smaller than radius_deg = {self.radius_deg:g}"
            refuse(("separation_deg", f"{text}: hot spots are told apart within it; write e.g. separation_deg: 4"))
        return self
