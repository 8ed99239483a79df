"""Names of directory levels, and the decimals that they need."""

from collections.abc import Iterable
from functools import lru_cache


def decimals(values: Iterable[float]) -> int:
    """Return the decimal places of the finest value; 0 for whole numbers (csky's ``{:+04.0f}``)."""
    return _decimals(tuple(values))


@lru_cache(maxsize=16)  # asked for every node of a plan
def _decimals(values: tuple[float, ...]) -> int:
    need = 0
    for value in values:
        text = f"{value:.6f}".rstrip("0").rstrip(".")
        need = max(need, len(text.partition(".")[2]))
    return need


def dec_level(dec_deg: float, places: int = 0) -> str:
    """``+005``, ``-085``; with 2 places ``+000.40``. Never ``-000``."""
    width = 4 if places == 0 else 5 + places
    return f"{round(dec_deg, places) + 0.0:+0{width}.{places}f}"


def nsig_level(n_sig: float, places: int = 1) -> str:
    """``010.0``; more places if the grid needs them."""
    places = max(places, 1)
    return f"{n_sig:0{4 + places}.{places}f}"


def exact(value: float) -> str:
    """A number that reads back exactly: ``5``, ``0.4``."""
    return repr(value + 0.0).removesuffix(".0")


def word(level: str) -> str:
    """A level as part of the name of a node: ``+005`` -> ``p005``, ``-000.40`` -> ``m000d40``."""
    return level.replace("+", "p").replace("-", "m").replace(".", "d")


def gamma_level(gamma: float) -> str:
    """``2.000``: three decimals, as csky users write it."""
    return f"{gamma:.3f}"
