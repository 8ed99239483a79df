"""Maps of the whole scrambled sky that stands in for the real one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import healpy
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from worker.report import formats, raster, style
from worker.report.plot import Drawing
from worker.report.results import Results

F64 = NDArray[np.float64]


class Layer(NamedTuple):
    """One of the four maps: row, name, colours, power of the scale; `fitted` quantities have no value if TS is 0."""

    row: int
    name: str
    colors: Any
    power: float
    fitted: bool


LAYERS = (
    Layer(0, "−log₁₀ p", style.HEAT, 1.0, False),
    Layer(1, "TS", style.HEAT, 1.0, False),
    Layer(2, "fitted ns [events]", style.FIT, 0.5, True),
    Layer(3, "fitted γ", style.FIT, 1.0, True),
)

NAMES = ("mlog10p", "ts", "ns", "gamma")
"""Names of the rows of a map."""


def whole(results: Results) -> Drawing:
    """Four Mollweide maps."""
    values, nside = results.finest_map, results.map_nside
    spot = hottest_of(results, nside)
    pixel = raster.mollweide(nside)
    figure = style.new(13.0, 8.2)
    for i, layer in enumerate(LAYERS):
        axis = sky_axis(figure, 221 + i)
        image = _image(axis, layer_of(values, layer), pixel, layer)
        style.bar(image, axis, layer.name, orientation="horizontal", shrink=0.62, aspect=32, pad=0.03)
        if spot:
            _ring(axis, np.pi - spot["ra"], spot["dec"])
    scan = results.run.spec.scan
    return Drawing(
        figure,
        f"{results.shown_sky}, nside {nside} "
        f"({healpy.nside2resol(nside, True) / 60:.2g}° pixels), {style.dec_text(scan.dec_min_deg)} to "
        f"{style.dec_text(scan.dec_max_deg)}, "
        f"equatorial coordinates, right ascension to the left. Grey: not scanned; white in the lower maps: fitted ns "
        f"is 0. Line and dot: galactic plane and centre. Circle: hottest spot of this map.{_coarser(results)}",
        {"nside": nside} | {name: values[i] for i, name in enumerate(NAMES)},
    )


def overview(results: Results) -> Drawing:
    """-log10 p in the map that the post-trial p-value uses, with its hottest spot."""
    nside = results.run.spec.healpix.nside
    values = results.map_of(nside)
    spot, layer = hottest_of(results, nside), LAYERS[0]
    figure = style.new(9.0, 5.4)
    axis = sky_axis(figure, 111)
    image = _image(axis, layer_of(values, layer), raster.mollweide(nside), layer)
    style.bar(image, axis, "−log₁₀ p (local)", orientation="horizontal", shrink=0.62, aspect=32, pad=0.05)
    place = ""
    if spot:
        _ring(axis, np.pi - spot["ra"], spot["dec"])
        place = f" Circle: the hottest spot, at {formats.position(spot)}."
    return Drawing(
        figure,
        f"{results.shown_sky}, nside {nside}: local p-values in the map that the post-trial p-value uses.{place} Grey: "
        "not scanned. Line and dot: galactic plane and centre.",
        {"nside": nside, "mlog10p": values[0]},
    )


def single(values: F64, name: str, mark: str) -> Figure:
    """One map for a notebook: row `name` of `values` (4, npix) with rows `NAMES`; `mark` names the data."""
    layer, nside = LAYERS[NAMES.index(name)], healpy.npix2nside(values.shape[1])
    with style.settings():
        figure = style.new(9.0, 5.8)
        axis = sky_axis(figure, 111)
        image = _image(axis, layer_of(values, layer), raster.mollweide(nside), layer)
        style.bar(image, axis, layer.name, orientation="horizontal", shrink=0.62, aspect=32, pad=0.05)
        style.mark(figure, mark)
    return figure


def _coarser(results: Results) -> str:
    scan = results.run.spec.healpix
    if results.map_nside == scan.nside:
        return ""
    return (
        f" The post-trial p-value does not use this map but the one with nside {scan.nside}, as all background skies."
    )


def sky_axis(figure: Figure, position: Any) -> Any:
    """A Mollweide axis with grid, labels and galactic plane."""
    axis: Any = figure.add_subplot(position, projection="mollweide")
    at = np.arange(-150, 151, 30)
    names = [f"{180 - x}°" if x % 60 == 0 else "" for x in at]
    halo: Any = [patheffects.withStroke(linewidth=3, foreground="white", alpha=0.8)]
    axis.set_xticks(np.radians(at), names, fontsize=10.5, color="#222222", path_effects=halo, zorder=6)
    decs = (-60.0, -30.0, 0.0, 30.0, 60.0)
    axis.set_yticks(np.radians(decs), [style.dec_text(d) for d in decs], fontsize=10.5)
    axis.set_longitude_grid_ends(90)
    axis.grid(True, color="#777777", alpha=0.35, linewidth=0.6)
    lon, lat = raster.across(*raster.galactic_plane())
    axis.plot(lon, lat, "-", color="#666666", linewidth=1.0, alpha=0.8)
    axis.plot(lon[:1], lat[:1], "o", color="#444444", markersize=4)
    return axis


def _image(axis: Any, values: F64, pixel: NDArray[np.int64], layer: Layer) -> AxesImage:
    """Draw the raster below the axis; it is already projected, so only an affine transform is needed."""
    x, y = 2.0 * np.sqrt(2.0), np.sqrt(2.0)
    extent = (-x, x, -y, y)
    image = AxesImage(
        axis, cmap=layer.colors, norm=norm_of(layer, values), origin="lower", extent=extent, interpolation="nearest"
    )
    image.set_data(np.ma.masked_invalid(raster.take(values, pixel)))
    image.set_transform(axis.transAffine + axis.transAxes)
    image.set_clip_path(axis.patch)
    axis.set_facecolor(style.OUTSIDE)
    axis.add_image(image)
    _unfitted(axis, values, pixel, extent, axis.transAffine + axis.transAxes)
    return image


def _unfitted(axis: Any, values: F64, pixel: NDArray[np.int64], extent: Any, transform: Any) -> None:
    """Draw white pixels that were scanned but have no fitted value (-inf)."""
    blank = raster.take(values, pixel) == -np.inf
    if blank.any():
        under = AxesImage(axis, cmap="gray", origin="lower", extent=extent, interpolation="nearest")
        under.set_data(np.ma.masked_where(~blank, np.ones(blank.shape)))
        under.set_clim(0, 1)
        under.set_transform(transform)
        under.set_clip_path(axis.patch)
        axis.add_image(under)


def layer_of(values: F64, layer: Layer) -> F64:
    """One map; -inf if a fitted quantity has no value because ns is 0."""
    out = values[layer.row]
    return np.where((values[2] <= 0) & np.isfinite(values[1]), -np.inf, out) if layer.fitted else out


def norm_of(layer: Layer, values: F64) -> PowerNorm:
    """The colour scale of a layer."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    return PowerNorm(layer.power, low, high if high > low else low + 1.0)


def _ring(axis: Axes, x: float, y: float) -> None:
    axis.plot([x], [y], "o", markersize=15, markerfacecolor="none", markeredgecolor="white", markeredgewidth=3.5)
    axis.plot([x], [y], "o", markersize=15, markerfacecolor="none", markeredgecolor=style.BLUE, markeredgewidth=2.0)


def hottest_of(results: Results, nside: int) -> Mapping[str, float] | None:
    """The hottest pixel of a map, from the summary."""
    maps = (results.of_sky["scan"] or {}).get("maps") or {}
    return (maps.get(str(nside)) or {}).get("all")
