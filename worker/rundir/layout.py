"""Paths of all files of a run, relative to the run directory: csky's tree for trials, ours for results.

Functions of names only: nothing here touches the disk.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from worker.base import task_rows
from worker.base.errors import SpecError
from worker.base.task_rows import ROWS
from worker.rundir.cuts import Cut
from worker.spec.levels import gamma_level, nsig_level
from worker.spec.point import Point, Value

_BAND = re.compile(r"([0-9]{1,6})of([0-9]{1,6})")

SPEC = PurePosixPath("analysis.yaml")
PLAN = PurePosixPath("plan.json")
BUILD = PurePosixPath("build.json")
DAG = PurePosixPath("analysis.dag")
DATA = PurePosixPath(ROWS[task_rows.PREPARE].file)
TABLES = PurePosixPath("prepared/tables.npz")
SEALED = PurePosixPath("sealed/positions.npz")
ENGINE = PurePosixPath("prepared/engine.json")
ENGINE_FILES = PurePosixPath("prepared/engine")
RESULTS = PurePosixPath("results")
BACKGROUND = PurePosixPath(ROWS[task_rows.DISTRIBUTIONS].file)
SENSITIVITY = PurePosixPath(ROWS[task_rows.SENSITIVITY].file)
SCAN = PurePosixPath(ROWS[task_rows.COLLECT_SCAN].file)
POST_TRIAL = PurePosixPath(ROWS[task_rows.POST_TRIAL].file)
LIMITS = PurePosixPath(ROWS[task_rows.UPPER_LIMITS].file)
WARM_SPOTS = RESULTS / "warm_spots.npy"
PRIORS = RESULTS / "priors.npy"
PRIOR_SIGNAL = RESULTS / "prior_signal.npy"
SUMMARY = RESULTS / "summary.json"
REPORT = PurePosixPath(ROWS[task_rows.REPORT].file)
DATA_PAGE = PurePosixPath("report/data.html")
REPORT_RECORD = PurePosixPath("report/record.json")
CRATE = PurePosixPath("ro-crate-metadata.json")
ROUNDS = PurePosixPath("rounds")
UNBLINDED = PurePosixPath("unblinded")
OPENED = UNBLINDED / "opened.json"
UNBLINDED_RESULTS = UNBLINDED / "results.json"
UNBLINDING_LOG = PurePosixPath("openings/log.jsonl")
CERTIFICATE = PurePosixPath("review/certificate.json")


FILES_PER_FOLDER = 5000
"""Most outputs and records in a folder of trials or skies; further ones go into folders below it."""
PART = "part"
"""Argument of tasks that make trials: the first trial of a folder below."""


def trials_name(n: int, seed: int, first: int = 0) -> str:
    """``trials__N_001000_seed_0000.npy``, with ``_first_0003000`` where the cut does not start the stream."""
    suffix = f"_first_{first:07d}" if first else ""
    return f"trials__N_{n:06d}_seed_{seed:04d}{suffix}.npy"


def part_dir(folder: PurePosixPath, part: int) -> PurePosixPath:
    """The folder itself, or ``first_0250000`` below it: files of trials from `part` on."""
    return folder / f"first_{part:07d}" if part else folder


def part_address(part: int) -> dict[str, int]:
    """Return the part of a file's address that names its folder; empty in a small plan."""
    return {PART: part} if part else {}


def point(task: str, args: Mapping[str, Value]) -> tuple[Any, ...]:
    """Return the stream of a node: task and address, without the folder of its files."""
    return (task, *sorted((key, value) for key, value in args.items() if key != PART))


def record_name(file: PurePosixPath) -> PurePosixPath:
    """The sidecar record of an output file: digest, versions, host, times, memory, sha256."""
    return file.with_suffix(".json")


def trials_dir(name: str) -> PurePosixPath:
    """Root of csky's tree."""
    return PurePosixPath("trials") / name


def tree(name: str, task: str) -> PurePosixPath:
    """Root of all files of a task that makes many."""
    return trials_dir(name) / ROWS[task].folder


def bg_dir(name: str, at: Point) -> PurePosixPath:
    """Background trials of a point."""
    return tree(name, task_rows.BG_TRIALS) / at.folder


def tail_dir(name: str, at: Point) -> PurePosixPath:
    """Tilted background trials of a point."""
    return tree(name, task_rows.TAIL_TRIALS) / at.folder


def tilts_file(name: str, at: Point) -> PurePosixPath:
    """Tilts of a point, as its pilot chose them: n, gamma and share."""
    return trials_dir(name) / "tilts" / f"{at.folder}.npz"


def sig_dir(name: str, at: Point, n_sig: float, nsig_places: int = 1, gamma: float | None = None) -> PurePosixPath:
    """Signal trials of a point and signal strength; `gamma` if there are several spectra."""
    return _of_gamma(tree(name, task_rows.SIG_TRIALS), gamma) / at.folder / "nsig" / nsig_level(n_sig, nsig_places)


def reach_file(name: str, at: Point) -> PurePosixPath:
    """Sensitivity estimate of a pilot at a point."""
    return trials_dir(name) / "reach" / f"{at.folder}.json"


def _of_gamma(root: PurePosixPath, gamma: float | None) -> PurePosixPath:
    return root if gamma is None else root / "gamma" / gamma_level(gamma)


