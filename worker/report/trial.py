"""The likelihood of one trial as a picture: TS over ns and gamma, and along each."""

from pathlib import Path, PurePosixPath

import numpy as np
from matplotlib.figure import Figure

from worker.engines.protocol import Explanation
from worker.report import style
from worker.rundir import store

Fit = tuple[float, float, float]
_FLOOR = -10.0


def write(run: Path, rel: PurePosixPath, title: str, trial: Explanation, fit: Fit) -> None:
    """Draw TS(ns, gamma), TS(ns) at the fitted gamma, and the profile over gamma; a fit is (ts, ns, gamma)."""
    with style.settings():
        picture = style.png(_draw(title, trial, fit))
    store.save_file(run, rel, lambda path: path.write_bytes(picture))


def _draw(title: str, trial: Explanation, fit: Fit) -> Figure:
    gammas, brute_force = np.linspace(*trial.gammas, 121), trial.brute_force
    ns = np.linspace(0.0, min(max(2.5 * fit[1], 8.0), trial.max_ns), 161)
    ts = np.array([trial.ts_at(ns, float(gamma)) for gamma in gammas])
    figure = style.new(15.0, 5.0)
    plane, along_ns, along_gamma = (figure.add_subplot(131 + i) for i in range(3))
    mesh = plane.pcolormesh(ns, gammas, np.maximum(ts, _FLOOR), cmap=style.HEAT, shading="nearest", rasterized=True)
    figure.colorbar(mesh, ax=plane, label=f"TS (not below {_FLOOR:g})")
    plane.plot(fit[1], fit[2], "o", mfc="none", mec=style.BLUE, ms=11, label=f"fit: TS {fit[0]:.4f}", clip_on=False)
    label = f"brute force: TS {brute_force[0]:.4f}"
    plane.plot(brute_force[1], brute_force[2], "x", color=style.RED, ms=8, label=label, clip_on=False)
    plane.set(xlabel="ns [events]", ylabel="γ")
    plane.legend(loc="upper right")
    along_ns.plot(ns, trial.ts_at(ns, fit[2]), color=style.BLUE)
    along_ns.set(xlabel="ns [events]", ylabel=f"TS at γ = {fit[2]:.3f}")
    along_gamma.plot(gammas, np.maximum(ts.max(axis=1), 0.0), color=style.BLUE)
    along_gamma.set(xlabel="γ", ylabel="largest TS over ns")
    along_ns.set_title(title)
    return figure
