"""Names of data-taking periods, and which response or simulation belongs to which."""

from collections.abc import Sequence

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV")


def closest(configs: Sequence[str], season: str) -> str | None:
    """The configuration that a season takes.

    The season's own name; otherwise the latest configuration of the same detector that is not later
    than the season (10 years: IC86_II for IC86_V; IC86_2012 for IC86_2014); otherwise one for the whole detector
    (14 years: IC86); None where there is none.
    """
    if season in configs:
        return season
    detector, _, year = season.partition("_")
    years = {_number(c.partition("_")[2]): c for c in configs if c.startswith(f"{detector}_")}
    earlier = [number for number in years if 0 < number <= _number(year)]
    if earlier:
        return years[max(earlier)]
    return detector if detector in configs else None


def _number(year: str) -> int:
    """VII is 7, 2014 is 2014, anything else 0."""
    if year in _ROMAN:
        return _ROMAN.index(year) + 1
    return int(year) if year.isdecimal() else 0
