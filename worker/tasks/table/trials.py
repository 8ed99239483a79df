"""Tasks that make trials, skies and maps, and the tilts that some are drawn from."""

from pathlib import Path
from typing import Annotated

from worker.base.argument import Argument, Dec, First, Gamma, N, Part, Point, Run, Seed
from worker.base.startup import light_import


def prepare(*, run: Run) -> None:
    """Read the data of the spec once, clean them, and keep them as one small file.

    Writes RUN/prepared/data.npz, which every later task opens in well under a second. Prints what cleaning did.

    Examples
    --------
    worker prepare --run=runs/example
    """
    with light_import():
        from worker.tasks.prepare import prepare as task
    task(Path(run))


def bg_trials(
    *, run: Run, dec: Dec = None, n: N, seed: Seed = 0, first: First = 0, part: Part = 0, point: Point = None
) -> None:
    """Background trials of one point: TS, ns and gamma of scrambled data.

    Writes trials [first, first + n) of the stream of (point, seed), the same ones however the stream is cut:
    RUN/trials/NAME/bg/dec/+005/trials__N_001000_seed_0000.npy

    Examples
    --------
    worker bg_trials --run=runs/example --dec=5 --n=1000 --seed=0
    """
    with light_import():
        from worker.tasks.trials import bg_trials as task
    task(Path(run), dec=dec, n=n, seed=seed, first=first, part=part, point=point)


def tail_pilot(*, run: Run, dec: Dec = None, point: Point = None) -> None:
    """Choose the tilts of one point: from what distributions its tilted background trials are drawn.

    Writes RUN/trials/NAME/tilts/dec/+005.npz with n, gamma and share of every tilt: from 1,024 trials on a grid of
    tilts, or those that the spec lists. Tilts with a share of 0 are evaluated as a check.

    Examples
    --------
    worker tail_pilot --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.tail import tail_pilot as task
    task(Path(run), dec=dec, point=point)


def tail_trials(
    *, run: Run, dec: Dec = None, n: N, seed: Seed = 0, first: First = 0, part: Part = 0, point: Point = None
) -> None:
    """Tilted background trials of one point: as bg_trials, but most have a large TS, and each has a weight.

    Writes TS, ns, gamma and ln of the weight of trials [first, first + n) of the stream of (point, seed), the same ones
    however the stream is cut: RUN/trials/NAME/tail/dec/+005/trials__N_016384_seed_0000.npy

    Examples
    --------
    worker tail_trials --run=runs/example --dec=5 --n=16384 --seed=0
    """
    with light_import():
        from worker.tasks.tail import tail_trials as task
    task(Path(run), dec=dec, n=n, seed=seed, first=first, part=part, point=point)


def sig_trials(
    *,
    run: Run,
    dec: Dec = None,
    n_sig: Annotated[
        float,
        Argument(
            "Mean number of injected events (exact number where the spec says ``poisson: false``).",
            "10",
            0,
            10**5,
            "events",
        ),
    ],
    n: N,
    seed: Seed = 0,
    first: First = 0,
    gamma: Gamma = None,
    part: Part = 0,
    point: Point = None,
) -> None:
    """Signal trials of one point and signal strength: as bg_trials, with events injected.

    Writes RUN/trials/NAME/sig/dec/+005/nsig/010.0/trials__N_001000_seed_0000.npy

    Examples
    --------
    worker sig_trials --run=runs/example --dec=5 --n_sig=10 --n=1000 --seed=0
    """
    with light_import():
        from worker.tasks.trials import sig_trials as task
    task(Path(run), dec=dec, n_sig=n_sig, n=n, seed=seed, first=first, gamma=gamma, part=part, point=point)


def scan_trials(
    *,
    run: Run,
    n: N,
    seed: Seed = 0,
    first: First = 0,
    band: Annotated[
        str | None, Argument("Only one declination band of each sky, such as 2of8 (bands count from 0).", "2of8")
    ] = None,
    part: Part = 0,
) -> None:
    """Background skies: scan scrambled skies and keep the hottest spot of each.

    Writes RUN/trials/NAME/scan/nside/032/rings__N_000010_seed_0000.npy (the largest TS of every ring) and, once
    the background is known, the hottest spots; for a list of sources RUN/trials/NAME/scan/catalog/TAG/sources__...npy
    with TS, ns and gamma of every sky and source.

    Examples
    --------
    worker scan_trials --run=runs/example --n=10 --seed=0 --first=20
    """
    with light_import():
        from worker.tasks.scans import scan_trials as task
    task(Path(run), n=n, seed=seed, first=first, band=band, part=part)


def patch_trials(*, run: Run, n: N, seed: Seed = 0, first: First = 0, part: Part = 0) -> None:
    """Patches of tilted skies: the pixels around one pixel, with weights, for the tail of the post-trial p-value.

    Writes TS and ln of the weight of the pixels of patches [first, first + n), the same ones however the stream is cut:
    RUN/trials/NAME/patches/nside/032/patches__N_001024_seed_0000.npy

    Examples
    --------
    worker patch_trials --run=runs/example --n=1024 --seed=0 --first=1024
    """
    with light_import():
        from worker.tasks.patches import patch_trials as task
    task(Path(run), n=n, seed=seed, first=first, part=part)


def scan_map(
    *,
    run: Run,
    nside: Annotated[
        int | None, Argument("Healpix resolution, a power of 2; left out for a list of sources.", "128", 1, 4096)
    ] = None,
    band: Annotated[int, Argument("Which band, from 0.", "0", 0, 511)] = 0,
    bands: Annotated[
        int, Argument("How many bands the sky is split into; the merged map does not depend on it.", "4", 1, 512)
    ] = 1,
) -> None:
    """Scan the scrambled sky that stands in for the real one: a declination band of a map, or the sources.

    Writes RUN/trials/NAME/map/nside/032/map__band_00_of_04.npy with TS, ns and gamma of every pixel, or
    RUN/trials/NAME/map/catalog/TAG/map__band_00_of_01.npy with those of every source.

    Examples
    --------
    worker scan_map --run=runs/example --nside=128 --band=0 --bands=4
    """
    with light_import():
        from worker.tasks.scans import scan_map as task
    task(Path(run), nside=nside, band=band, bands=bands)
