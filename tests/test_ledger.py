"""What a run must contain, from its plan: opened only when it can be trusted, listed exactly."""

import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
import yaml

from dagmaker.htcondor import rounds
from dagmaker.plan import plan as plans
from dagmaker.plan import processes
from tests.counted import calls
from worker.base.errors import InputError
from worker.rundir import layout, ledger, planfile
from worker.spec import specfile

SPEC = {
    "version": 1,
    "name": "x",
    "seed": 7,
    "data": {"format": "synthetic"},
    "background": {"tail": "none", "dec_deg": [-30, 0, 5], "n_trials": 25, "trials_per_file": 10},
    "signal": {"n_sig": [2, 5, 9.5], "n_trials": 10},
    "scan": {
        "nside": 16,
        "map_nside": 32,
        "n_skies": 5,
        "skies_per_file": 2,
        "bands": 3,
        "dec_min_deg": -30,
        "dec_max_deg": 5,
    },
}


def built(path: Path, **changes: object) -> Path:
    """The spec and the plan of a run, as `dagmaker build` freezes them."""
    spec = specfile.loads(yaml.safe_dump({**SPEC, **changes}))
    text = specfile.resolved_text(spec)
    (path / "analysis.yaml").write_text(text)
    (path / "plan.json").write_text(plans.write(plans.make(spec, specfile.text_digest(text))))
    return path


@pytest.fixture
def run(tmp_path: Path) -> ledger.Run:
    return ledger.open_run(built(tmp_path))


def names(found: list[ledger.Expected]) -> list[str]:
    return [str(e.path) for e in found]


def test_the_files_of_a_point(run: ledger.Run) -> None:
    found = ledger.expected(run, "bg_trials", dec=5)
    folder = "trials/x/bg/dec/+005/trials__"
    assert names(found) == [
        f"{folder}N_000010_seed_0000.npy",
        f"{folder}N_000010_seed_0000_first_0000010.npy",
        f"{folder}N_000005_seed_0000_first_0000020.npy",
    ]
    assert [(e.n, e.seed, e.first, e.band) for e in found] == [(10, 0, 0, None), (10, 0, 10, None), (5, 0, 20, None)]
    assert found[0].point == {"dec": 5.0}
    assert found[0].path == PurePosixPath(found[0].path)


def test_free_keys_and_exact_ones(run: ledger.Run) -> None:
    assert [e.point["n_sig"] for e in ledger.expected(run, "sig_trials", dec=-30)] == [2.0, 5.0, 9.5]
    assert [e.point["dec"] for e in ledger.expected(run, "sig_trials", n_sig=9.5)] == [-30.0, 0.0, 5.0]
    assert len(ledger.expected(run, "sig_trials", dec=0, n_sig=9.5)) == 1
    assert len(ledger.expected(run, "sig_trials", dec=-0.0)) == 3
    assert len(ledger.expected(run, "sig_trials")) == 9


def test_skies_and_maps(run: ledger.Run) -> None:
    assert names(ledger.expected(run, "scan_trials")) == [
        "trials/x/scan/nside/016/rings__N_000002_seed_0000.npy",
        "trials/x/scan/nside/016/rings__N_000002_seed_0000_first_0000002.npy",
        "trials/x/scan/nside/016/rings__N_000001_seed_0000_first_0000004.npy",
    ]
    bands = ledger.expected(run, "scan_map", nside=32)
    assert [e.band for e in bands] == [(0, 3), (1, 3), (2, 3)]
    assert names(bands)[2] == "trials/x/map/nside/032/map__band_02_of_03.npy"


def test_the_planner_and_the_ledger_name_the_same_files(run: ledger.Run) -> None:
    """The plan is read twice, by the runner and by the worker: both must expect the same."""
    plan = rounds.read_plan(run.path)
    for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map"):
        told = [f"{n.dir}/{name}" for n in plan.nodes if n.task == task for name in processes.outputs(n)]
        assert names(ledger.expected(run, task)) == told
        assert len(told) == len(set(told)) > 0


