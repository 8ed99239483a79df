"""One file, or one trial of it, made again."""

from pathlib import Path

import numpy as np
import pytest

from worker.base.arrays import npy_bytes
from worker.cli.main import main

pytestmark = pytest.mark.slow

BG = "trials/tiny/bg/dec/+005/trials__N_000100_seed_0000_first_0000100.npy"
SIG = "trials/tiny/sig/dec/-030/nsig/010.0/trials__N_000050_seed_0000_first_0000100.npy"
SKIES = "trials/tiny/scan/nside/004/rings__N_000002_seed_0000_first_0000002.npy"
MAP = "trials/tiny/map/nside/008/map__band_01_of_02.npy"


def replay(run: Path, file: str, *more: str) -> int:
    return main(["replay", f"--run={run}", f"--file={file}", *more])


@pytest.mark.parametrize("file", [BG, SIG, SKIES, MAP])
def test_every_kind_of_file_is_made_again(finished_run, file, capsys):
    """And no file of the run is changed, as after each test of `finished_run`."""
    assert replay(finished_run, file) == 0
    assert f"reproduced: {file}: the same bytes, made again by " in capsys.readouterr().out


@pytest.mark.parametrize("file", [BG, SIG, SKIES, MAP])
def test_one_changed_bit_is_named(own_run, file, capsys):
    array = np.load(own_run / file)
    array["ts"].reshape(-1)[7] = np.nextafter(array["ts"].reshape(-1)[7], 100)
    (own_run / file).write_bytes(npy_bytes(array))
    assert replay(own_run, file) == 3
    err = capsys.readouterr().err
    assert f"{file}: not reproduced: 1 of {len(array)} entries differ, the first is " in err


def test_a_trial_is_looked_into(own_run, capsys):
    assert replay(own_run, SIG, "--trial=3") == 0
    out = capsys.readouterr().out
    assert "trial 3, run alone, has the same bits as in the file" in out
    row = np.load(own_run / SIG)[3]
    assert f"fit: TS {row['ts']:.6f}, ns {row['ns']:.4f}, gamma {row['gamma']:.4f}" in out
    brute = float(out.partition("gammas): TS ")[2].partition(",")[0])
    assert row["ts"] - 1e-3 <= brute <= row["ts"] + 1e-6, "the grid is fine, and never above the maximum"
    with_signal = int(out.partition("events: ")[2].partition(" of them")[0].rpartition(" ")[2])
    assert 10 < with_signal < 500
    table = out.partition("the largest terms of TS:")[2].partition("\nbrute force")[0].splitlines()
    assert table[0].split() == ["term", "S/B", "R", "season", "log10(E/GeV)", "from"]
    terms = [[float(word) for word in (*line.split()[:2], line.split()[3])] for line in table[1:]]
    assert terms and all(len(line.split()) == 4 for line in table[1:]), "columns do not touch"
    assert all(len(line) - len(line.lstrip()) > 20 for line in table[1:])
    [picture] = (own_run / "replay").glob("*_dec_-30_n_sig_10_trial_0000103.png")
    assert picture.stat().st_size > 20_000


def test_a_sky_and_a_background_trial(own_run, capsys):
    assert replay(own_run, SKIES, "--trial=1") == 0
    assert "sky 3: the largest TS of 6 is at " in capsys.readouterr().out
    assert replay(own_run, BG, "--trial=0") == 0


def test_a_changed_trial_is_named(own_run, capsys):
    array = np.load(own_run / SIG)
    array["gamma"][3] += 0.5
    (own_run / SIG).write_bytes(npy_bytes(array))
    (own_run / SIG).with_suffix(".json").unlink()
    assert replay(own_run, SIG, "--trial=3") == 3
    assert "trial 3: not reproduced: " in capsys.readouterr().err
    assert replay(own_run, SIG, "--trial=4") == 0


@pytest.mark.parametrize(
    ("file", "more", "code", "told"),
    [
        (BG, ["--trial=100"], 2, "holds 100 trials, 0 to 99"),
        (MAP, ["--trial=0"], 2, "holds no trials; leave --trial out"),
        (
            "results/post_trial.json",
            [],
            2,
            "is made by post_trial from other files; `dagmaker review` makes those again",
        ),
        ("trials/nothing.npy", [], 3, "there is no such file in"),
        ("../spec.yaml", [], 3, "there is no such file in"),
    ],
)
def test_what_cannot_be_replayed(finished_run, file, more, code, told, capsys):
    assert replay(finished_run, file, *more) == code
    assert told in capsys.readouterr().err


def test_a_file_that_was_run_by_hand(own_run, capsys):
    assert main(["bg_trials", f"--run={own_run}", "--dec=5", "--n=20", "--seed=7"]) == 0
    file = "trials/tiny/bg/dec/+005/trials__N_000020_seed_0007.npy"
    assert replay(own_run, file) == 0
    assert "made again by bg_trials --dec=5.0 --n=20 --seed=7 --first=0" in capsys.readouterr().out
