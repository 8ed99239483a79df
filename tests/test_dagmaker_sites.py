import json
import shutil

import pytest

from dagmaker.htcondor import htcondor_version
from dagmaker.plan import sites, templates
from worker.base.errors import InputError, SpecError
from worker.spec.sections import Spec


@pytest.fixture
def own_templates(tmp_path, monkeypatch):
    """A site's own copy of the templates."""
    copy = tmp_path / "templates"
    shutil.copytree(templates.folder(), copy)
    monkeypatch.setenv(templates.VARIABLE, str(copy))
    return copy / "htcondor" / "sites"


def test_profiles_that_come_with_us(monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    assert sites.load("personal").log_dir is None
    assert sites.load("shared-fs").log_dir == "/scratch/somebody/dagmaker"
    assert sites.load("ospool").container_image == "osdf:///ospool/ap40/data/somebody/dagmaker.sif"


def test_profiles_need_no_user_and_home_in_the_environment(monkeypatch):
    """As in a cron job."""
    monkeypatch.delenv("USER", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    assert sites.load("personal").numba_cache.startswith("/")
    assert "$" not in str(sites.load("shared-fs").log_dir)


def test_unknown_site_names_those_that_there_are():
    known = "known sites are ospool, personal, pool, shared-fs"
    with pytest.raises(SpecError, match=rf"site: moon: there is no profile .*moon\.yaml; {known}"):
        sites.load("moon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tranfer: true", "unknown key tranfer; did you mean 'transfer'? known are transfer, python"),
        ("- a", "a site profile is a list of `key: value` lines"),
        ("a: [", "not YAML"),
        ("name: other", "unknown key name"),
        ("max_idle: 0", "max_idle: found 0; must be 1 or more"),
        ("max_starts: true", "max_starts: found true; must be a whole number"),
        ("commands: 5", "commands: found 5; must be a section with keys of its own"),
        ("transfer: 1", "transfer: found 1; must be true or false"),
        ("transfer: true", "transfer: true needs python: the interpreter in the slots"),
        ("condor_version: 24.0", "condor_version: found 24.0; must be text: put it in quotes"),
        ("hold_failed_hours: 0", "hold_failed_hours: found 0; must be greater than 0"),
        (
            "environment: {PATH: '${NOT_SET_ANYWHERE}'}",
            "environment.PATH: ${NOT_SET_ANYWHERE}: no environment variable",
        ),
        ("dagman: {DAGMAN_MAX_JOBS_IDLE: 0}", "slows submission to one node per second; leave it out"),
        (
            "tasks: {scan_trails: {}}",
            "tasks.scan_trails: unknown task; did you mean 'scan_trials'? tasks are pre",
        ),
        ("max_nodes: {collect: 5}", "max_nodes.collect: unknown task; did you mean 'collect_bg'?"),
        ("numba_cache: ''", "numba_cache: found ''; must not be empty"),
        ("commands: {a: [1]}", "commands.a: found a list of 1; must be text"),
        ("tasks: {scan_map: 5}", "tasks.scan_map: found 5; must be a section with keys of its own"),
        ("tasks: {scan_map: {memory: 5}}", "tasks.scan_map.memory: unknown key"),
        (
            "tasks: {scan_map: {request_memory_mb: 2 GB}}",
            "tasks.scan_map.request_memory_mb: found '2 GB'; must be a whole number (without a unit); "
            "write e.g. request_memory_mb: 2000",
        ),
        ('tasks: {scan_map: {requirements: "a\\nqueue"}}', "requirements: found 'a\\nqueue'; must be one line of text"),
        ("log_dir: /x/${NOT_SET_ANYWHERE}", "no environment variable 'NOT_SET_ANYWHERE'"),
    ],
)
def test_bad_profiles(own_templates, text, message):
    (own_templates / "own.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        sites.load("own")
    assert message in str(caught.value)
    assert "own.yaml" in str(caught.value)


def test_a_sites_own_commands_reach_the_submit_files(own_templates):
    (own_templates / "own.yaml").write_text("commands: {requirements: HasFastDisk}\naccounting_group: 1_week\n")
    site = sites.load("own")
    assert site.commands == {"requirements": "HasFastDisk"}
    text = _submit(site)
    assert "\nrequirements = HasFastDisk\n" in text
    assert "\naccounting_group = 1_week\n" in text


def test_what_a_profile_says_of_a_kind_of_task(own_templates):
    """Requirements of the site hold as well, and the spec's own table goes first."""
    (own_templates / "own.yaml").write_text(
        "commands: {Requirements: HasFastDisk}\ntasks: {bg_trials: {requirements: Big, request_memory_mb: 4000}}\n"
    )
    site = sites.load("own")
    text = _submit(site)
    assert "\nRequirements = (HasFastDisk) && (Big)\n" in text
    assert "MemoryUsage * 2 }) }), 4000)" in text
    assert "MemoryUsage * 2 }) }), 300)" in _submit(site, resources="{tasks: {bg_trials: {request_memory_mb: 300}}}")
    assert "\nRequirements = HasFastDisk\n" in _submit(site, task="sig_trials")


def test_a_number_is_a_name_too_and_hours_stay_as_written(own_templates):
    (own_templates / "own.yaml").write_text("commands: {1: 2}\nhold_failed_hours: 12\n")
    assert sites.load("own").commands == {"1": "2"}
    assert json.dumps(sites.load("own").model_dump()["hold_failed_hours"]) == "12"


@pytest.mark.parametrize(("text", "number"), [("1e3", 1000), ("010", 10), ("1_000", None), ("1:30", None)])
def test_numbers_are_those_of_a_spec(own_templates, text, number):
    """PyYAML's own reading of these is a text, 8, 1000 and 90."""
    (own_templates / "own.yaml").write_text(f"max_idle: {text}\n")
    if number is not None:
        assert sites.load("own").max_idle == number
        return
    with pytest.raises(SpecError, match="max_idle: found"):
        sites.load("own")


def test_commands_for_the_submit_host(own_templates):
    (own_templates / "own.yaml").write_text(
        "transfer: true\npython: /p\ncommands: {+Slot: 1}\nlocal_commands: {+Host: 1}\n"
    )
    site = sites.load("own")
    assert "\n+Slot = 1\n" in _submit(site) and "+Host" not in _submit(site)
    local = _submit(site, task="collect_bg")
    assert "\n+Host = 1\n" in local and "+Slot" not in local


def test_who_submits_first_keeps_the_rest_of_a_node():
    """The default holds what failed for good; `personal`, for one machine, ends the node."""
    assert sites.load(Spec.model_fields["site"].default).hold_failed_hours == 12
    assert sites.load("personal").hold_failed_hours is None


@pytest.mark.parametrize(
    ("version", "universe", "image", "left_out"),
    [
        ((25, 2, 1), "container", "container_image", []),
        (None, "container", "container_image", []),
        ((9, 4, 9), "vanilla", "+SingularityImage", ["universe = container"]),
        ((9, 3, 1), "vanilla", "+SingularityImage", ["allowed_execute_duration", "universe = container"]),
    ],
)
def test_commands_that_an_old_pool_does_not_know(version, universe, image, left_out):
    text = "universe = container\ncontainer_image = a.sif\nallowed_execute_duration = 3600\nlog = x\n"
    found: dict[str, None] = {}
    [(_, known)] = htcondor_version.without_unknown_commands([("a.sub", text)], version, found)
    assert sorted(found) == left_out
    value = '"a.sif"' if image.startswith("+") else "a.sif"
    assert known.startswith(f"universe = {universe}\n{image} = {value}\n")
    assert ("allowed_execute_duration" in known) == ("allowed_execute_duration" not in left_out)
    for line in htcondor_version.left_out_notes(found, version):
        assert "known since HTCondor 9." in line


def _submit(site, task="bg_trials", **changes):
    from pathlib import PurePosixPath

    from dagmaker.htcondor import render
    from dagmaker.plan import plan
    from tests.dagmaker_spec import spec

    made = spec(**changes)
    place = render.Place(PurePosixPath("/run"), "/usr/bin/python3")
    return dict(render.files(plan.make(made, ""), made, site, place, ""))[f"{task}.sub"]


def test_no_templates_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv(templates.VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=r"no templates in .*; install dagmaker again, or set DAGMAKER_TEMPLATES"):
        templates.folder()


def test_a_broken_template_is_named(own_templates):
    (own_templates.parent / "default.sub.j2").write_text("{% if %}")
    with pytest.raises(InputError, match="this template cannot be used: TemplateSyntaxError"):
        _submit(sites.load("personal"))