def test_skies_in_bands_agree_too(run: ledger.Run, tmp_path: Path) -> None:
    data = json.loads((tmp_path / "plan.json").read_text())
    for node in data["nodes"]:
        if node["task"] == "scan_trials":
            node["bands"] = 2
    (tmp_path / "plan.json").write_text(json.dumps(data))
    found = ledger.expected(ledger.open_run(tmp_path), "scan_trials")
    node = next(n for n in rounds.read_plan(tmp_path).nodes if n.task == "scan_trials")
    assert [e.path.name for e in found] == list(processes.outputs(node))
    assert [e.band for e in found[:2]] == [(0, 2), (1, 2)]


def test_missing(run: ledger.Run) -> None:
    everything = ledger.expected(run, "bg_trials")
    assert ledger.missing(run, "bg_trials") == everything
    for e in everything[:4]:
        (run.path / e.path).parent.mkdir(parents=True, exist_ok=True)
        (run.path / e.path).touch()
    (run.path / everything[4].path.with_name("trials__N_000099_seed_0000.npy")).touch()  # nobody promised this one
    assert ledger.missing(run, "bg_trials") == everything[4:]
    assert ledger.missing(run, "bg_trials", dec=-30) == []
    assert len(ledger.missing(run, "bg_trials", dec=0)) == 2


def test_a_file_where_the_folder_should_be_is_a_hole(run: ledger.Run) -> None:
    (run.path / "trials").write_text("x")
    assert len(ledger.missing(run, "bg_trials", dec=5)) == 3


@pytest.mark.parametrize(
    ("task", "point", "words"),
    [
        ("bg_trials", {"dec": 7.5}, "the plan has no bg_trials at dec=7.5; its values of dec are -30, 0, 5"),
        (
            "sig_trials",
            {"dec": 5, "n_sig": 3},
            "the plan has no sig_trials at dec=5 n_sig=3; its values of n_sig are 2, 5, 9.5",
        ),
        ("bg_trials", {"ra": 1}, "the plan has no bg_trials at ra=1; its values of ra are none"),
        (
            "unblind",
            {},
            "the plan has no task unblind; it has prepare, bg_trials, sig_trials, collect_bg, collect_sig, "
            "scan_trials, scan_map, distributions, sensitivity, collect_scan, post_trial, upper_limits, report",
        ),
    ],
)
def test_a_point_that_is_not_in_the_plan(run: ledger.Run, task: str, point: dict[str, float], words: str) -> None:
    for listing in (ledger.expected, ledger.missing):
        with pytest.raises(InputError) as caught:
            listing(run, task, **point)
        assert str(caught.value) == f"{run.path / 'plan.json'}: {words}"


def test_a_long_grid_is_not_listed_whole(tmp_path: Path) -> None:
    grid = {"dec_deg": {"start": -85, "stop": 85, "step": 1}, "n_trials": 1}
    run = ledger.open_run(built(tmp_path, background=grid))
    with pytest.raises(InputError, match=r"are -85, -84, .*, -74, \.\.\.$"):
        ledger.expected(run, "bg_trials", dec=0.5)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        ledger.open_run(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: this is not a run directory: it has no analysis.yaml; "
        f"make one with `dagmaker build SPEC --run={tmp_path}`"
    )
    with pytest.raises(InputError, match="not a run directory"):
        ledger.open_run(tmp_path / "absent")


def test_a_spec_that_was_changed_after_the_build(tmp_path: Path) -> None:
    path = built(tmp_path) / "analysis.yaml"
    path.write_text(path.read_text().replace("seed: 7", "seed: 8"))
    with pytest.raises(InputError) as caught:
        ledger.open_run(tmp_path)
    text = str(caught.value)
    assert text.startswith(f"{path}: the spec was changed since the run was built (its digest is ")
    cure = f"; `dagmaker restore {tmp_path}` puts it back, or edit your own spec and `dagmaker build` it again"
    assert text.endswith(cure)
    assert caught.value.exit_code == 3


