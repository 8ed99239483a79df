"""Gamma-ray counts on and off a target, without a neutrino: the plug-in of on_off.yaml.

TS is the square of equation 17 of Li and Ma 1983 (ApJ 272, 317), and 0 without an excess.
"""

import numpy as np


class OnOff:
    """Counts on a target, and off it with 1 / alpha times the exposure."""

    protocol = 1
    columns = (("ts", "<f8"), ("ns", "<f8"), ("n_on", "<i8"), ("n_off", "<i8"))
    deterministic = "per-trial"
    reads = ("target", "background", "alpha", "poisson")
    block = 2000

    def __init__(self, options, folder):
        if options:
            raise ValueError(f"found options {sorted(options)}; there are none")

    def identity(self):
        """What decides the numbers besides this file."""
        return {"numpy": np.__version__}

    def trials(self, point, keys):
        """One trial for each key."""
        alpha, expected = point["alpha"], point["background"]
        if not (alpha > 0 and expected > 0):
            raise ValueError(f"alpha = {alpha} and background = {expected} must be positive")
        rows = np.zeros(len(keys), list(self.columns))
        for row, key in zip(rows, keys, strict=True):
            rng = np.random.default_rng(key)
            signal = rng.poisson(point["n_sig"]) if point["poisson"] else round(point["n_sig"])
            row["n_on"] = rng.poisson(expected) + signal
            row["n_off"] = rng.poisson(expected / alpha)
        rows["ns"] = np.maximum(rows["n_on"] - alpha * rows["n_off"], 0.0)
        rows["ts"] = np.where(rows["ns"] > 0, li_ma(rows["n_on"], rows["n_off"], alpha), 0.0)
        return rows

    def method(self):
        """For the report."""
        return (
            "Counts on and off a target are compared as Li and Ma (1983, equation 17) do; TS is the square of theirs."
        )


def li_ma(n_on, n_off, alpha):
    """Twice the log of the likelihood ratio of an excess; 0 where there are no counts."""
    total = np.maximum(n_on + n_off, 1)
    on = n_on * np.log(np.maximum((1 + alpha) / alpha * n_on / total, 1e-300))
    off = n_off * np.log(np.maximum((1 + alpha) * n_off / total, 1e-300))
    return np.maximum(2 * (on + off), 0.0)
