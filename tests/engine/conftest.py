"""A small made-up season, and the real semi-real one where there is data."""

import dataclasses

import numpy as np
import pytest

from worker import data
from worker.engines.builtin import analysis as engine
from worker.spec.specfile import loads

SPEC = """
version: 1
name: small
seed: 7
data: {format: synthetic, n_events: %d, livetime_days: 100.0}
background: {tail: none, dec_deg: [-30, 5, 60], n_trials: 10}
signal: {n_sig: [2, 5, 10], n_trials: 10}
scan: {nside: 4, n_skies: 2, dec_min_deg: -30, dec_max_deg: 60}
"""
GAMMAS = np.arange(1.0, 4.0 + 1e-9, 1 / 16)
CUTS = engine.Cuts(GAMMAS, 5.0, float(np.radians(0.2)), float(np.radians(5.0)))


@pytest.fixture(scope="session")
def dataset():
    return data.read(loads(SPEC % 40_000))


def with_another(dataset):
    """A made-up season beside a smaller one with its own events and half the effective area."""
    other = data.read(loads((SPEC % 15_000).replace("seed: 7", "seed: 8"))).seasons[0]
    area = other.area._replace(area_cm2=0.5 * other.area.area_cm2)
    smaller = dataclasses.replace(other, name="other", livetime_days=80.0, area=area)
    return dataclasses.replace(dataset, seasons=(dataset.seasons[0], smaller))


@pytest.fixture(scope="session")
def two_seasons(dataset):
    return engine.build(with_another(dataset), CUTS)


@pytest.fixture(scope="session")
def analysis(dataset):
    return engine.build(dataset, CUTS)
