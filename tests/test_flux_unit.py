"""The energy unit of the quoted fluxes: the same flux, in the words of the spec."""

from pathlib import Path

import pytest

from dagmaker.htcondor.build import build
from worker.report import formats
from worker.rundir.ledger import open_run
from worker.spec.point import declination
from worker.spec.specfile import load
from worker.tasks import flux_rows, prepare

SPEC = """
version: 1
name: tiny
seed: 3
data: {{format: synthetic, n_events: 5000}}
background: {{tail: none, dec_deg: [-80, 5, 80], n_trials: 100}}
signal: {{n_sig: [3, 6, 9], n_trials: 10}}
sensitivity: {{flux_unit: {unit}}}
scan: {{nside: 4, n_skies: 2}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "of_a_tev"), [("TeV", 1.0), ("GeV", 1e3), ("erg", 1.602176634)])
def test_a_flux_is_told_in_the_unit_of_the_spec(tmp_path: Path, unit: str, of_a_tev: float) -> None:
    found = {}
    for name in ("TeV", unit):
        (tmp_path / f"{name}.yaml").write_text(SPEC.format(unit=name))
        build(load(tmp_path / f"{name}.yaml"), tmp_path / name)
        prepare.prepare(tmp_path / name)
        found[name] = flux_rows.flux_per_event(open_run(tmp_path / name), declination(5.0), 2.0)
    assert found[unit] == pytest.approx(of_a_tev * found["TeV"], rel=1e-12)
    assert flux_rows.unit(open_run(tmp_path / unit)) == f"{unit} cm^-2 s^-1"
    assert formats.flux_unit(unit) == f"{unit} cm⁻² s⁻¹"
