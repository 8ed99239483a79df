"""The likelihood of one trial as a picture: TS over ns and gamma, and along each."""

from pathlib import Path, PurePosixPath

import numpy as np
from matplotlib.figure import Figure

from worker.engines.builtin.reference import ts_at
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.trials import Drawn
from worker.report import style
from worker.rundir import store

Fit = tuple[float, float, float]
_FLOOR = -10.0


def write(
    run: Path, rel: PurePosixPath, title: str, drawn: Drawn, table: SignalTable, fit: Fit, brute_force: Fit
) -> None:
    """Draw TS(ns, gamma), TS(ns) at the fitted gamma, and the profile over gamma; fits are (ts, ns, gamma)."""
    with style.settings():
        picture = style.png(_draw(title, drawn, table, fit, brute_force))
    store.save_file(run, rel, lambda path: path.write_bytes(picture))


def _draw(title: str, drawn: Drawn, table: SignalTable, fit: Fit, brute_force: Fit) -> Figure:
    gammas = np.linspace(float(table.gammas[0]), float(table.gammas[-1]), 121)
    most = min(max(2.5 * fit[1], 8.0), 0.5 * float(drawn.n_events.min()))
    ns = np.linspace(0.0, most, 161)
    ts = np.array([ts_at(drawn, table, ns, float(gamma)) for gamma in gammas])
    figure = style.new(15.0, 5.0)
    plane, along_ns, along_gamma = (figure.add_subplot(131 + i) for i in range(3))
    mesh = plane.pcolormesh(ns, gammas, np.maximum(ts, _FLOOR), cmap=style.HEAT, shading="nearest", rasterized=True)
    figure.colorbar(mesh, ax=plane, label=f"TS (not below {_FLOOR:g})")
    plane.plot(fit[1], fit[2], "o", mfc="none", mec=style.BLUE, ms=11, label=f"fit: TS {fit[0]:.4f}", clip_on=False)
    label = f"brute force: TS {brute_force[0]:.4f}"
    plane.plot(brute_force[1], brute_force[2], "x", color=style.RED, ms=8, label=label, clip_on=False)
    plane.set(xlabel="ns [events]", ylabel="γ")
    plane.legend(loc="upper right")
    along_ns.plot(ns, ts_at(drawn, table, ns, fit[2]), color=style.BLUE)
    along_ns.set(xlabel="ns [events]", ylabel=f"TS at γ = {fit[2]:.3f}")
    along_gamma.plot(gammas, np.maximum(ts.max(axis=1), 0.0), color=style.BLUE)
    along_gamma.set(xlabel="γ", ylabel="largest TS over ns")
    along_ns.set_title(title)
    return figure
