import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagmaker.plan import plan, processes
from tests.dagmaker_spec import spec
from worker.base.errors import SpecError
from worker.cli.main import argv
from worker.rundir import layout, planfile
from worker.rundir.cuts import cuts, even
from worker.rundir.ledger import Run, expected
from worker.spec import specfile
from worker.spec.point import declination


def _plan(**changes):
    made = spec(**changes)
    return plan.make(made, specfile.text_digest(specfile.resolved_text(made)))


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_cuts_cover_the_stream_once(n, per_file):
    per_file += n // 500  # at most 500 pieces: fast
    position = 0
    for first, length in cuts(n, per_file):
        assert first == position
        assert 1 <= length <= per_file
        position += length
    assert position == n


def test_remainder_is_a_shorter_last_file():
    assert tuple(cuts(250, 100)) == ((0, 100), (100, 100), (200, 50))


@given(st.integers(1, 400), st.integers(1, 60), st.integers(0, 10**6), st.data())
def test_runs_of_equal_pieces_are_the_pieces_themselves(n, pieces, first, data):
    made = even(n, pieces, first)
    plain = list(made)
    assert [piece[0] for piece in plain] == [first + sum(n for _, n in plain[:i]) for i in range(len(plain))]
    assert len(plain) == len(made) == min(pieces, n) and made.n_trials == n
    assert max(n for _, n in plain) - min(n for _, n in plain) <= 1
    start, stop = sorted((data.draw(st.integers(0, len(plain))), data.draw(st.integers(0, len(plain)))))
    assert list(made[start:stop]) == plain[start:stop]
    assert all(made[i] == piece and piece in made for i, piece in enumerate(plain))
    assert (first + n, 1) not in made


def test_stage_graph():
    made = _plan()
    nodes = {node.name: node for node in made.nodes}
    assert nodes["prepare"].parents == ()
    assert nodes["bg_p005"].parents == nodes["sig_m030_n004d0"].parents == nodes["scan"].parents == ("prepare",)
    assert nodes["collect_bg_p005"].parents == ("bg_p005",)
    assert nodes["collect_sig_p005"].parents == ("sig_p005_n004d0", "sig_p005_n010d0", "sig_p005_n020d0")
    assert nodes["distributions"].parents == ("collect_bg_m030", "collect_bg_p005", "collect_bg_p040")
    assert set(nodes["sensitivity"].parents) == {
        "distributions",
        *(f"collect_sig_{w}" for w in ("m030", "p005", "p040")),
    }
    assert nodes["collect_scan"].parents == ("distributions", "scan", "map_nside004", "map_nside008")
    assert nodes["post_trial"].parents == ("collect_scan",)
    assert nodes["report"].parents == ("sensitivity", "post_trial", "upper_limits")
    assert nodes["upper_limits"].parents == ("sensitivity", "collect_scan")


def test_parents_come_before_children_and_names_are_unique():
    made = _plan()
    seen: set[str] = set()
    for node in made.nodes:
        assert node.name not in seen
        assert seen.issuperset(node.parents)
        seen.add(node.name)


@pytest.mark.parametrize("decs", [[-30, 5], [-30.4, 0.0, 30.4], [-85.25, 12.5, 85]])
def test_names_are_legal_for_dagman_and_points_share_no_folder(decs):
    made = _plan(decs=decs, n_sig=[0.5, 1, 2.25])
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", node.name) for node in made.nodes)
    folders = [node.dir for node in made.nodes if node.cuts]
    assert len(set(folders)) == len(folders)
    outputs = [f"{node.dir}/{name}" for node in made.nodes for name in processes.outputs(node)]
    assert len(set(outputs)) == len(outputs) == made.n_processes


def test_no_second_map_without_a_second_resolution():
    assert [node.name for node in _plan(map_nside="null").nodes if node.task == "scan_map"] == ["map_nside004"]
    assert [node.name for node in _plan(map_nside=4).nodes if node.task == "scan_map"] == ["map_nside004"]


def _read(text):
    return plan.of_json(planfile.loads(text, "plan.json", planfile.HEAD, "build"))


