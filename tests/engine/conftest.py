"""A small made-up season, and the real semi-real one where there is data."""

import numpy as np
import pytest

from worker import data
from worker.engine import analysis as engine
from worker.specfile import loads

SPEC = """
version: 1
name: small
seed: 7
data: {format: synthetic, n_events: %d, livetime_days: 100.0}
background: {dec_deg: [-30, 5, 60], n_trials: 10}
signal: {n_sig: [2, 5, 10], n_trials: 10}
scan: {nside: 4, n_skies: 2}
"""
GAMMAS = np.arange(1.0, 4.0 + 1e-9, 1 / 16)
CUTS = engine.Cuts(GAMMAS, 5.0, float(np.radians(0.2)), float(np.radians(5.0)))


@pytest.fixture(scope="session")
def dataset():
    return data.read(loads(SPEC % 40_000))


@pytest.fixture(scope="session")
def analysis(dataset):
    return engine.build(dataset, CUTS)
