"""Files to arrays: one reader per data format, each returning a `Dataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.data.dataset import Dataset, Position
    from worker.data.table import Progress
    from worker.spec.sections import Spec


def read(spec: Spec, progress: Progress | None = None) -> Dataset:
    """Read (or generate) the data of ``spec.data``; InputError if a file is missing or damaged.

    Parameters
    ----------
    progress : callable, optional
        Called with the fraction that has been read, from 0 to 1.
    """
    from pathlib import Path

    data, sigma_max_deg = spec.data, spec.likelihood.sigma_max_deg
    if data.format == "icetracks":
        from worker.data.icetracks import read_release

        return read_release(
            Path(data.dir), data.entries, label=data.label, sigma_max_deg=sigma_max_deg, progress=progress
        )
    if data.format == "ic86_2011":
        from worker.data.ic86_first import read_first_year

        irfs = (Path(data.irfs), data.irfs_config) if data.irfs is not None else None
        return read_first_year(
            Path(data.dir), data.livetime_days, sigma_max_deg=sigma_max_deg, irfs=irfs, progress=progress
        )
    if data.format == "icecube_3yr":
        from worker.data.three_year import read_three_years

        return read_three_years(Path(data.dir), data.seasons, sigma_max_deg=sigma_max_deg)
    if data.format == "numpy":
        from worker.data.csky import read_seasons

        return read_seasons(
            Path(data.dir),
            data.entries,
            label=data.label,
            sigma_max_deg=sigma_max_deg,
            band_sin_dec=data.mc_band_sin_dec,
            progress=progress,
        )
    if data.format == "engine":
        from worker.data.dataset import Dataset

        return Dataset(data.label, ())
    from worker.data.synthetic import make

    return make(spec.seed, data.n_events, data.livetime_days, sigma_max_deg=sigma_max_deg)


def read_positions(spec: Spec) -> tuple[Position, ...]:
    """Read the measured right ascensions and times of every season's events: for unblinding only; errors as `read`.

    Trials never use this: a `Dataset` and the prepared file have no right ascension and no time of an event.

    Returns
    -------
    tuple of Position
        One per season, in the order of ``Season.events`` of `read` with the same spec.
    """
    from pathlib import Path

    data, sigma_max_deg = spec.data, spec.likelihood.sigma_max_deg
    if data.format == "icetracks":
        from worker.data import icetracks

        return icetracks.read_positions(Path(data.dir), data.entries, sigma_max_deg=sigma_max_deg)
    if data.format == "ic86_2011":
        from worker.data import ic86_first

        return ic86_first.read_positions(Path(data.dir), sigma_max_deg=sigma_max_deg)
    if data.format == "icecube_3yr":
        from worker.data import three_year

        return three_year.read_positions(Path(data.dir), data.seasons, sigma_max_deg=sigma_max_deg)
    if data.format == "numpy":
        from worker.data import csky

        return csky.read_positions(Path(data.dir), data.entries, sigma_max_deg=sigma_max_deg)
    if data.format == "engine":
        return ()
    from worker.data import synthetic

    return synthetic.read_positions(spec.seed, data.n_events, data.livetime_days, sigma_max_deg=sigma_max_deg)
