"""Trees of trials as nested dicts: csky's read by us, ours read as the tutorial reads csky's, and every wrong tree."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests import csky_reader
from worker.base.errors import InputError
from worker.bookkeeping import concatenate, get, get_all, get_best
from worker.engines.builtin.trials import TRIAL_DTYPE
from worker.rundir import layout
from worker.spec.point import declination
from worker.stats.distributions import TSD

CSKY = np.dtype([("gamma", "<f8"), ("ns", "<f8"), ("ts", "<f8")])
DECS = range(-85, 86, 10)
N_SIGS = (2.0, 10.0, 30.0)


def some(dtype: np.dtype, n: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    out = np.empty(n, dtype)
    for name in dtype.names:
        out[name] = generator.random(n)
    out["ts"] = np.where(generator.random(n) < 0.5, generator.chisquare(1, n), 0.0)
    return out


def signal(n_sig: float) -> np.ndarray:
    out = some(CSKY, 200, 5)
    out["ts"] += n_sig * np.random.default_rng(8).random(200) ** 3
    return out


def save(path: Path, array: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


@pytest.fixture(scope="module")
def csky_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the cells of the tutorial save it: two background files per declination, one per signal strength."""
    root = tmp_path_factory.mktemp("trials") / "IC86_2011"
    for dec in DECS:
        for seed in range(2):
            save(
                root / f"bg/dec/{dec:+04.0f}/trials__N_{50:06d}_seed_{seed:04d}.npy",
                some(CSKY, 50, 2 * dec % 99 + seed),
            )
        for n_sig in N_SIGS:
            save(root / f"sig/dec/{dec:+04.0f}/nsig/{n_sig:05.1f}/trials__N_000200_seed_0000.npy", signal(n_sig))
    return root


