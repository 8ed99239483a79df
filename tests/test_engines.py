"""A run whose engine is not the built-in one: every command works, and nothing of the built-in engine is loaded."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dagmaker.htcondor.build import build
from tests.toy_engine import Toy, ToySkies, launcher
from worker.base.arrays import npy_bytes
from worker.base.errors import SpecError
from worker.cli.main import main
from worker.engines import table
from worker.engines.builtin.engine import Builtin
from worker.review import replay, trial_files
from worker.rundir import address
from worker.rundir.ledger import files_of_node, open_run
from worker.spec.specfile import loads
from worker.tasks import context

SPEC = """
version: 1
name: toy
seed: 1
data: {format: synthetic, n_events: 2000}
background: {tail: none, dec_deg: [-10, 30], n_trials: 300, trials_per_file: 100}
signal: {n_sig: [2, 5, 10, 16, 24], n_trials: 100, trials_per_file: 100}
scan: {nside: 1, n_skies: 20, skies_per_file: 10, dec_min_deg: -10, dec_max_deg: 30}
unblind: {waive: [%s]}
"""
WAIVED = "p_uniform, n_sig_bias, enough_background_trials, enough_skies, n_eff_bands, ra_uniform, smooth_map"
FILE = "trials/toy/sig/dec/+030/nsig/010.0/trials__N_000100_seed_0000.npy"


def call(python: Path, *words: str) -> str:
    """What a command prints."""
    argv = [python, "-m", *words]
    done = subprocess.run(argv, cwd=python.parent, text=True, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.mark.slow
def test_an_engine_with_skies_goes_from_run_to_unblinding(tmp_path):
    toy = launcher(tmp_path, "ToySkies")
    (tmp_path / "spec.yaml").write_text(SPEC % WAIVED)
    call(toy, "dagmaker", "run", "spec.yaml", "--run=run", "--jobs=1")
    run = tmp_path / "run"
    assert np.load(run / FILE).dtype == Toy.columns
    summary = json.loads((run / "results/summary.json").read_text())
    assert [row["n_sig"] > 0 and row["flux"] > 0 for row in summary["sensitivity"]] == [True, True]
    assert {row["method"] for row in summary["sensitivity"]} == {"strata"}
    assert summary["bias"][0]["rows"][0]["gamma_median"] is None
    [season] = summary["data"]["seasons"]
    assert season["notes"][-1].endswith("has 2000 counts")
    call(toy, "dagmaker", "verify-plan", "run")
    fitted = json.loads(call(toy, "worker", "replay", "--run=run", f"--file={FILE}", "--trial=3", "--json"))["result"]
    assert fitted["fit"] == dict(zip(Toy.columns.names, np.load(run / FILE)[3].tolist(), strict=True))
    call(toy, "worker", "replay", "--run=run", f"--file={FILE}")
    call(toy, "dagmaker", "review", "run", "--jobs=1")
    certificate = json.loads((run / "review/certificate.json").read_text())
    assert {line["verdict"] for line in certificate["lines"]} == {"same", "note"}
    token = certificate["token"]
    approval = f"unblind: {{waive: [{WAIVED}], token: {token}, approved_by: A Toy, date: 2026-01-01, reason: a test}}\n"
    (tmp_path / "approved.yaml").write_text(SPEC.partition("unblind:")[0] + approval)
    call(toy, "dagmaker", "unblind", "run", f"--token={token}", "--spec=approved.yaml", "--jobs=1")
    assert json.loads((run / "unblinded/results.json").read_text())["hottest"]["ts"] > 0
    text = (run / "report/report.md").read_text()
    assert "TS is the square of an excess." in text and "Background trials are normal deviates: 300 at each" in text
    assert not [
        word for word in ("Unbinned", "likelihood", "right ascension evenly", "simplifications") if word in text
    ]


@pytest.fixture
def toy_run(tmp_path, monkeypatch):
    """A run of the toy without skies, as far as it goes, in this process."""
    monkeypatch.setitem(table.ENGINES, "builtin", lambda: Toy)
    build(loads(SPEC % ""), tmp_path / "run")
    for node in open_run(tmp_path / "run").plan["nodes"]:
        if "scan" not in node["task"] and node["task"] not in ("post_trial", "upper_limits", "report"):
            for file in [None] if node["file"] else files_of_node(node):
                made = {} if file is None else {"n": file.n, "seed": file.seed, "first": file.first}
                words = [f"--{key}={value}" for key, value in {**node["args"], **made}.items()]
                assert main([node["task"], f"--run={tmp_path / 'run'}", *words]) == 0
    return tmp_path / "run"


def findings(run: Path) -> dict[str, str]:
    """Verdicts of a review on the trials, by what was compared."""
    found = trial_files.findings(open_run(run), 1, 1, set())
    return {one.what: one.verdict for one in found if one.what.startswith(("bg_trials", "sig_trials"))}


@pytest.mark.slow
def test_an_engine_without_skies_has_all_but_a_scan(toy_run, capsys):
    for words in (["scan_trials", "--n=2"], ["scan_map", "--nside=1"]):
        assert main([words[0], f"--run={toy_run}", *words[1:]]) == 2
        assert "the engine of this analysis has no skies (it has: flux, trials); " in capsys.readouterr().err
    assert main(["report", f"--run={toy_run}"]) == 0
    assert (toy_run / "report/figures/bias.png").exists()
    rows = json.loads((toy_run / "results/sensitivity.json").read_text())["sensitivity"]
    assert {row["method"] for row in rows} == {"curve"}
    assert all("the engine" in row["method_reason"] for row in rows), "strata were asked for"
    assert rows[0]["method_reason"] in (toy_run / "report/report.md").read_text()
    assert list(findings(toy_run).values()) == ["same"] * 4
    file = toy_run / FILE
    forged = np.load(file)
    forged["ts"][7] *= 2
    file.write_bytes(npy_bytes(forged))
    assert main(["replay", f"--run={toy_run}", f"--file={FILE}"]) == 3
    assert "not reproduced: 1 of 100 entries differ, the first is 7: " in capsys.readouterr().err


@pytest.mark.slow
def test_single_trials_are_compared_if_they_do_not_depend_on_their_file(toy_run, monkeypatch):
    assert len([what for what in findings(toy_run) if "single trials" in what]) == 2
    monkeypatch.setattr(Toy, "deterministic", "per-file")
    found = findings(toy_run)
    assert not [what for what in found if "single" in what]
    assert sorted(found.values()) == ["note", "note", "same", "same"]
    with pytest.raises(SpecError, match="--trial: "):
        replay.replay(toy_run, FILE, 3)


@pytest.mark.slow
def test_another_engine_makes_files_foreign(toy_run, monkeypatch, capsys):
    monkeypatch.setattr(Toy, "identity", {"engine": "toy 2"})
    assert main(["sig_trials", f"--run={toy_run}", "--dec=30", "--n_sig=10", "--n=100"]) == 3
    assert FILE in capsys.readouterr().err


def test_digests_of_the_builtin_engine():
    """What enters the digest of every file of trials: another value makes all runs that people have foreign."""
    spec = loads(SPEC % "")
    of = Builtin(spec, None).identity
    like = spec.likelihood.model_dump(mode="json")
    old = {key: like[key] for key in like if key not in ("extension_deg", "psf", "gamma")}
    assert of == {"engine": 5, "likelihood": old | {"psf": "response"}}
    flat = spec.model_copy(update={"likelihood": spec.likelihood.model_copy(update={"psf": "gaussian"})})
    assert Builtin(flat, None).identity == {"engine": 5, "likelihood": old}
    wide = spec.model_copy(update={"likelihood": spec.likelihood.model_copy(update={"extension_deg": 0.5})})
    assert Builtin(wide, None).identity["likelihood"]["extension_deg"] == 0.5
    gpu = spec.model_copy(update={"resources": spec.resources.model_copy(update={"gpu": True})})
    assert Builtin(gpu, None).identity == of | {"device": "cuda 2"}


def test_strata_are_trials_with_exact_numbers_of_events():
    """Their addresses and digests are those of ``poisson: false``: files of the one are valid for the other."""
    exact, strata = (
        loads((SPEC % "").replace("signal: {", f"signal: {{{key}, ")) for key in ("poisson: false", "strata: true")
    )
    poisson = loads(SPEC % "")
    keys = [address.sig_trials(spec, spec.at(30.0), 10.0, 0, 2.0) for spec in (exact, strata, poisson)]
    assert keys[0] == keys[1] != keys[2]
    addresses = [context.signal_address(spec.signal) for spec in (exact, strata, poisson)]
    assert addresses[0] == addresses[1] != addresses[2]
    assert addresses[2] == {"cutoff_tev": None, "gamma": 2.0, "poisson": True}, "digests of older runs stay"
    assert [*Builtin(strata, None).signal_counts(keys[1], 0, 3, 10.0)] == [10, 10, 10]
    assert len({*Builtin(poisson, None).signal_counts(keys[2], 0, 50, 10.0)}) > 5


def test_what_an_engine_lacks_is_refused():
    with pytest.raises(SpecError, match=r"has no explain \(it has: flux, skies, strata, trials\)"):
        table.require(ToySkies(loads(SPEC % ""), None), "explain")
