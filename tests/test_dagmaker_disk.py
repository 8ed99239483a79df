"""Disk space that is asked for: never below what a process leaves in its own folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dagmaker.cost import disk
from dagmaker.htcondor import render
from dagmaker.htcondor.build import build
from dagmaker.plan import plan, sites
from tests.conftest import ROOT
from tests.dagmaker_spec import spec
from worker.rundir import layout

SHARED = sites.Site(name="shared")
ELSEWHERE = SHARED.model_copy(update={"transfer": True})


def asked(task: str, site: sites.Site = ELSEWHERE, **changes: object) -> int:
    made = spec(**{"resources": "{target_hours: 2}", **changes})
    return disk.asked_mb(plan.make(made, ""), made, site, task)


def test_the_specs_own_number_where_the_plan_does_not_size() -> None:
    assert asked("bg_trials", resources="{request_disk_mb: 321}") == 321


def test_a_shared_disk_needs_almost_nothing_and_an_image_a_lot() -> None:
    assert asked("bg_trials", SHARED) == 50
    assert asked("collect_bg") == 50, "it runs on the submit host, in the run directory"
    assert asked("bg_trials", ELSEWHERE.model_copy(update={"container_image": "image.sif"})) > 1.4 * disk.IMAGE_MB


def test_more_trials_skies_and_pixels_need_more() -> None:
    assert asked("bg_trials", n_bg=10**8) > 3 * 2.4e3
    assert asked("scan_trials", n_skies=10**6) > 1.4 * 10**6 * 16 * 32 / 1e6
    assert asked("scan_map", map_nside=1024) > 1.4 * 12 * 1024**2 * 24 / 1e6


def test_what_the_pilot_found_of_the_prepared_data_counts() -> None:
    made = spec(resources="{target_hours: 2}")
    pilot = {"pilot_version": 1, "cpu": "a processor", "prepared_mb": 4000.0}
    raw = made.model_dump(mode="json")
    raw["resources"]["pilot"] = pilot
    tried = type(made).model_validate(raw)
    assert disk.asked_mb(plan.make(tried, ""), tried, ELSEWHERE, "bg_trials") > 4000


def test_it_stands_in_the_submit_file() -> None:
    made = spec(resources="{target_hours: 2}", n_bg=10**8)
    texts = dict(render.files(plan.make(made, ""), made, ELSEWHERE, render.local_place(Path("/r")), ""))
    assert f"request_disk = {asked('bg_trials', n_bg=10**8)}MB\n" in texts["bg_trials.sub"]


@pytest.mark.slow
def test_a_folder_of_its_own_stays_within_what_is_needed(tmp_path: Path) -> None:
    """What travels in, what is compiled there, and the output: as without a shared disk."""
    made = spec(resources="{target_hours: 2}", n_bg=200_000)
    build(made, tmp_path / "run")
    compiling = {"PATH": os.environ["PATH"], "HOME": ".", "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": ".numba"}

    def worker(folder: Path, environment: dict[str, str], *argv: str) -> None:
        subprocess.run([sys.executable, "-m", "worker", *argv, "--run=."], cwd=folder, env=environment, check=True)

    worker(tmp_path / "run", os.environ | {"PYTHONPATH": str(ROOT)}, "prepare")
    place = tmp_path / "sandbox"
    for name in (layout.PLAN, *render.INPUT_FILES, *render.TABLE_FILES):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "run" / name, place / name)
    worker(place, compiling, "bg_trials", "--dec=5", "--n=200000")
    used = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
    needed = disk.needed_mb(plan.make(made, ""), made, ELSEWHERE, "bg_trials")
    assert 0.2 * needed < used < needed
