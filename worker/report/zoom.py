"""Maps around the hottest spots, in tangent planes."""

import math
from typing import Any

import healpy
import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.hypotheses.sky.spots import hottest_spots
from worker.report import formats, raster, style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.report.skymaps import LAYERS, NAMES, Layer, hottest_of, layer_of, norm_of

F64 = NDArray[np.float64]
PANELS = 6
APART_DEG = 3.0
PLACE = "Δ right ascension × cos(declination) [deg]"


def hottest(results: Results) -> Drawing:
    """The four maps around the hottest spot."""
    values, nside = results.finest_map, results.map_nside
    spot = hottest_of(results, nside)
    if not spot:
        best = int(np.nanargmax(values[0]))
        theta, phi = healpy.pix2ang(nside, best)
        spot = {"ra": float(phi), "dec": float(0.5 * np.pi - theta)}
    half = _half_width(nside)
    pixel = raster.gnomonic(nside, spot["ra"], spot["dec"], half)
    figure = style.new(11.0, 9.4)
    for axis, layer in zip(figure.subplots(2, 2, sharex=True, sharey=True).flat, LAYERS, strict=True):
        image = _show(axis, raster.take(layer_of(values, layer), pixel), layer, half)
        style.bar(image, axis, layer.name, pad=0.02, shrink=0.94)
    figure.supxlabel(PLACE, fontsize=14)
    figure.supylabel("Δ declination [deg]", fontsize=14)
    return Drawing(
        figure,
        f"Around the hottest spot of the nside-{nside} map, at right ascension {np.degrees(spot['ra']):.2f}°, "
        f"declination {formats.degrees(float(np.degrees(spot['dec'])))} (ring), in a tangent plane. The values must "
        f"vary smoothly from pixel to pixel, or nside is too small. {_meaning(results)}",
        _table(values, nside, np.unique(pixel)),
    )


def spots(results: Results) -> Drawing:
    """-log10 p around the hottest spots of the finest map, in one colour scale."""
    values, nside = results.finest_map, results.map_nside
    pixels = hottest_spots(values, nside, PANELS, np.radians(APART_DEG))
    if not len(pixels):
        raise InputError("no pixel of the map has TS > 0")
    half = _half_width(nside)
    ra, dec = _place(nside, pixels)
    n_columns = min(3, len(pixels))
    n_rows = -(-len(pixels) // n_columns)
    figure = style.new(max(3.9 * n_columns + 0.9, 5.5), 4.1 * n_rows + 0.5)
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    norm = norm_of(LAYERS[0], values[0])
    for i, (axis, pixel) in enumerate(zip(grid.flat, pixels, strict=False)):
        image = _show(axis, raster.take(values[0], raster.gnomonic(nside, ra[i], dec[i], half)), LAYERS[0], half)
        image.set_norm(norm)
        heat, ts, ns, gamma = values[:, pixel]
        where = f"{i + 1}: RA {np.degrees(ra[i]):.1f}°, dec {formats.degrees(float(np.degrees(dec[i])), 1)}"
        axis.set_title(f"{where}\n−log₁₀ p {heat:.2f}, TS {ts:.1f}, ns {ns:.1f}, γ {gamma:.2f}", fontsize=11)
    for axis in grid.flat[len(pixels) :]:
        axis.set_visible(False)
    style.bar(image, grid, LAYERS[0].name, pad=0.02, shrink=0.9)
    figure.supxlabel(PLACE, fontsize=14)
    figure.supylabel("Δ declination [deg]", fontsize=14)
    return Drawing(
        figure,
        f"The {len(pixels)} hottest spots of the nside-{nside} map that are at least {APART_DEG:g}° apart, with local "
        f"p-values. The post-trial p-value is that of the hottest alone. {_meaning(results)}",
        _table(values, nside, pixels),
    )


def _meaning(results: Results) -> str:
    """Sentence on the meaning of positions, and on the map that the p-value uses."""
    sky = "This is the real sky." if results.is_unblinded else "This is a scrambled sky: the place means nothing."
    scanned = results.run.spec.healpix.nside
    if scanned == results.map_nside:
        return sky
    return f"{sky} The post-trial p-value uses the hottest spot of the nside-{scanned} map, which may be another one."


def _half_width(nside: int) -> float:
    """Half width (rad): four degrees, or eight pixels if these are larger."""
    pixel = float(healpy.nside2resol(nside))
    return math.radians(min(max(4.0, 8.0 * math.degrees(pixel)), 40.0))


def _show(axis: Axes, shown: F64, layer: Layer, half: float) -> AxesImage:
    """One map of a tangent plane; white: no fitted value, grey: not scanned."""
    side = float(np.degrees(np.tan(half)))
    axis.set_facecolor(style.OUTSIDE)
    box: Any = {"origin": "lower", "extent": (side, -side, -side, side), "interpolation": "nearest"}
    unfitted = shown == -np.inf
    if unfitted.any():  # two pictures in one panel take longer than all else in it
        axis.imshow(np.ma.masked_where(~unfitted, np.ones(shown.shape)), cmap="gray", vmin=0, vmax=1, **box)
    image = axis.imshow(np.ma.masked_invalid(shown), cmap=layer.colors, norm=norm_of(layer, shown), **box)
    for color, width in (("white", 3.5), (style.BLUE, 1.8)):  # a ring, so that the spot itself is seen
        axis.plot(0, 0, "o", markersize=26, markerfacecolor="none", markeredgecolor=color, markeredgewidth=width)
    axis.grid(True, alpha=0.35)
    return image


def _place(nside: int, pixels: NDArray[np.int64]) -> tuple[F64, F64]:
    theta, phi = healpy.pix2ang(nside, pixels)
    return phi, 0.5 * np.pi - theta


def _table(values: F64, nside: int, pixels: NDArray[np.int64]) -> dict[str, Any]:
    """Position and four values of each pixel."""
    ra, dec = np.degrees(_place(nside, pixels))
    return columns(
        ("nside", "pixel", "ra_deg", "dec_deg", *NAMES),
        [(nside, int(p), float(ra[i]), float(dec[i]), *values[:, p].tolist()) for i, p in enumerate(pixels)],
    )
