"""Every way we know to get a spec wrong: exit code 2, and the exact words."""

import re
from pathlib import Path

import pytest
import yaml

from worker.base.errors import SpecError
from worker.spec import specfile

BASE = """\
version: 1
name: example
seed: 2011
data:
  format: synthetic
likelihood:
  gamma_min: 1.0
  gamma_max: 4.0
background:
  dec_deg: {start: -85, stop: 85, step: 10}
  n_trials: 10000
  trials_per_file: 5000
signal:
  n_sig: [2, 6, 14, 30]
  n_trials: 1000
sensitivity:
  beta: 0.9
scan:
  nside: 32
  n_skies: 200
  bands: 4
resources:
  max_retries: 2
site: personal
"""
TREE = (
    *(f"tracks/events/{season}_exp.csv" for season in ("IC40", "IC59", "IC86_I")),
    *(f"tracks/uptime/{season}_exp.csv" for season in ("IC40", "IC86_I")),
    *(f"tracks/irfs/{config}_{part}.csv" for config in ("IC40", "IC86") for part in ("smearing", "effectiveArea")),
    "tracks/irfs/IC79_smearing.csv",
    *(f"tracks/{part}/IC79_exp.csv" for part in ("events", "uptime")),
    *(f"csky/{name}.npy" for name in ("IC79_2010_exp", "GRL/IC79_2010_exp", "IC86_2011_exp", "IC86_2012_exp")),
    *(f"csky/{name}.npy" for name in ("GRL/IC86_2012_exp", "IC86_2011_MC")),
    *(f"first_year/{name}.txt" for name in ("AngRes", "upgoing_events")),
    *(f"first_year_whole/{name}.txt" for name in ("AngRes", "TabulatedAeff", "downgoing_events", "upgoing_events")),
)
CASES = yaml.safe_load((Path(__file__).parent / "data" / "bad_specs.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with the names of the releases' files; their content is of no concern to a spec."""
    root = tmp_path_factory.mktemp("spec")
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def text_of(case: dict[str, str]) -> str:
    if "text" in case:
        return case["text"]
    assert case["replace"] in BASE, "the case changes nothing"
    return BASE.replace(case["replace"], case["by"], 1)


def load(folder: Path, text: str) -> specfile.Spec:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return specfile.load(path)


def test_there_are_enough_cases_and_no_two_alike() -> None:
    assert len(CASES) >= 60
    assert len({case["case"] for case in CASES}) == len(CASES)
    assert len({text_of(case) for case in CASES}) == len(CASES)


def test_the_base_is_good(folder: Path) -> None:
    assert load(folder, BASE).background.n_trials == 10000


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_refused_in_these_words(case: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGMAKER_TEST_UNSET", raising=False)
    with pytest.raises(SpecError) as caught:
        load(folder, text_of(case))
    assert str(caught.value).replace(f"{folder}/", "").splitlines() == case["message"]
    assert caught.value.exit_code == 2


GRID = "dec_deg: {start: -85, stop: 85, step: 10}"
NEAR = 'scan: {kind: catalog, sources: "name,ra_deg,dec_deg\\nA,5,5\\n", n_skies: 200}\n'
"""One source: its grid may be as short as one likes."""
SHORT = re.sub(r"scan:\n(?:  .*\n)+", lambda _: NEAR, BASE)
GOOD = {
    "exponents": ("n_trials: 10000", "n_trials: 1e5", lambda s: s.background.n_trials == 100000),
    "small float": ("beta: 0.9", "beta: 1e-12", lambda s: s.sensitivity.beta == 1e-12),
    "plus sign": ("stop: 85", "stop: +85", lambda s: s.background.decs[-1] == 85.0),
    "whole float": ("nside: 32", "nside: 32.0", lambda s: s.scan.nside == 32),
    "a list of decs": (
        "{start: -85, stop: 85, step: 10}",
        "[-85.5, 0, 85]",
        lambda s: s.background.decs == (-85.5, 0.0, 85.0),
    ),
    "one dec": (BASE, SHORT.replace(GRID, "dec_deg: [5]"), lambda s: s.background.decs == (5.0,)),
    "range of one": (
        BASE,
        SHORT.replace(GRID, "dec_deg: {start: 5, stop: 5, step: 1}"),
        lambda s: s.background.decs == (5.0,),
    ),
    "fine decs": (GRID, "dec_deg: [-85, 0.4, 85]", lambda s: s.background.decs[1] == 0.4),
    "tenths": (
        BASE,
        SHORT.replace(GRID, "dec_deg: {start: 4.9, stop: 5.2, step: 0.1}"),
        lambda s: s.background.decs == (4.9, 5.0, 5.1, 5.2),
    ),
    "null": ("nside: 32", "nside: 32\n  map_nside: null", lambda s: s.scan.map_nside is None),
    "empty value": ("nside: 32", "nside: 32\n  map_nside:", lambda s: s.scan.map_nside is None),
    "false": ("n_trials: 1000\n", "n_trials: 1000\n  poisson: false\n", lambda s: not s.signal.poisson),
    "quoted name like a number": ("name: example", "name: '2011'", lambda s: s.name == "2011"),
    "name like a truth value": ("name: example", "name: on", lambda s: s.name == "on"),
    "block list": ("[2, 6, 14, 30]", "\n  - 2\n  - 6\n  - 14.5", lambda s: s.signal.n_sig == (2.0, 6.0, 14.5)),
    "largest seed": ("seed: 2011", f"seed: {2**63 - 1}", lambda s: s.seed == 2**63 - 1),
    "leading zero": ("seed: 2011", "seed: 0010", lambda s: s.seed == 10),
    "Windows line ends": (BASE, BASE.replace("\n", "\r\n"), lambda s: s.seed == 2011),
    "byte order mark": (BASE, "\ufeff" + BASE, lambda s: s.version == 1),
    "document markers": (BASE, f"---\n{BASE}...\n", lambda s: s.version == 1),
    "JSON": (
        "{start: -85, stop: 85, step: 10}",
        '{"start": -85, "stop": 85, "step": 10}',
        lambda s: len(s.background.decs) == 18,
    ),
    "tracks": (
        "format: synthetic",
        "format: icetracks\n  dir: tracks\n  seasons: [IC40, IC86_I]\n  label: semi-real",
        lambda s: Path(s.data.dir).is_absolute() and s.data.seasons == ("IC40", "IC86_I"),
    ),
    "NumPy files": (
        "format: synthetic",
        "format: numpy\n  dir: csky\n  seasons: [IC86_2012]\n  mc_band_sin_dec: 0.05\n  label: synthetic",
        lambda s: s.data.mc_band_sin_dec == 0.05 and s.data.label == "synthetic",
    ),
    "first year": (
        "format: synthetic",
        "format: ic86_2011\n  dir: ./first_year_whole\n  irfs: ${DAGMAKER_TEST_TREE}",
        lambda s: s.data.irfs.endswith("/tracks") and s.data.dir.endswith("/first_year_whole"),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_variants_load_and_come_back(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGMAKER_TEST_TREE", str(folder / "tracks"))
    old, new, holds = GOOD[name]
    assert old in BASE
    spec = load(folder, BASE.replace(old, new, 1))
    assert holds(spec)
    assert specfile.loads_resolved(specfile.resolved_text(spec)) == spec
