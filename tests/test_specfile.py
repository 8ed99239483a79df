"""The spec as a file: reading, freezing, digests, schema."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.base.errors import SpecError
from worker.spec import composition, prior_map, reader, specfile
from worker.spec.hints import HINTS
from worker.spec.numbers import digest_of_numbers

ROOT = Path(__file__).parents[1]
MINIMAL: dict[str, Any] = {
    "version": 1,
    "name": "x",
    "seed": 0,
    "data": {"format": "synthetic"},
    "background": {"dec_deg": [-85.0, 85.0], "n_trials": 10},
    "signal": {"n_sig": [1, 2, 3], "n_trials": 10},
    "scan": {"n_skies": 1},
}


def minimal(**changes: object) -> str:
    return yaml.safe_dump({**MINIMAL, **changes})


@pytest.mark.parametrize(
    ("section", "changed"),
    [
        ("background", {"trials_per_file": 3}),
        ("signal", {"trials_per_file": 3}),
        ("scan", {"skies_per_file": 3}),
        ("scan", {"bands": 3}),
        ("scan", {"sky_bands": 3}),
        ("resources", {"request_memory_mb": 3000, "time_limit_hours": 2}),
        ("site", "ospool"),
    ],
)
def test_results_do_not_know_where_they_were_made_nor_how_the_work_was_cut(section: str, changed: Any) -> None:
    before = MINIMAL.get(section, {})
    new = {section: {**before, **changed} if isinstance(changed, dict) else changed}
    assert digest_of_numbers(specfile.loads(minimal(**new))) == digest_of_numbers(specfile.loads(minimal()))


@pytest.mark.parametrize(
    ("section", "changed"),
    [("background", {"n_trials": 11}), ("signal", {"gamma": 2.5}), ("scan", {"n_skies": 2}), ("seed", 1)],
)
def test_results_know_what_they_are_results_of(section: str, changed: Any) -> None:
    before = MINIMAL.get(section, {})
    new = {section: {**before, **changed} if isinstance(changed, dict) else changed}
    assert digest_of_numbers(specfile.loads(minimal(**new))) != digest_of_numbers(specfile.loads(minimal()))


def test_the_example_loads_and_is_the_tutorials_analysis() -> None:
    spec = specfile.load(ROOT / "analysis.yaml")
    assert spec.background.decs == tuple(float(dec) for dec in range(-85, 86, 10))
    assert spec.signal.n_sig == (2, 4, 6, 8, 10, 14, 18, 22, 26, 30)
    assert spec.sensitivity.nsigmas == (3, 5)


def test_resolved_text_is_a_fixed_point_and_says_every_default() -> None:
    spec = specfile.loads(minimal())
    text = specfile.resolved_text(spec)
    again = specfile.loads_resolved(text)
    assert again == spec
    assert specfile.resolved_text(again) == text
    written = yaml.safe_load(text)
    assert written["likelihood"]["gamma_step"] == 0.0625
    assert set(written) == set(specfile.Spec.model_fields)


def test_resolved_text_does_not_depend_on_how_the_spec_was_written() -> None:
    reordered = dict(reversed(MINIMAL.items()))
    one = specfile.loads(minimal())
    other = specfile.loads("# a comment\n" + json.dumps(reordered))
    assert specfile.resolved_text(one) == specfile.resolved_text(other)


@pytest.mark.parametrize("name", ["on", "1e5", "0x10", "null", "2011", "true", "1_000", "n", "12-05", "2011-05-13"])
def test_text_that_looks_like_something_else_survives(name: str) -> None:
    spec = specfile.loads(json.dumps({**MINIMAL, "name": name, "unblind": {"reason": name}}))
    assert specfile.loads_resolved(specfile.resolved_text(spec)).name == name
    assert specfile.loads_resolved(specfile.resolved_text(spec)).unblind.reason == name


@settings(max_examples=50, deadline=None)
@given(
    reason=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=200),
    beta=st.floats(min_value=1e-300, max_value=1 - 1e-16, exclude_max=True),
    seed=st.integers(min_value=0, max_value=2**63 - 1),
)
def test_any_value_comes_back_as_it_was(reason: str, beta: float, seed: int) -> None:
    data = {**MINIMAL, "seed": seed, "unblind": {"reason": reason}, "sensitivity": {"beta": beta}}
    spec = specfile.Spec.model_validate(data)
    assert specfile.loads_resolved(specfile.resolved_text(spec)) == spec


def test_a_resolved_text_that_would_not_come_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = specfile.loads(minimal())
    other = specfile.loads(minimal(seed=1))
    monkeypatch.setattr(specfile, "loads_resolved", lambda text: other)
    with pytest.raises(SpecError, match="read back, differs"):
        specfile.resolved_text(spec)


def test_relative_data_paths_begin_at_the_spec_and_are_frozen_absolute(tmp_path: Path) -> None:
    for name in ("AngRes", "TabulatedAeff", "downgoing_events", "upgoing_events"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.txt").touch()
    (tmp_path / "specs").mkdir()
    path = tmp_path / "specs" / "a.yaml"
    path.write_text(minimal(data={"format": "ic86_2011", "dir": "../data"}))
    spec = specfile.load(path)
    assert spec.data.dir == str(tmp_path / "data")
    assert f"dir: {tmp_path / 'data'}" in specfile.resolved_text(spec)


def test_a_frozen_spec_loads_where_its_data_are_not(tmp_path: Path) -> None:
    """In transfer mode a worker has its sandbox only; and what is frozen is not expanded a second time."""
    path = tmp_path / "analysis.yaml"
    text = minimal(data={"format": "ic86_2011", "dir": "/no/such/${FOLDER}"})
    path.write_text(text)
    assert specfile.load_resolved(path).data.dir == "/no/such/${FOLDER}"
    with pytest.raises(SpecError, match=r"data\.dir"):
        specfile.load(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "this file does not exist; write the path of a spec such as analysis.yaml"),
        (lambda path: path.mkdir(), "is a folder; write the path of a file"),
        (lambda path: path.write_bytes(b"name: caf\xe9\n"), "byte 9 is not UTF-8; save the file as UTF-8 text"),
    ],
    ids=["missing", "folder", "latin-1"],
)
def test_files_that_are_no_text(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "a.yaml"
    make(path)
    with pytest.raises(SpecError) as caught:
        specfile.load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_deep_nesting_is_an_error_not_a_crash() -> None:
    with pytest.raises(SpecError, match="nested too deeply"):
        specfile.loads("[" * 20000)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=120))
def test_no_text_whatever_gives_anything_but_a_spec_error(text: str) -> None:
    with pytest.raises(SpecError):
        specfile.loads(text)


@settings(max_examples=100, deadline=None)
@given(
    key=st.sampled_from([tuple(name.split(".")) for name in HINTS]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_value_at_any_key_is_good_or_explained(key: tuple[str, ...], value: object) -> None:
    """Whatever stands at a key: a Spec, or a SpecError in our own words; never another exception."""
    document = json.loads(json.dumps(MINIMAL))
    document["background"]["dec_deg"] = {"start": 0, "stop": 10, "step": 5}
    section = document
    for part in key[:-1]:
        section = section.setdefault(part, {})
    section[key[-1]] = value
    try:
        specfile.loads(yaml.safe_dump(document, allow_unicode=True))
    except SpecError as error:
        assert "input should" not in str(error).lower()
        assert "pydantic" not in str(error)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-12", 1e-12),
        ("1e5", 1e5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+77:30", "+77:30"),
        ("1:30:00", "1:30:00"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("n", "n"),
        ("True", True),
        ("0777", 777),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2011-05-13", "2011-05-13"),
        ("=", "="),
        ("~", None),
        ("", None),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = reader.read(f"key: {text}\n").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_lines_of_every_place() -> None:
    lines = reader.read("a:\n  b: [1,\n    2]\nc: 3\n").lines
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 2, ("a", "b", 1): 3, ("c",): 4}


def test_digests() -> None:
    text = "name: x\n"
    assert specfile.text_digest(text) == hashlib.sha256(b"name: x\n").hexdigest()
    assert specfile.digest({"b": 1, "a": [1.5, None]}) == hashlib.sha256(b'{"a":[1.5,null],"b":1}').hexdigest()
    assert specfile.digest({"a": 1.0}) != specfile.digest({"a": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        specfile.digest({"a": float("nan")})


def test_digest_does_not_depend_on_the_process() -> None:
    code = "from worker.spec import specfile; print(specfile.digest({'b': {'z': 1, 'y': 2.5}, 'a': 'x'}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def schema_places(schema: dict[str, object]) -> set[str]:
    """Every key of the schema, dotted, following references."""
    found: set[str] = set()

    def walk(node: object, path: str) -> None:
        if not isinstance(node, dict):
            return
        if "$ref" in node:
            walk(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], path)
        for branch in (*node.get("anyOf", ()), *node.get("oneOf", ()), node.get("items")):
            walk(branch, path)
        for key, child in node.get("properties", {}).items():
            place = f"{path}.{key}".removeprefix(".")
            found.add(place)
            walk(child, place)
        walk(node.get("additionalProperties"), path)  # a table: each entry has the keys of its section

    walk(schema, "")
    return found


def test_schema_explains_every_key_and_closes_every_section() -> None:
    schema = specfile.json_schema()
    assert schema_places(schema) == set(HINTS)
    sections = [schema, *(section for section in schema["$defs"].values() if "properties" in section)]
    assert len(sections) > 8
    open_ones = {section["title"] for section in sections if section["additionalProperties"] is not False}
    assert open_ones == {"FreePoint"}
    for section in sections:
        for entry in section["properties"].values():
            assert "; e.g. " in entry["description"]
    json.dumps(schema, allow_nan=False)


def test_schema_lets_an_editor_take_goal_where_the_reader_does() -> None:
    schema = specfile.json_schema()
    taken = {
        (name, key)
        for name, section in schema["$defs"].items()
        for key, entry in section.get("properties", {}).items()
        if {"const": "goal"} in entry.get("anyOf", ())
    }
    assert taken == {
        ("Background", "n_trials"), ("Signal", "n_sig"), ("Signal", "n_trials"),
        ("HealpixScan", "n_skies"), ("CatalogScan", "n_skies"), ("PointScan", "n_skies"),
    }  # fmt: skip


READ_WITH_IT = {
    "scan.priors": {"nside": 4, "prior_maps": {"event": prior_map.text_of(np.ones(12 * 4**2))}},
}
"""What reading a file adds to a spec that names it."""
SECTIONS = {"likelihood.gamma": {"mean": 2.5, "sigma": 0.3}, "signal.break_at": {"energy_tev": 30, "gamma": 3.0}}
"""Sections whose keys cannot stand alone."""


def _windows(keys: list[str], value: object) -> dict[str, object]:
    """Section hypothesis with a value at one of its keys, or of the keys of its source."""
    one: dict[str, object] = {"name": "A", "ra_deg": 1, "dec_deg": 2, "centre_mjd": 57000, "length_days": 1}
    if keys[0] in ("profile", "min_days", "max_days", "time_penalty", "inject_days"):
        flare = {name: one[name] for name in ("name", "ra_deg", "dec_deg")}
        return {"kind": "flare", "sources": [flare], "max_days": 300, "inject_days": 10, keys[0]: value}
    if len(keys) == 1:
        return {"kind": "window", "sources": [one], keys[0]: value}
    for other in {"start_mjd": ["centre_mjd"], "sigma_days": ["length_days"]}.get(keys[1], []):
        del one[other]
    return {"kind": "window", "sources": [one | {keys[1]: value}]}


def stacking(keys: list[str], value: Any) -> dict[str, Any]:
    """A section `hypothesis` with an example at one of its places."""
    listed = {"sources": "name,ra_deg,dec_deg,flux\nA,1,2,3\n"}
    if keys[0] != "catalogues":
        return {"kind": "stacking", "catalogues": {"a": listed}, keys[0]: value}
    if keys[1:]:
        listed |= {keys[1]: value} if value is not None else {}
        return {"kind": "stacking", "catalogues": {"a": listed}}
    return {"kind": "stacking", "catalogues": {name: listed | one for name, one in value.items()}}


def test_every_example_in_a_hint_is_itself_good() -> None:
    """What a message tells one to write must be accepted."""
    of_frozen = HINTS.keys() - composition.KEYS.keys()  # include, vary: tests/test_composition.py
    for place, hint in ((place, HINTS[place]) for place in HINTS if place in of_frozen):
        document = json.loads(json.dumps(MINIMAL))
        document["background"]["dec_deg"] = {"start": -85, "stop": 85, "step": 10}
        document["signal"]["dec_deg"] = {"start": -85, "stop": 85, "step": 10}
        keys = place.split(".")
        value = reader.read(f"x: {hint.example}\n").data["x"]
        document["scan"] |= READ_WITH_IT.get(place, {})
        if keys[0] == "data" and len(keys) > 1:
            section = {
                "dir": {"format": "icetracks", "seasons": ["A"]},
                "seasons": {"format": "icetracks", "dir": "/d"},
                "label": {"format": "icetracks", "dir": "/d", "seasons": ["A"]},
                "mc_band_sin_dec": {"format": "numpy", "dir": "/d", "seasons": ["A"]},
                "irfs": {"format": "ic86_2011", "dir": "/d"},
                "irfs_config": {"format": "ic86_2011", "dir": "/d"},
            }.get(keys[1], {"format": "synthetic"})
            if len(keys) == 3:
                formats = {"response": "icetracks", "livetime_days": "icecube_3yr"}
                section = {"format": formats.get(keys[2], "numpy"), "dir": "/d"}
                value = [{"name": "A", keys[2]: value}]
            document["data"] = {**section, keys[1]: value}
        elif keys[0] == "engine" and len(keys) > 1 and keys[1] != "kind":
            del document["data"], document["scan"], document["background"]["dec_deg"], document["signal"]["dec_deg"]
            document |= {"hypothesis": {"kind": "points"}, "points": [{"dec_deg": 5}]}
            document["engine"] = {"kind": "plugin", "path": "my_engine.py", keys[1]: value}
            if keys[1] == "name":
                del document["engine"]["path"]
        elif keys[0] == "scan" and keys[-1] in ("file", "sources"):
            listed = {"kind": "catalog", "n_skies": 1, "sources": "name,ra_deg,dec_deg\nA,1,2\n"}
            document["scan"] = listed | ({keys[1]: value} if value is not None else {})
        elif place == "points" or (keys[0] == "hypothesis" and keys[1:] not in ([], ["kind"])):
            del document["background"]["dec_deg"], document["signal"]["dec_deg"], document["scan"]
            made = stacking if keys[1:2] in (["catalogues"], ["diffuse_flux"]) else _windows
            points = {"hypothesis": {"kind": "points"}, "points": value}
            document |= points if place == "points" else {"hypothesis": made(keys[1:], value)}
        else:
            target = document
            if keys[0] == "adaptive":
                document["goal"] = {"sensitivity_error": 0.03}
            if keys[:-1] == ["resources", "tasks"]:
                keys.insert(2, "scan_trials")
            if keys[:-1] == ["background", "tilts"]:
                keys, value = keys[:-1], [{"n": 10, "gamma": 2.6, "share": 0.25} | {keys[-1]: value}]
            for key in keys[:-1]:
                target = target.setdefault(key, dict(SECTIONS.get(f"{keys[0]}.{key}", {})))
            target[keys[-1]] = value
        specfile.loads_resolved(json.dumps(document))
