"""Catalogues in the same skies: implements `worker.hypotheses.protocol`.

Each catalogue is a point with trials of its own, so all of `worker.hypotheses.points.skies` holds. Of the real sky,
each source also gets its part of the signal, and the TS of the catalogue without it.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.engines.protocol import Engine
from worker.hypotheses.points.skies import PointSkies
from worker.hypotheses.protocol import F64, Sky, Tsds
from worker.spec.point import Point
from worker.spec.stacking import catalogues_of

LEFT_OUT = 20
"""Sources of a catalogue, those with most events, of which TS is fitted without them."""


class StackSkies(PointSkies):
    """The scan of catalogues."""

    def sky_result(self, sky: Sky, tsds: Tsds) -> dict[str, Any]:
        """Every catalogue, and the hottest."""
        return super().sky_result(sky, tsds) | {"kind": "stacking"}

    def name_of(self, at: Point) -> str:
        """Name of a catalogue in the spec."""
        return str(at.labels["catalogue"])

    def of_real_sky(self, engine: Engine, turn: F64, result: Mapping[str, Any]) -> dict[str, Any]:
        """Sources of each catalogue with most events, by catalogue (``catalogues``)."""
        return {"catalogues": {
            row["catalogue"]: self._sources(engine, turn, at, row)
            for at, row in zip(self.points, result["points"], strict=True)
        }}  # fmt: skip

    def _sources(self, engine: Engine, turn: F64, at: Point, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        entries = catalogues_of(self.spec)[row["catalogue"]].entries
        shares = engine.source_shares(at, self.spec.signal.gammas[0])
        parts = engine.source_parts(at, turn, row, LEFT_OUT)
        first = np.argsort(-parts["events"], kind="stable")[:LEFT_OUT]
        return [
            {
                "name": entries[k].name, "ra_deg": entries[k].ra_deg, "dec_deg": entries[k].dec_deg,
                "share": float(shares[k]), "events": float(parts["events"][k]),
                "ts_without": None if math.isnan(parts["ts_without"][k]) else float(parts["ts_without"][k]),
            }
            for k in first
        ]  # fmt: skip
