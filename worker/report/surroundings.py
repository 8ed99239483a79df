"""Events around the hottest places, and the likelihood there in ns and gamma."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.report import formats, style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.tasks import hot_places

F64 = NDArray[np.float64]
Row = Mapping[str, Any]

WILKS = {"68 %": 2.2957, "95 %": 5.9915}
"""2 x the drop of ln L for two parameters: -2 ln(1 - level)."""
HALF_DEG = 4.0
"""Half width of a panel; wider if nine tenths of a source's events do not fit."""
SIZES = (8.0, 220.0)
"""Area of an event of the lowest and of the highest energy in a panel, points^2."""


def draw(results: Results) -> Drawing:
    """Two panels for each of the hottest places: events on the sky, and contours of TS."""
    places = _places(results)
    n = len(places)
    figure = style.new(4.5 * n + 0.5, 9.1)
    axes = figure.subplots(2, n, squeeze=False)
    energies = _energies(places)
    for i, place in enumerate(places):
        _events(axes[0, i], place, i + 1, energies)
        _likelihood(axes[1, i], place)
    marks = [_mark(axes[0, 0], power, energies) for power in range(math.ceil(energies[0]), int(energies[1]) + 1)]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks) or 1, title="reconstructed energy")
    axes[0, 0].set_ylabel("Δ declination [deg]")
    axes[1, 0].set_ylabel("spectral index γ" if len(places[0]["grid"]["gamma"]) > 1 else "TS")
    return Drawing(figure, _caption(results, places), _numbers(places))


def _places(results: Results) -> list[Row]:
    """Surroundings of the shown sky."""
    if results.is_unblinded:
        found = hot_places.real(results.run)
    else:
        found = hot_places.scrambled(results.run, results.require("scan"))
    if not found:
        raise InputError("no place with TS > 0, or the engine does not tell what is around one")
    return list(found)


def _energies(places: list[Row]) -> tuple[float, float]:
    """Range of log10(E / GeV) of all panels."""
    log_e = np.concatenate([place["events"]["log10_energy_gev"] for place in places])
    return (float(log_e.min()), max(float(log_e.max()), float(log_e.min()) + 0.1)) if len(log_e) else (2.0, 6.0)


def _area(log_e: F64, energies: tuple[float, float]) -> F64:
    """Area of events, points^2."""
    share = (log_e - energies[0]) / (energies[1] - energies[0])
    return SIZES[0] + (SIZES[1] - SIZES[0]) * share * share


def _mark(axis: Axes, power: int, energies: tuple[float, float]) -> Any:
    """Entry of the legend: an event of 10^power GeV."""
    name = f"10{str(power).translate(style.SUPERSCRIPT)} GeV"
    return axis.scatter([], [], s=_area(np.array([float(power)]), energies), color=style.GREY, label=name)


def _events(axis: Axes, place: Row, number: int, energies: tuple[float, float]) -> None:
    """Events by place, energy (area) and angular error (colour), sources of the list, and the point-spread function."""
    events, half = {key: np.asarray(value) for key, value in place["events"].items()}, half_width(place)
    dx, dy = plane(place, events["ra_deg"], events["dec_deg"])
    inside = np.flatnonzero((np.abs(dx) <= half) & (np.abs(dy) <= half))
    order = inside[np.argsort(-events["sigma_deg"][inside], kind="stable")]  # the well measured ones on top
    log_e = events["log10_energy_gev"][order]
    axis.scatter(
        dx[order], dy[order], s=_area(log_e, energies), c=events["sigma_deg"][order],
        cmap="viridis", vmin=0.2, vmax=2.0, alpha=0.75, linewidth=0.4, edgecolor="#444444",
    )  # fmt: skip
    for radius, line in zip(place["psf_deg"], ("-", "--"), strict=True):
        axis.add_patch(Circle((0, 0), radius, fill=False, color=style.RED, linestyle=line, linewidth=1.6))
    axis.plot(0, 0, "+", color=style.RED, markersize=11, markeredgewidth=1.6)
    for source in place["sources"]:
        x, y = plane(place, np.array([source["ra_deg"]]), np.array([source["dec_deg"]]))
        axis.plot(x, y, "*", color=style.ORANGE, markersize=11, markeredgecolor="#444444")
        axis.annotate(source["name"], (x[0], y[0]), (5, 5), textcoords="offset points", fontsize=10, clip_on=True)
    fit = place["fit"]
    where = f"RA {place['ra_deg']:.1f}°, dec {formats.degrees(place['dec_deg'], 1)}"
    axis.set_title(
        f"{number}: {place['name'] or where}\nTS {fit['ts']:.1f}, ns {fit['ns']:.1f}, γ {fit['gamma']:.2f}",
        fontsize=11.5,
    )
    axis.set(xlim=(half, -half), ylim=(-half, half), aspect="equal", xlabel="Δ right ascension × cos(dec) [deg]")