def _first(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


DAMAGED = {
    "truncated": (lambda text: text[:-10], "is not a plan: the file: Invalid JSON: EOF"),
    "empty": (lambda _: "", "is not a plan: the file: Invalid JSON: EOF"),
    "a list": (lambda _: "[]", "is not a plan: the file: "),
    "null": (lambda _: "null", "is not a plan: the file: "),
    "deep": (lambda _: "[" * 100_000, "is not a plan: the file: "),
    "not text": (lambda text: text[:200] + "\0\ud800" + text[200:], "is not a plan: the file: "),
    "an older form": (
        lambda text: _first(text, '"plan_version": 2', '"plan_version": 1'),
        "found plan_version 1, this program reads 2",
    ),
    "version of another type": (
        lambda text: _first(text, '"plan_version": 2', '"plan_version": [2]'),
        "found plan_version [2], this program reads 2",
    ),
    "no digest": (lambda text: _first(text, '"spec_digest"', '"digest"'), "it has no spec_digest"),
    "digest null": (lambda text: re.sub(r'"spec_digest": "\w+"', '"spec_digest": null', text), "it has no spec_digest"),
    "no nodes": (lambda text: _first(text, '"nodes"', '"knots"'), "nodes: is missing"),
    "nodes null": (lambda text: text[: text.index("[\n")] + "null}\n", "nodes: "),
    "a node null": (lambda text: _first(text, "[\n", "[\nnull,\n"), "nodes.0: "),
    "an unknown key": (
        lambda text: _first(text, '"task":"prepare"', '"tusk":"prepare"'),
        "nodes.0.task: is missing",
    ),
    "an unknown task": (lambda text: _first(text, '"task":"prepare"', '"task":"serve"'), "task: found serve"),
    "no declination": (lambda text: _first(text, '{"dec":-30.0}', "{}"), "bg_trials needs dec"),
    "a declination of text": (lambda text: _first(text, '{"dec":-30.0}', '{"dec":"-30"}'), "nodes.1.args.dec"),
    "a huge declination": (
        lambda text: _first(text, '{"dec":-30.0}', '{"dec":1' + "0" * 400 + "}"),
        "nodes.1.args.dec",
    ),
    "not a number": (lambda text: _first(text, '{"dec":-30.0}', '{"dec":NaN}'), "nodes.1.args.dec"),
    "a path out of the run": (
        lambda text: _first(text, '"dir":"prepared"', '"dir":"../prepared"'),
        "must be a path below the run directory",
    ),
    "a name that ends early": (
        lambda text: _first(text, '"dir":"prepared"', '"dir":"prepared\\u0000"'),
        "must be a path below the run directory",
    ),
    "cuts null": (lambda text: _first(text, "[[0,10,2],[20,5,1]]", "null"), "nodes.1.cuts"),
    "cuts of nothing": (lambda text: _first(text, "[[0,10,2],[20,5,1]]", "[]"), "cuts: found 0 for bg_trials"),
    "cuts in pairs": (lambda text: _first(text, "[0,10,2]", "[0,10]"), "nodes.1.cuts.0.2: is missing"),
    "cuts without end": (lambda text: _first(text, "[0,10,2]", "[0,10,1e30]"), "nodes.1.cuts.0.2"),
    "too many cuts": (lambda text: _first(text, "[0,10,2]", "[0,10,999999999999]"), "processes; a plan has at most"),
    "other cuts": (
        lambda text: _first(text, "[0,10,2]", "[0,10,3]"),
        "the files of bg_trials dec=-30 do not hold the 25 trials that the spec asks for",
    ),
    "a hole": (
        lambda text: _first(text, "[0,10,2],[20,5,1]", "[0,10,1],[10,15,1]").replace("[10,15,1]", "[11,15,1]"),
        "the files of bg_trials dec=-30 do not hold the 25 trials",
    ),
    "bands": (lambda text: _first(text, '"bands":1', '"bands":100000'), "nodes.0.bands"),
    "a name twice": (lambda text: _first(text, '"name":"bg_p000"', '"name":"bg_m030"'), "bg_m030 stands there twice"),
    "a lost parent": (lambda text: _first(text, '"parents":["prepare"]', '"parents":["x"]'), "a parent of bg_m030"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_plan(tmp_path: Path, kind: str) -> None:
    """Refused with exit code 3, the place and the command that cures it, by the worker and by dagmaker."""
    damage, words = DAMAGED[kind]
    path = built(tmp_path) / "plan.json"
    path.write_text(damage(path.read_text()), errors="surrogatepass")
    with pytest.raises(InputError) as caught:
        ledger.open_run(tmp_path).plan["nodes"]
    assert words in str(caught.value)
    cure = f"; write it again with `dagmaker build {tmp_path}/analysis.yaml --run={tmp_path}`"
    assert str(caught.value).endswith(cure)
    if kind not in ("other cuts", "a hole"):  # of which only the spec can tell
        with pytest.raises(InputError, match=re.escape(str(caught.value))):
            rounds.read_plan(tmp_path)


def test_a_process_that_makes_trials_reads_one_line_of_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = built(tmp_path) / "plan.json"
    monkeypatch.setattr(planfile, "read", None)
    assert ledger.open_run(tmp_path).spec.name == "x"
    with path.open("r+") as file:  # also a truncated one is seen at once
        file.truncate(path.stat().st_size - 5)
    monkeypatch.undo()
    with pytest.raises(InputError, match="Invalid JSON"):
        ledger.open_run(tmp_path)


def test_a_plan_of_a_million_processes_is_small(tmp_path: Path) -> None:
    grid = {"dec_deg": {"start": -80, "stop": 80, "step": 10}, "n_trials": 20_000_000, "trials_per_file": 1000}
    signal = {"n_sig": [2, 4, 6, 8, 10, 14, 20, 26, 34, 44], "n_trials": 3_500_000, "trials_per_file": 1000}
    scan = {"nside": 32, "map_nside": None, "n_skies": 65_000, "skies_per_file": 1}
    scan |= {"dec_min_deg": -80, "dec_max_deg": 80}
    path = built(tmp_path, background=grid, signal=signal, scan=scan) / "plan.json"
    assert path.stat().st_size < 200_000
    made = rounds.read_plan(tmp_path)
    assert made.n_processes > 1_000_000
    folders = Counter(node.dir for node in made.nodes for _ in range(2 * node.n_processes))
    assert max(folders.values()) <= layout.FILES_PER_FOLDER


def test_many_files_are_listed_lazily_and_with_few_calls(tmp_path: Path) -> None:
    background = {"dec_deg": {"start": -80, "stop": 80, "step": 10}, "n_trials": 200_000, "trials_per_file": 1000}
    signal = {"n_sig": list(range(1, 21)), "n_trials": 20_000, "trials_per_file": 1000}
    run = ledger.open_run(built(tmp_path, background=background, signal=signal))
    plan, n_calls = calls(lambda: run.plan)
    assert n_calls < 140 * len(plan["nodes"])  # 95 today: once for a process, however many files a node has
    first, n_calls = calls(lambda: next(ledger.each_expected(run, "sig_trials")))
    assert first.first == 0
    assert n_calls < 2000  # 1108 today: none for the others of its task
    files, n_calls = calls(lambda: list(ledger.each_expected(run, "sig_trials")))
    n_files = len(files)
    assert n_files == 17 * 20 * 20
    assert n_calls < 40 * n_files  # 25 today
