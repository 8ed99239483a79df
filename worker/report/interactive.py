"""RUN/report/skymap.html: interactive finest map in one file that needs no server and no network."""

import base64
import gzip
from pathlib import PurePosixPath
from typing import Any

import healpy
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from worker.base.errors import DagmakerError
from worker.hypotheses.sky.spots import hottest_spots
from worker.report import formats, raster, style, template
from worker.report.results import Results
from worker.report.skymaps import LAYERS
from worker.rundir import store

FILE = PurePosixPath("report/skymap.html")
TEMPLATE = "skymap.html.j2"
SCRIPTS = ("vendor/d3.min.js", "vendor/d3-geo-projection.min.js", "vendor/healpix.js", "skymap.js")
MAX_NSIDE = 256
"""Finer maps would make pages of tens of megabytes; groups of pixels are merged and the hottest one is shown."""
N_SPOTS = 15
APART_DEG = 3.0
ABSENT = 65535
"""The code of a pixel that was not scanned."""
F64 = NDArray[np.float64]


def write(results: Results) -> str:
    """Write the page; returns an empty text, or the reason why there is none (an old page is removed)."""
    path = results.run.path
    try:
        store.save_text(path, FILE, template.render(TEMPLATE, _values(results)))
    except DagmakerError as error:
        (path / FILE).unlink(missing_ok=True)
        return str(error)
    return ""


def _values(results: Results) -> dict[str, Any]:
    """Values for the template."""
    values, nside = coarser(results.finest_map, results.map_nside, MAX_NSIDE)
    layers, packed = _packed(values)
    spots = _spots(values, nside)
    ra, dec = raster.galactic_plane(180)
    config = {
        "nside": nside,
        "mark": results.mark,
        "layers": layers,
        "palettes": {"heat": _palette(style.HEAT), "fit": _palette(style.FIT)},
        "spots": spots,
        "plane": [[round(float(x), 4) for x in point] for point in np.degrees([ra, dec]).T],
    }
    return {
        "name": results.run.spec.name,
        "label": results.label,
        "sky": results.sky,
        "sentence": _sentence(results, nside),
        "layers": layers,
        "spots": spots,
        "spots_sentence": (
            f"Local maxima of −log₁₀ p, at least {APART_DEG:g}° apart; the p-values are local. How often the hottest "
            "of a whole sky is this hot says the post-trial p-value of the report."
        ),
        "config": config,
        "maps": Markup(packed),
        "scripts": [Markup(template.text(name)) for name in SCRIPTS],
        "licences": [Markup(template.text("vendor/LICENSES.txt"))],
    }


def _sentence(results: Results, nside: int) -> str:
    size = healpy.nside2resol(nside, True) / 60
    text = (
        f"{results.shown_sky}, in {results.label} data, nside {nside}: "
        f"{12 * nside**2:,} pixels of {size:.2g}°, equatorial coordinates, right ascension to the left."
    )
    if nside != results.map_nside:
        text += f" The map has nside {results.map_nside}; each pixel here shows the hottest of those in it."
    return text


def coarser(values: F64, nside: int, largest: int) -> tuple[F64, int]:
    """A map of at most `largest` nside: each pixel has the values of its hottest part.

    Parameters
    ----------
    values : ndarray (4, npix)
        -log10 p first; NaN outside the range. RING.

    Returns
    -------
    values : ndarray (4, npix')
    nside : int
    """
    if nside <= largest:
        return values, nside
    parts = (nside // largest) ** 2
    children = healpy.nest2ring(nside, np.arange(12 * nside**2)).reshape(-1, parts)[
        healpy.ring2nest(largest, _pixels(largest))
    ]
    heat = np.where(np.isfinite(values[0]), values[0], -np.inf)
    best = children[_pixels(largest), np.argmax(heat[children], axis=1)]
    return values[:, best], largest


def _pixels(nside: int) -> NDArray[np.int64]:
    return np.arange(12 * nside**2)


def _packed(values: F64) -> tuple[list[dict[str, Any]], str]:
    """Layers as 16 bit codes, low bytes then high bytes, gzipped; a code's step is below 1/65,000 of the range."""
    layers, planes = [], []
    for layer in LAYERS:
        row = values[layer.row]
        finite = np.isfinite(row)
        low, high = (float(row[finite].min()), float(row[finite].max())) if finite.any() else (0.0, 1.0)
        step = (high - low) / (ABSENT - 1) or 1.0
        codes = np.full(row.size, ABSENT, np.uint16)
        codes[finite] = np.round((row[finite] - low) / step)
        planes += [(codes & 255).astype(np.uint8), (codes >> 8).astype(np.uint8)]
        palette = "heat" if layer.colors is style.HEAT else "fit"
        layers.append(
            {
                "name": layer.name, "low": low, "high": high if high > low else low + 1.0, "step": step,
                "power": layer.power, "fitted": layer.fitted, "palette": palette,
            }
        )  # fmt: skip
    raw = b"".join(plane.tobytes() for plane in planes)
    return layers, base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode("ascii")


def _palette(colors: Any) -> str:
    """256 colours as base64 of red, green and blue bytes."""
    table = np.round(255 * np.asarray(colors(np.linspace(0, 1, 256)))[:, :3]).astype(np.uint8)
    return base64.b64encode(table.tobytes()).decode("ascii")


def _spots(values: F64, nside: int) -> list[dict[str, Any]]:
    pixels = hottest_spots(values, nside, N_SPOTS, np.radians(APART_DEG))
    theta, phi = healpy.pix2ang(nside, pixels)
    return [
        {
            "pixel": int(pixel),
            "ra": float(np.degrees(phi[i])),
            "dec": float(90 - np.degrees(theta[i])),
            "dec_text": formats.degrees(float(90 - np.degrees(theta[i]))),
            **dict(zip(("mlog10p", "ts", "ns", "gamma"), map(float, values[:, pixel]), strict=True)),
        }
        for i, pixel in enumerate(pixels)
    ]
