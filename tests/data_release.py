"""A tiny track release in the published format, written by hand: for tests of its readers."""

from pathlib import Path

import numpy as np

E_NU = (2.0, 4.5, 9.0)
DEC = (-90.0, -5.0, 30.0, 90.0)
AREA_E_NU = (2.0, 4.0, 6.0, 9.0)
AREA_DEC = (-90.0, -30.0, 0.0, 30.0, 90.0)
SMEARING_HEADER = (
    "#  log10(E_nu/GeV)_min  log10(E_nu/GeV)_max  Dec_nu_min[deg]  Dec_nu_max[deg]  log10(E/GeV)_min  "
    "log10(E/GeV)_max  PSF_min[deg]  PSF_max[deg]  AngErr_min[deg]  AngErr_max[deg]  Fractional_Counts"
)
AREA_HEADER = "#  log10(E_nu/GeV)_min  log10(E_nu/GeV)_max  Dec_nu_min[deg]  Dec_nu_max[deg]   A_Eff[cm^2]"
EVENTS_7 = "# MJD[days] log10(E/GeV) AngErr[deg] RA[deg] Dec[deg] Azimuth[deg] Zenith[deg]"
EVENTS_10 = "# run event subevent MJD[days] log10(E/GeV) AngErr[deg] RA[deg] Dec[deg] Azimuth[deg] Zenith[deg]"
UPTIME_HEADER = "# MJD_start[days] MJD_stop[days]"
UPTIME = ((55000.0, 55000.25), (55000.5, 55001.0), (55001.0, 55003.125))


def write_release(
    folder: Path,
    seasons: tuple[str, ...] = ("IC86_I",),
    configs: tuple[str, ...] = ("IC86",),
    e_nu: tuple[float, ...] = E_NU,
    dec: tuple[float, ...] = DEC,
    columns: int = 10,
) -> Path:
    """Write a release, by default with the 14-year columns; returns its folder. No two seasons share an event."""
    for name in ("events", "uptime", "irfs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for k, season in enumerate(seasons):
        lines = event_lines(columns, delay=1e-4 * k)
        write_lines(folder / "events" / f"{season}_exp.csv", EVENTS_10 if columns == 10 else EVENTS_7, lines)
        write_lines(folder / "uptime" / f"{season}_exp.csv", UPTIME_HEADER, [f"{a:.8f} {b:.8f}" for a, b in UPTIME])
    for k, config in enumerate(configs):
        write_lines(folder / "irfs" / f"{config}_effectiveArea.csv", AREA_HEADER, area_lines(scale=1.0 + k))
        write_lines(folder / "irfs" / f"{config}_smearing.csv", SMEARING_HEADER, smearing_lines(k, e_nu, dec))
    return folder


def write_lines(path: Path, header: str, lines: list[str], end: str = "\n") -> None:
    """Write a table."""
    path.write_text(end.join([header, *lines]) + end, newline="")


def event_lines(columns: int, n: int = 20, delay: float = 0.0) -> list[str]:
    """Lines of n events with 7 or 10 columns; values are functions of the line, `delay` (days) of the time alone."""
    lines = []
    for i in range(n):
        seven = f"{55000.1 + delay + i * 0.004:.8f} {2.0 + 0.11 * i:.2f} {0.2 + 0.05 * i:.2f} "
        seven += f"{17.5 * i:.3f} {-88.0 + 9.1 * i:.3f}"
        ten = f"118000 {i} 0 " if columns == 10 else ""
        lines.append(f"{ten}{seven} {13.0 * i:.3f} {2.0 + 9.1 * i:.3f}")
    return lines


def area_lines(scale: float = 1.0) -> list[str]:
    """Effective area (i * 10 + j) million cm^2 in bin (energy i, declination j), declination-major as published."""
    return [
        f" {AREA_E_NU[i]:.2f} {AREA_E_NU[i + 1]:.2f} {AREA_DEC[j]:.2f} {AREA_DEC[j + 1]:.2f} "
        f"{scale * (10 * i + j) * 1e6:.2f}"
        for j in range(len(AREA_DEC) - 1)
        for i in range(len(AREA_E_NU) - 1)
    ]


def smearing_lines(seed: int = 0, e_nu: tuple[float, ...] = E_NU, dec: tuple[float, ...] = DEC) -> list[str]:
    """Smearing with bins of 3 x 3 x 3 cells, by default 2 x 3; bin (0, 0) is empty, with all edges 0."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(len(e_nu) - 1):
        for j in range(len(dec) - 1):
            bin_edges = f"{e_nu[i]:.2f} {e_nu[i + 1]:.2f} {dec[j]:.6f} {dec[j + 1]:.6f}"
            if i == j == 0:
                lines += [f"  {bin_edges} 0.000000 0.000000" + " 0.000000000e+00" * 5] * 27
                continue
            counts = rng.integers(0, 4, 27)
            weights = counts / counts.sum()
            for k, (a, b, c) in enumerate(np.ndindex(3, 3, 3)):
                log_e = f"{2.0 + i + a * 0.5:.6f} {2.5 + i + a * 0.5:.6f}"
                psi = f"{0.1 * 4**b:.9e} {0.1 * 4 ** (b + 1):.9e}"
                sigma = f"{0.2 * 2**c:.9e} {0.2 * 2 ** (c + 1):.9e}"
                lines.append(f"  {bin_edges} {log_e} {psi} {sigma} {weights[k]:.9e}")
    return lines