def _likelihood(axis: Axes, place: Row) -> None:
    """Contours of TS in ns and gamma, or TS against ns if gamma is fixed."""
    ns, gamma, ts = (np.asarray(place["grid"][key]) for key in ("ns", "gamma", "ts"))
    fit, drops = place["fit"], list(WILKS.values())
    axis.set_xlabel("number of signal events ns")
    axis.grid(True)
    if len(gamma) == 1:
        axis.plot(ns, ts[0], color=style.BLUE)
        axis.axvline(fit["ns"], color=style.RED, linewidth=1.2)
        axis.set_ylim(min(0.0, fit["ts"] - 8.0), fit["ts"] + 1.0)
        return
    best = max(fit["ts"], float(ts.max()))
    axis.contourf(ns, gamma, ts - best, [-d for d in reversed(drops)] + [0.0], colors=["#cfe3f1", "#8fc0e0"])
    axis.contour(ns, gamma, ts - best, [-d for d in reversed(drops)], colors=style.BLUE, linestyles=["--", "-"])
    axis.plot(fit["ns"], fit["gamma"], "+", color=style.RED, markersize=11, markeredgewidth=1.6)
    inside = np.flatnonzero((ts - best >= -drops[-1]).any(axis=0))
    right = ns[min(int(inside.max()) + 3, len(ns) - 1)] if len(inside) else ns[-1]
    axis.set(xlim=(0, float(right)), ylim=(float(gamma[0]), float(gamma[-1])))


def half_width(place: Row) -> float:
    """Half width of the panel of a place, deg."""
    return float(min(max(HALF_DEG, 1.2 * place["psf_deg"][1]), hot_places.RADIUS_DEG / 2**0.5))


def plane(place: Row, ra_deg: F64, dec_deg: F64) -> tuple[F64, F64]:
    """Positions in the tangent plane of a place (deg), the first axis to the east."""
    ra, dec = np.radians(ra_deg - place["ra_deg"]), np.radians(dec_deg)
    dec0 = np.radians(place["dec_deg"])
    along = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra)
    x = np.cos(dec) * np.sin(ra) / along
    y = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra)) / along
    return np.degrees(x), np.degrees(y)


def _caption(results: Results, places: list[Row]) -> str:
    n, gamma = len(places), results.run.spec.signal.gammas[0]
    what = (
        "The real sky"
        if results.is_unblinded
        else "A scrambled sky: right ascensions are random and the places mean nothing"
    )
    which = f"the {n} hottest places" if n > 1 else "the hottest place"
    listed = " Stars: sources of the list." if any(place["sources"] for place in places) else ""
    return (
        f"{what}. Above: events around {which}; a larger circle is an event of higher energy, a darker one has a "
        f"smaller error. Red: half (line) and nine tenths (dashes) of the events of a source with γ = {gamma:g} lie "
        f"within.{listed} Below: where TS is less than {WILKS['68 %']:.2f} (line) and {WILKS['95 %']:.2f} (dashes) "
        "below its maximum. By Wilks' theorem these are regions of 68 % and 95 % for ns and γ together, but it does "
        "not hold where ns is near 0 or γ near an end, and these places were chosen as the hottest: quote no "
        "uncertainty of a source from here."
    )


def _numbers(places: list[Row]) -> Mapping[str, Any]:
    """Events of all places, and the grid of TS of each."""
    rows = [(i + 1, *row) for i, place in enumerate(places) for row in zip(*place["events"].values(), strict=True)]
    numbers: dict[str, Any] = columns(("place", *places[0]["events"]), rows)
    for i, place in enumerate(places):
        numbers |= {f"{key}_{i + 1}": value for key, value in place["grid"].items()}
        numbers[f"psf_deg_{i + 1}"] = place["psf_deg"]
    return numbers