def scan_dir(name: str, level: str) -> PurePosixPath:
    """Background skies; `level` is that of the scan section, such as ``nside/064``."""
    return tree(name, task_rows.SCAN_TRIALS) / level


def patches_dir(name: str, level: str) -> PurePosixPath:
    """Patches of tilted skies; `level` as of `scan_dir`."""
    return tree(name, task_rows.PATCH_TRIALS) / level


def patches_name(n: int, seed: int, first: int = 0) -> str:
    """``patches__N_001024_seed_0000.npy``, as `trials_name`."""
    return trials_name(n, seed, first).replace("trials__", "patches__")


def sky_name(folder: PurePosixPath, n: int, seed: int, first: int = 0, band: tuple[int, int] | None = None) -> str:
    """Return the name of a file of background skies; `folder` lies below that of its kind of scan."""
    from worker.spec.scan import SCANS  # pydantic: not for the front end

    stem = next((kind.file_stem for kind in SCANS.values() if (kind.folder,) == folder.parts[3:4]), "skies")
    suffix = "" if band is None else f"_band_{band[0]:02d}_of_{band[1]:02d}"
    return trials_name(n, seed, first).replace("trials__", f"{stem}__").replace(".npy", f"{suffix}.npy")


def map_dir(name: str, level: str) -> PurePosixPath:
    """TS, ns and gamma of the observed sky, one file per declination band; `level` as of `scan_dir`."""
    return tree(name, task_rows.SCAN_MAP) / level


def band_name(band: int, n_bands: int) -> str:
    """``map__band_00_of_04.npy``."""
    return f"map__band_{band:02d}_of_{n_bands:02d}.npy"


def names(
    task: str, folder: PurePosixPath, seed: int, cuts: Iterable[Cut], bands: int
) -> Iterator[tuple[str, int, int, tuple[int, int] | None]]:
    """(file name, n, first, band) of every output of a node with many, in the order of its processes."""
    if not ROWS[task].is_stream:
        yield from ((band_name(band, bands), 0, 0, (band, bands)) for band in range(bands))
        return
    at_point = ROWS[task].at_point
    for first, n in cuts:
        if at_point or not ROWS[task].scans_skies:
            yield (trials_name if at_point else patches_name)(n, seed, first), n, first, None
            continue
        for band in range(bands):
            part = (band, bands) if bands > 1 else None
            yield sky_name(folder, n, seed, first, part), n, first, part


def bg_collected(at: Point) -> PurePosixPath:
    """All background TS of a point: sorted positive values and the count of trials."""
    return PurePosixPath("collected/bg") / f"{at.folder}.npz"


def sig_collected(at: Point, gamma: float | None = None) -> PurePosixPath:
    """All signal trials of a point, by n_sig; `gamma` if there are several spectra."""
    return _of_gamma(PurePosixPath("collected/sig"), gamma) / f"{at.folder}.npz"


def files_of(collected: PurePosixPath) -> PurePosixPath:
    """Records of all files in a collected one: path, sha256, n, times, host."""
    return collected.with_suffix(".files.json")


def timing_file(stage: str) -> PurePosixPath:
    """Cost of a stage whose outputs have no records."""
    return RESULTS / "timing" / f"{stage}.json"


def decision(number: int) -> PurePosixPath:
    """Decision before round `number`: points that miss the goal, and the trials to add."""
    return ROUNDS / f"round_{number}.json"


def round_plan(number: int) -> PurePosixPath:
    """Nodes of a round; absent until they are made from its decision."""
    return ROUNDS / f"round_{number}.plan.json"


def round_dag(number: int) -> PurePosixPath:
    """DAG of a round; absent if it adds nothing."""
    return ROUNDS / f"round_{number}.dag"


def map_file(nside: int, suffix: str = ".npy") -> PurePosixPath:
    """The observed sky: -log10 p, TS, ns, gamma, (4, npix)."""
    return RESULTS / f"map_nside_{nside:03d}{suffix}"


def unblinded_map(nside: int, suffix: str = ".npy") -> PurePosixPath:
    """The real sky, as `map_file`."""
    return UNBLINDED / map_file(nside, suffix).name


def skies_file(region: str = "all") -> PurePosixPath:
    """Hottest spots of all background skies, in a region."""
    return RESULTS / f"skies_{region}.npy"


def patches_file(region: str = "all") -> PurePosixPath:
    """Hot spots of all patches in a region, with their weights."""
    return RESULTS / f"patches_{region}.npy"


def binomial_file(region: str = "all") -> PurePosixPath:
    """Binomial tests over a list of sources of all background skies, in a region."""
    return RESULTS / f"binomial_{region}.npy"


def sums_file() -> PurePosixPath:
    """Sums of TS over the sources of windows of all background skies."""
    return RESULTS / "sums.npy"


def parse_band(text: str) -> tuple[int, int]:
    """Parse ``2of8`` to (2, 8), or raise SpecError."""
    match = _BAND.fullmatch(text)
    if not match or int(match[1]) >= int(match[2]) or int(match[2]) > 512:
        raise SpecError(f"--band={text}: must be BANDofBANDS with BAND from 0 to BANDS - 1; write e.g. --band=2of8")
    return int(match[1]), int(match[2])
