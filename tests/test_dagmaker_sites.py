import shutil

import pytest

from dagmaker.condor import sites, templates
from worker.errors import InputError, SpecError


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
    known = "known sites are ospool, personal, shared-fs"
    with pytest.raises(SpecError, match=rf"site: moon: there is no profile .*moon\.yaml; {known}"):
        sites.load("moon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tranfer: true", "unknown key tranfer; known are transfer, python"),
        ("- a", "a site profile is a list of `key: value` lines"),
        ("a: [", "not YAML"),
        ("max_idle: 0", "max_idle must be a whole number of at least 1, not 0"),
        ("max_starts: true", "max_starts must be a whole number of at least 1, not True"),
        ("commands: 5", "commands must be a mapping such as"),
        ("transfer: 1", "transfer must be true or false, not 1"),
        ("transfer: true", "transfer: true needs python: the interpreter in the slots"),
        ("condor_version: 24.0", "condor_version must be a text, not 24.0; put it in quotes"),
        ("hold_failed_hours: 0", "hold_failed_hours must be a number of hours above 0, or null, not 0"),
        (
            "environment: {PATH: '${NOT_SET_ANYWHERE}'}",
            "environment.PATH: ${NOT_SET_ANYWHERE}: no environment variable",
        ),
        ("dagman: {DAGMAN_MAX_JOBS_IDLE: 0}", "slows submission to one node per second; leave it out"),
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


def _submit(site):
    from pathlib import PurePosixPath

    from dagmaker.condor import render
    from dagmaker.planning import plan
    from tests.dagmaker_spec import spec

    made = spec()
    place = render.Place(PurePosixPath("/run"), "/usr/bin/python3")
    return dict(render.files(plan.make(made, ""), made, site, place, ""))["bg_trials.sub"]


def test_no_templates_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv(templates.VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=r"no templates in .*; install dagmaker again, or set DAGMAKER_TEMPLATES"):
        templates.folder()


def test_a_broken_template_is_named(own_templates):
    (own_templates.parent / "default.sub.j2").write_text("{% if %}")
    with pytest.raises(InputError, match="this template cannot be used: TemplateSyntaxError"):
        _submit(sites.load("personal"))
