import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagmaker.planning import plan, processes
from dagmaker.planning.cuts import cuts
from tests.dagmaker_spec import spec
from worker import layout, specfile
from worker.cli import argv
from worker.errors import InputError
from worker.ledger import Run, expected


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
    assert cuts(250, 100) == ((0, 100), (100, 100), (200, 50))


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


def test_plan_reads_back_and_has_the_same_bytes_again():
    made = _plan()
    text = plan.write(made)
    assert plan.read(text) == made
    assert plan.write(_plan()) == text
    assert json.loads(text)["plan_version"] == 1


def test_a_spoilt_plan_is_an_input_error():
    text = plan.write(_plan())
    with pytest.raises(InputError, match=r"plan\.json: not a plan"):
        plan.read(text[:-10])
    with pytest.raises(InputError, match="plan version 2, this program writes and reads 1"):
        plan.read(text.replace('"plan_version": 1', '"plan_version": 2'))


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
    raw = json.loads(plan.write(written))
    run = Run(tmp_path, made, raw, raw)
    for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map"):
        ours = [f"{n.dir}/{name}" for n in written.nodes if n.task == task for name in processes.outputs(n)]
        assert ours == [str(item.path) for item in expected(run, task)]


def test_a_single_file_is_where_the_layout_has_it():
    nodes = {node.name: node for node in _plan(decs=[0.4, 30]).nodes}
    files = {name: f"{node.dir}/{node.file}" for name, node in nodes.items() if node.file}
    assert files["collect_bg_p000d4"] == str(layout.bg_collected(0.4, 1))
    assert files["collect_sig_p030d0"] == str(layout.sig_collected(30, 1))
    assert files["prepare"] == str(layout.DATA)
    assert files["report"] == str(layout.REPORT)