@pytest.fixture(scope="module")
def our_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders and names of a run, one stream cut in two."""
    root = tmp_path_factory.mktemp("run")
    for dec in DECS:
        for first in (0, 30):
            rel = layout.bg_dir("ic86", declination(dec)) / layout.trials_name(30, 0, first)
            save(root / rel, some(TRIAL_DTYPE, 30, first))
            (root / layout.record_name(rel)).write_text("{}")
        for n_sig in N_SIGS:
            save(
                root / layout.sig_dir("ic86", declination(dec), n_sig) / layout.trials_name(20, 0),
                some(TRIAL_DTYPE, 20, 1),
            )
    return root / "trials" / "ic86"


def test_cskys_tree_is_read(csky_tree: Path) -> None:
    bg = get_all(csky_tree / "bg" / "dec", "trials*npy", merge=np.concatenate, post_convert=TSD.from_trials)
    assert sorted(bg) == list(DECS)
    assert repr(bg[5]).startswith("TSD(100 trials, eta=0.")
    whole = np.concatenate([np.load(file) for file in sorted((csky_tree / "bg/dec/-005").glob("*.npy"))])
    assert bg[-5].eta == np.mean(whole["ts"] > 0)
    sig = get_all(csky_tree / "sig", "trials*npy")
    assert list(get(sig, "dec", 5, "nsig")) == list(N_SIGS)
    assert get(sig, "dec", 5, "nsig", 10).tobytes() == signal(10.0).tobytes()
    assert get(get_all(csky_tree), "sig", "dec", -85, "nsig", 2) is not None


def test_the_example_of_the_docs_runs(csky_tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "runs/example/trials/ic86_synthetic" in code
    lines = code.replace("runs/example/trials/ic86_synthetic", str(csky_tree)).splitlines()
    names: dict[str, object] = {}
    exec("\n".join(lines[:-1]), names)
    assert 0 < eval(lines[-1], names) < 30


def test_the_tutorials_cells_read_our_tree(our_tree: Path) -> None:
    """Its loader, merge and look-up, with the words of its cells."""
    bg, n_bg = csky_reader.get_all(
        f"{our_tree}/bg/dec", "trials*npy", merge=np.concatenate, post_convert=csky_reader.Columns
    )
    sig, n_sig = csky_reader.get_all(
        f"{our_tree}/sig", "trials*npy", merge=np.concatenate, post_convert=csky_reader.Columns
    )
    assert (n_bg, n_sig) == (2 * len(DECS), len(DECS) * len(N_SIGS))
    assert {type(key) for key in bg} == {int}
    assert sorted(bg) == list(DECS)
    assert repr(bg[5]) == "Arrays(60 items | columns: gamma, ns, ts)"
    assert repr(sig["dec"][5]["nsig"][10]) == "Arrays(20 items | columns: gamma, ns, ts)"
    assert csky_reader.get_best(sig, "dec", 5, "nsig", 10) is sig["dec"][5]["nsig"][10]
    trials = {0: bg[5], **csky_reader.get_best(sig, "dec", 5, "nsig")}
    assert list(trials) == [0, *N_SIGS]


def test_both_readers_see_the_same_in_both_trees(our_tree: Path, csky_tree: Path) -> None:
    for tree in (our_tree, csky_tree):
        theirs, _ = csky_reader.get_all(str(tree), "trials*npy", merge=np.concatenate)
        ours = get_all(tree)
        for dec in DECS:
            assert get(ours, "bg", "dec", dec).tobytes() == theirs["bg"]["dec"][dec].tobytes()
            for n_sig in N_SIGS:
                assert (
                    get(ours, "sig", "dec", dec, "nsig", n_sig).tobytes()
                    == theirs["sig"]["dec"][dec]["nsig"][n_sig].tobytes()
                )


def test_the_order_is_that_of_the_stream(tmp_path: Path) -> None:
    for first in (1000, 0, 900, 100):
        n = {0: 100, 100: 800, 900: 100, 1000: 5}[first]
        save(tmp_path / layout.trials_name(n, 0, first), np.arange(first, first + n))
    np.testing.assert_array_equal(get_all(tmp_path), np.arange(1005))


def test_columns_in_another_order_are_matched_by_name() -> None:
    one, two = some(CSKY, 3, 1), some(TRIAL_DTYPE, 4, 2)
    both = concatenate([one, two])
    assert both.dtype == CSKY
    np.testing.assert_array_equal(both["ts"], [*one["ts"], *two["ts"]])
    with pytest.raises(InputError, match="different columns"):
        concatenate([one, np.zeros(2, [("ts", "f8")])])
    mixed = concatenate([{"ts": np.ones(2), "ns": np.zeros(2)}, {"ns": np.ones(1), "ts": np.zeros(1)}])
    np.testing.assert_array_equal(mixed["ts"], [1, 1, 0])


def test_dicts_need_permission_when_pickled_and_none_as_npz(tmp_path: Path) -> None:
    save(tmp_path / "pickled" / "trials.npy", {"ts": np.ones(3), "ns": np.zeros(3)})
    with pytest.raises(InputError, match=r"can run any code.*allow_pickle=True"):
        get_all(tmp_path, "*.npy")
    tree = get_all(tmp_path, "*.npy", allow_pickle=True)
    np.testing.assert_array_equal(tree["pickled"]["ts"], 1)
    (tmp_path / "plain").mkdir()
    np.savez(tmp_path / "plain" / "trials.npz", ts=np.ones(3), ns=np.zeros(3))
    np.testing.assert_array_equal(get_all(tmp_path, "*.npz")["plain"]["ts"], 1)


def test_names_that_are_no_numbers_stay_words_and_decimals_stay_decimals(tmp_path: Path) -> None:
    for name in ("dec/+000.40", "dec/-000.40", "dec/+012.00", "gamma/2.000", "v1.2.3", "-"):
        save(tmp_path / name / "trials_1.npy", np.zeros(1))
    tree = get_all(tmp_path)
    assert set(tree) == {"dec", "gamma", "v1.2.3", "-"}
    assert sorted(tree["dec"]) == [-0.4, 0.4, 12.0]
    assert list(tree["gamma"]) == [2.0]


WRONG = {
    "no such folder": ((), "there is no such folder"),
    "nothing in it": (("dec/+005/other.npy",), "there is no file trials\\*npy in or below"),
    "one value twice": (("dec/+005/trials_1.npy", "dec/5.0/trials_1.npy"), "has the same value, 5"),
    "files at two levels": (("dec/trials_1.npy", "dec/+005/trials_1.npy"), "lie here and in folders below"),
    "trials twice": (
        ("dec/+005/trials__N_001000_seed_0000.npy", "dec/+005/trials__N_000100_seed_0000_first_0000950.npy"),
        r"shares trials with trials__N_001000_seed_0000.npy \(seed 0\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_tree_is_refused(tmp_path: Path, case: str) -> None:
    files, words = WRONG[case]
    for file in files:
        save(tmp_path / "tree" / file, np.zeros(2))
    with pytest.raises(InputError, match=words):
        get_all(tmp_path / "tree")


def test_overlap_may_be_allowed_and_other_seeds_are_no_overlap(tmp_path: Path) -> None:
    save(tmp_path / "trials__N_000010_seed_0000.npy", np.zeros(10))
    save(tmp_path / "trials__N_000010_seed_0001.npy", np.zeros(10))
    assert len(get_all(tmp_path)) == 20
    save(tmp_path / "trials__N_000004_seed_0001.npy", np.zeros(4))
    assert len(get_all(tmp_path, allow_overlap=True)) == 24


def test_a_truncated_file_is_named(our_tree: Path, tmp_path: Path) -> None:
    file = next((our_tree / "bg/dec/+005").glob("*.npy"))
    (tmp_path / file.name).write_bytes(file.read_bytes()[:-8])
    with pytest.raises(InputError, match=rf"{file.name}: .*truncated"):
        get_all(tmp_path)


def test_get_is_exact_and_says_what_there_is() -> None:
    tree = {"dec": {5: {"nsig": {10.0: "trials"}}, 15: {}}}
    assert get(tree, "dec", 5, "nsig", 10) == "trials"
    assert get(tree, "dec", 5.0) is tree["dec"][5]
    with pytest.raises(InputError, match=r"dec: there is no 6; there are 5, 15; the nearest is 5"):
        get(tree, "dec", 6)
    with pytest.raises(InputError, match="the top: there is no 'Dec'; there are 'dec'"):
        get(tree, "Dec")
    with pytest.raises(InputError, match="the tree ends at dec 5 nsig 10"):
        get(tree, "dec", 5, "nsig", 10, "ts")


def test_get_best_takes_no_default_and_no_far_neighbour() -> None:
    tree = {"dec": {5: "a", 15: "b", 0.3: "c"}}
    assert get_best(tree, "dec", 0.1 + 0.2, tolerance=1e-9) == "c"
    assert get_best(tree, "dec", 14, tolerance=2) == "b"
    with pytest.raises(InputError, match=r"no 14 within 0\.5"):
        get_best(tree, "dec", 14, tolerance=0.5)
    with pytest.raises(InputError, match="5 and 15 are equally near to 10"):
        get_best(tree, "dec", 10, tolerance=20)
    with pytest.raises(InputError, match="largest difference"):
        get_best(tree, "dec", 10, tolerance=float("nan"))
    with pytest.raises(TypeError):
        get_best(tree, "dec", 10)  # type: ignore[call-arg]
