"""The section ``scan`` of an analysis that scans no sky: trials, sensitivities and discovery potentials only."""

from typing import Annotated, ClassVar, Literal

from worker.spec.post_trial import PostTrialTail
from worker.spec.scan_section import DECISION, KIND, SCAN, ScanSection, Survival


class NoScan(ScanSection):
    """No sky; p-values of trials at a point."""

    sky_bands: ClassVar[int] = 1
    bands: ClassVar[int] = 1
    n_skies: ClassVar[int] = 0
    skies_per_file: ClassVar[int] = 1
    dec_min_deg: ClassVar[float] = -90.0
    dec_max_deg: ClassVar[float] = 90.0
    dec_split_deg: ClassVar[float] = 0.0
    interpolation: ClassVar[Literal["linear"]] = "linear"

    post_trial: ClassVar[PostTrialTail] = PostTrialTail()

    affects = SCAN
    kind: Annotated[Literal["none"], KIND]
    survival: Annotated[Survival, DECISION] = "counted"