def test_plan_reads_back_and_has_the_same_bytes_again():
    made = _plan()
    text = plan.write(made)
    assert _read(text) == made
    assert plan.write(_read(text)) == plan.write(_plan()) == text
    assert json.loads(text)["plan_version"] == planfile.VERSION


def test_a_crowded_folder_becomes_several(monkeypatch):
    """Names and places of what fits stay; the rest lies in folders named by their first trial."""
    small = _plan()
    monkeypatch.setattr(layout, "FILES_PER_FOLDER", 4)  # two outputs with their records
    made = _plan()
    assert _read(plan.write(made)) == made
    parts = [node for node in made.nodes if node.task == "bg_trials" and ("dec", -30.0) in node.args]
    assert [(n.name, n.dir.rpartition("/")[2], tuple(n.cuts)) for n in parts] == [
        ("bg_m030", "-030", ((0, 100), (100, 100))),
        ("bg_m030_f200", "first_0000200", ((200, 50),)),
    ]
    assert [process.argv for process in processes.of(parts[1])] == [
        ("bg_trials", "--dec=-30", "--part=200", "--n=50", "--seed=0", "--first=200")
    ]
    nodes = {node.name: node for node in made.nodes}
    assert nodes["collect_bg_m030"].parents == ("bg_m030", "bg_m030_f200")
    assert made.n_processes == small.n_processes
    folders = Counter(node.dir for node in made.nodes for _ in processes.outputs(node) if not node.file)
    assert max(count for folder, count in folders.items() if "/map/" not in folder) <= 2


def test_a_round_does_not_crowd_the_folder_that_the_plan_filled(monkeypatch):
    made = spec()
    monkeypatch.setattr(layout, "FILES_PER_FOLDER", 6)
    before = plan.background(made, made.at(-30))
    assert [len(node.cuts) for node in before] == [3]
    more = plan.background(made, made.at(-30), (250, 500))
    assert {node.dir.rpartition("/")[2] for node in more} == {"first_0000250", "first_0000550"}
    assert [piece for node in more for piece in node.cuts] == list(cuts(500, 100, 250))


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"n_bg": 10**12, "bg_file": 1}, "background.trials_per_file"), ({"n_skies": 10**11}, "scan.skies_per_file")],
)
def test_a_plan_that_nobody_could_run_is_refused_at_once(changes, key):
    cure = rf"write {key.partition('.')[2]}: \d+"
    with pytest.raises(SpecError, match=rf"{key}: found .* processes .*; a plan has at most 2,000,000: {cure}"):
        _plan(**changes)


def test_argv_is_what_the_worker_calls_canonical():
    for node in _plan(decs=[-30.4, 0.0, 12.5], bands=3).nodes:
        for process in processes.of(node):
            flags = dict(word[2:].split("=") for word in process.argv[1:])
            kinds = {"dec": float, "n_sig": float, "band": int}
            given = {key: kinds.get(key, int)(value) for key, value in flags.items()}
            assert [process.argv[0], "--run=R", *process.argv[1:]] == argv(process.argv[0], run="R", **given)


def test_outputs_are_those_that_the_ledger_expects(tmp_path):
    made = spec(decs=[-30.4, 0.0, 12.5], bands=3)
    written = _plan(decs=[-30.4, 0.0, 12.5], bands=3)
    (tmp_path / "plan.json").write_text(plan.write(written))
    run = Run(tmp_path, made, written.spec_digest)
    for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map"):
        ours = [f"{n.dir}/{name}" for n in written.nodes if n.task == task for name in processes.outputs(n)]
        assert ours == [str(item.path) for item in expected(run, task)]


def test_a_single_file_is_where_the_layout_has_it():
    nodes = {node.name: node for node in _plan(decs=[0.4, 30]).nodes}
    files = {name: f"{node.dir}/{node.file}" for name, node in nodes.items() if node.file}
    assert files["collect_bg_p000d4"] == str(layout.bg_collected(declination(0.4, 1)))
    assert files["collect_sig_p030d0"] == str(layout.sig_collected(declination(30, 1)))
    assert files["prepare"] == str(layout.DATA)
    assert files["report"] == str(layout.REPORT)
