"""How a post-trial p-value was obtained, in words."""

from collections.abc import Mapping
from typing import Any


def sentence(row: Mapping[str, Any]) -> str:
    """The way to a post-trial p-value of results/post_trial.json: counted skies, or patches of tilted ones."""
    counted = f"{row['k']:,} of {row['n']:,} background skies are at least as hot"
    if row.get("way") != "patches":
        return counted
    found = row["patches"]
    error = f"error {found['error'] / found['p']:.0%}, {found['n_effective']:,.0f} effective of {found['n']:,}"
    limit = "an upper limit, beyond the last of the patches" if found["lo"] == 0.0 else "from patches of tilted skies"
    limit += ", with the weight of the observed sky" if "p_valid" in row else ""
    return f"{limit} ({error}); only {counted}, which count p = {row['counted']['p']:.3g}"
