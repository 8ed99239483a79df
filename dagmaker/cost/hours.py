"""CPU and wall times as text."""


def hours(value: float) -> str:
    """``40 s``, ``12 min``, ``3.2 h``, ``5.1 d``."""
    for limit, factor, unit in ((1 / 60, 3600, "s"), (1, 60, "min"), (48, 1, "h")):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    return f"{value / 24:.3g} d"
