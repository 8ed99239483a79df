"""Figure: the point-spread function of the likelihood against a Gaussian."""

import numpy as np

from worker.engines.protocol import SpreadCurves
from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing

_COLORS = (style.BLUE, style.ORANGE, style.GREEN)


def draw(curves: SpreadCurves, dec_deg: float, gamma: float) -> Drawing:
    """Draw the density of psi / sigma at a few energies, and the Rayleigh law."""
    figure = style.new(8.5, 4.6)
    axis = figure.subplots()
    rayleigh = curves.ratio * np.exp(-0.5 * curves.ratio**2)
    for log_e, density, color in zip(curves.log_e, curves.density, _COLORS, strict=False):
        axis.plot(curves.ratio, density, color=color, label=f"log10(E/GeV) = {log_e:.2f}")
    axis.plot(curves.ratio, rayleigh, color=style.BLACK, linestyle="--", label="Gaussian with each event's σ")
    axis.set(xlabel="ψ / σ", ylabel="density per unit of ψ / σ", xlim=(0, curves.ratio[-1]), ylim=(0, None))
    axis.grid(True)
    axis.legend(loc="upper right")
    return Drawing(
        figure,
        "Distance ψ of signal events from their source in units of their angular error σ, as the likelihood assumes it "
        f"at declination {dec_deg:+.3g}° for γ = {gamma:g}, over the σ that signal of an energy has. Season "
        f"{curves.season}; a tenth, half and nine tenths of its signal lie below the three energies. Dashed: the "
        "Rayleigh law, which ψ would follow if the point-spread function were a Gaussian of each event's σ.",
        columns(
            ("log10_energy_gev", "psi_over_sigma", "density", "rayleigh"),
            [
                (log_e, *row)
                for log_e, density in zip(curves.log_e.tolist(), curves.density, strict=True)
                for row in zip(curves.ratio.tolist(), density.tolist(), rayleigh.tolist(), strict=True)
            ],
        ),
    )
