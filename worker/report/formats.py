"""Numbers as text for tables and sentences."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from worker.spec.sections import Spec
from worker.stats.significance import p_to_nsigma

_UP = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NONE = "–"
"""Text for a missing value."""


def plain(value: Any, digits: int = 3) -> str:
    """Significant digits, thousands separated; a dash for null and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NONE
    if isinstance(value, int):
        return f"{value:,}"
    if value and not 1e-3 <= abs(value) < 1e6:
        return power(value, digits=digits)
    return f"{value:.{digits}g}".replace("-", "−") if abs(value) < 10**digits else f"{value:,.0f}".replace("-", "−")


def nsigma(p: float) -> str:
    """A p-value as a one-sided significance; none is negative."""
    return f"{signed(float(p_to_nsigma(p)))}σ one-sided" if p < 0.5 else "no excess (p ≥ 0.5 is below 0σ)"


def flux_unit(energy: str, fluence: bool = False) -> str:
    """The unit of E² dN/dE, as printed: TeV cm⁻² s⁻¹; of a fluence TeV cm⁻²."""
    return f"{energy} cm⁻²{'' if fluence else ' s⁻¹'}"


class Strength(NamedTuple):
    """Names of the strength of a source in figures and tables.

    Attributes
    ----------
    noun : str
        flux, or fluence if the hypothesis is about time.
    formula, unit : str
        ``E² dN/dE`` and ``TeV cm⁻² s⁻¹``, or ``E² dF/dE`` and ``TeV cm⁻²``.
    """

    noun: str
    formula: str
    unit: str


def strength(spec: Spec) -> Strength:
    """What limits and sensitivities of an analysis are."""
    unit, timed = flux_unit(spec.sensitivity.flux_unit, spec.hypothesis.timed), spec.hypothesis.timed
    return Strength("fluence" if timed else "flux", "E² dF/dE" if timed else "E² dN/dE", unit)


def power(value: Any, error: Any = None, digits: int = 3) -> str:
    """1.23 × 10⁻¹¹, with an error (1.23 ± 0.05) × 10⁻¹¹; a dash for null."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 9.99 may become 10.0
    scale = 10.0**exponent
    times = f"\u00a0×\u00a010{str(exponent).translate(_UP)}"
    head = f"{value / scale:.{digits - 1}f}"
    if error is None or not math.isfinite(error):
        return head + times
    return f"({head}\u00a0±\u00a0{error / scale:.{digits - 1}f}){times}"


def with_error(value: Any, error: Any) -> str:
    """Value ± error with as many decimals as the error has."""
    if value is None or not math.isfinite(value):
        return NONE
    if error is None or not math.isfinite(error) or error <= 0:
        return plain(float(value))
    places = min(max(1 - math.floor(math.log10(error)), 0), 6)
    return f"{value:,.{places}f} ± {error:,.{places}f}".replace("-", "−")


def enumeration(values: Iterable[float], joint: str = "and") -> str:
    """2, 2.5 and 3."""
    texts = [f"{value:g}" for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {joint} {texts[-1]}"


def p_value(p: Any) -> str:
    """A probability: 0.21, 0.0034, 2.9 × 10⁻⁷."""
    if p is None:
        return NONE
    return power(p, digits=2) if 0 < p < 1e-3 else f"{p:#.2g}" if p < 0.995 else f"{p:.3g}"


def signed(value: Any, places: int = 2) -> str:
    """A number with a true minus sign and fixed decimals; a dash for null."""
    return NONE if value is None else f"{value:.{places}f}".replace("-", "−")


def degrees(value: Any, places: int = 2) -> str:
    """An angle in degrees, signed."""
    return NONE if value is None else f"{value:+.{places}f}°".replace("-", "−")


def position(spot: Mapping[str, Any]) -> str:
    """Position of a hottest spot (angles in radians)."""
    return f"RA {math.degrees(spot['ra']):.1f}°, dec {degrees(math.degrees(spot['dec']), 1)}"


def fit_text(spot: Mapping[str, Any]) -> str:
    """Fit result of a hottest spot: TS, and ns and gamma if the engine fits them."""
    texts = {"ts": "TS {:.2f}", "ns": "ns {:.1f}", "gamma": "γ {:.2f}"}
    return ", ".join(text.format(spot[name]) for name, text in texts.items() if name in spot)
