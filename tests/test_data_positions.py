"""Right ascensions for unblinding: those of the events of the data set, in their order, and nowhere else."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data_release import EVENTS_7, write_lines, write_release
from worker import data
from worker.data.clean import clean_events, event_order
from worker.spec.sections import Spec

ROOT = Path(__file__).resolve().parents[1]


def spec(described: dict[str, Any]) -> Spec:
    return Spec.model_validate(
        {
            "version": 1,
            "name": "a",
            "seed": 5,
            "data": described,
            "likelihood": {"sigma_max_deg": 0.8},
            "background": {"tail": "none", "dec_deg": (-85.0, 85.0), "n_trials": 1},
            "signal": {"n_sig": (1.0, 2.0, 3.0), "n_trials": 1},
            "scan": {"n_skies": 1},
        }
    )


def measured(n: int, seed: int) -> np.ndarray:
    """(n, 5): MJD, log10 E, sigma, RA, dec; declinations repeat, so that energy and sigma decide the order."""
    rng = np.random.default_rng(seed)
    columns = (
        55000.1 + 1e-4 * np.arange(n),
        rng.integers(20, 24, n) / 10,
        rng.integers(0, 13, n) / 10,
        rng.permutation(n) * 360 / n,
        rng.integers(-9, 9, n) * 10.0,
    )
    return np.round(np.column_stack(columns), 4)


def of_events(season: Any) -> np.ndarray:
    return np.column_stack([season.events.dec, season.events.log_e, season.events.sigma]).astype(float)


def of_rows(rows: np.ndarray, ra: np.ndarray) -> np.ndarray:
    """What is measured of the events that have these right ascensions (rad), as a data set has it."""
    table = {round(float(np.deg2rad(row[3])), 9): row for row in rows}
    found = np.array([table[round(float(a), 9)] for a in ra])
    sigma = np.where((found[:, 2] > 0) & (found[:, 2] <= 0.8), np.deg2rad(found[:, 2]), 0)
    return np.column_stack([np.deg2rad(found[:, 4]), found[:, 1], sigma])


def times_of(rows: np.ndarray, ra: np.ndarray) -> np.ndarray:
    """Times of the rows that have these right ascensions (rad)."""
    table = {round(float(np.deg2rad(row[3])), 9): row[0] for row in rows}
    return np.array([table[round(float(a), 9)] for a in ra])


def test_positions_of_a_track_release_are_those_of_its_events(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC40", "IC86_I"), ("IC40", "IC86"))
    rows = {name: measured(n, n) for name, n in (("IC86_I", 300), ("IC40", 200))}
    for name, values in rows.items():
        lines = [" ".join(f"{v:.4f}" for v in row) + " 0 0" for row in values]
        write_lines(folder / "events" / f"{name}_exp.csv", EVENTS_7, lines)
    described = spec({"format": "icetracks", "dir": str(folder), "seasons": tuple(rows)})
    dataset, positions = data.read(described), data.read_positions(described)
    assert len(positions) == 2
    for season, (ra, mjd) in zip(dataset.seasons, positions, strict=True):
        assert ra.dtype == np.float64
        np.testing.assert_array_equal(mjd, times_of(rows[season.name], ra))
        np.testing.assert_allclose(of_rows(rows[season.name], ra), of_events(season), rtol=1e-6, atol=1e-9)
        assert sorted(ra) == pytest.approx(sorted(np.deg2rad(rows[season.name][:, 3])))


def test_positions_of_the_first_year_are_those_of_its_events(tmp_path: Path) -> None:
    write_release(tmp_path / "tracks")
    up, down = measured(50, 1), measured(40, 2)
    down[:, 3] += 0.5
    for name, values in (("upgoing", up), ("downgoing", down)):
        text = "".join(" ".join(f"{v:.4f}" for v in row) + "\n" for row in values)
        (tmp_path / f"{name}_events.txt").write_text("MJD log10(E) ang_err RA Dec\n" + text)
    area = "# E_min[GeV] E_max[GeV] cos(zenith)_min cos(zenith)_max Aeff[m^2]\n 1e2 1e9 -1 1 1e3\n"
    (tmp_path / "TabulatedAeff.txt").write_text(area)
    (tmp_path / "AngRes.txt").write_text("1.3, 2.5\n0.4, 5.5\n")
    described = spec({"format": "ic86_2011", "dir": str(tmp_path)})
    ((ra, mjd),) = data.read_positions(described)
    season = data.read(described).seasons[0]
    np.testing.assert_allclose(of_rows(np.concatenate([up, down]), ra), of_events(season), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(mjd, times_of(np.concatenate([up, down]), ra))
    assert season.runs is None


def test_made_up_positions_are_uniform_and_their_own() -> None:
    described = spec({"format": "synthetic", "n_events": 4000})
    ((ra, mjd),) = data.read_positions(described)
    season = data.read(described).seasons[0]
    assert ra.shape == mjd.shape == season.events.dec.shape
    assert season.runs is not None
    assert season.runs.livetime.sum() == pytest.approx(season.livetime_days, rel=1e-12)
    expected = 4000 * season.runs.livetime / season.livetime_days
    assert season.runs.n_events.sum() == 4000, "no event in a gap"
    assert ((season.runs.n_events - expected) ** 2 / expected).sum() < len(expected) + 4 * np.sqrt(2 * len(expected))
    counts, _ = np.histogram(ra, 20, (0, 2 * np.pi))
    assert ((counts - 200) ** 2 / 200).sum() < 19 + 4 * np.sqrt(38)
    for column in season.events:
        assert abs(np.corrcoef(ra, column)[0, 1]) < 4 / np.sqrt(4000)
        assert abs(np.corrcoef(mjd, column)[0, 1]) < 4 / np.sqrt(4000)
    assert abs(np.corrcoef(mjd, ra)[0, 1]) < 4 / np.sqrt(4000)


def test_the_order_is_that_of_the_cleaned_events() -> None:
    _, log_e, sigma, _, dec = measured(500, 3).T
    sigma[::50] = np.nan
    order = event_order(dec, sigma, log_e, sigma_max_deg=0.8)
    events, _ = clean_events(dec, sigma, log_e, sigma_max_deg=0.8)
    np.testing.assert_array_equal(np.deg2rad(dec[order]).astype(np.float32), events.dec)
    np.testing.assert_array_equal(log_e[order].astype(np.float32), events.log_e)
    other = event_order(dec, sigma, log_e, sigma_max_deg=0.3)
    assert (order != other).any(), "an order that does not know sigma_max_deg is another one"


def test_only_unblinding_asks_for_positions() -> None:
    """Modules outside the readers that name read_positions."""
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "worker").rglob("*.py")
        if path.parent.name != "data"
        and any(
            (isinstance(node, ast.Attribute) and node.attr == "read_positions")
            or (isinstance(node, ast.ImportFrom) and any(a.name == "read_positions" for a in node.names))
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    assert users == {"worker/tasks/blinded_positions.py"}, "the real sky stays closed"
