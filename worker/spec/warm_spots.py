"""The sections ``scan.warm_spots`` and ``scan.population`` of the spec: local maxima of a sky, and a test of many."""

import math
from typing import Annotated

from pydantic import Field

from worker.base.task_rows import COLLECT_SCAN, POST_TRIAL, SCAN_TRIALS
from worker.spec.fields import Affects, Count, Model, Number, Positive

SKIES = Affects("what is kept of background skies: all of them are made again", trials=(SCAN_TRIALS,))
TEST = Affects("the population test: made again from the same skies", again=(COLLECT_SCAN, POST_TRIAL))


class WarmSpots(Model):
    """Local maxima of TS that every background sky keeps, beside the largest TS of each ring."""

    affects = SKIES
    min_ts: Annotated[Positive, SKIES] = 10.0
    most: Annotated[Count | None, SKIES] = None

    def places(self, n_pix: int) -> int:
        """Places in a file of skies for the warm spots of one sky with `n_pix` pixels.

        Without `most`: six standard deviations more than a chi2 distribution of two degrees of freedom in half of all
        pixels would give, if every pixel were a maximum.
        """
        mean = 0.5 * n_pix * math.exp(-0.5 * self.min_ts)
        return self.most or min(n_pix, math.ceil(mean + 6.0 * math.sqrt(mean)) + 16)


class Population(Model):
    """Test of the number of warm spots, at the best threshold."""

    affects = TEST
    min_separation_deg: Annotated[Number, Field(gt=0, le=30), TEST] = 1.0
