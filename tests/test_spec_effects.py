"""Every key of the spec says what it affects: digests, the identity of a run, decisions and `dagmaker diff` follow."""

import pytest

from tests.dagmaker_spec import spec
from worker.base.task_rows import ROWS
from worker.spec import effects, numbers
from worker.spec.sections import Spec

KEYS = [
    place
    for section in Spec.model_fields
    for place in [f"{section}.{key}" for key in effects.of_section(section)] or [section]
    if place != "version"
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_says_what_it_affects_or_its_section_does(key):
    effect = effects.of(key)
    assert effect is not None
    assert effect.text
    assert {*effect.trials, *effect.again} <= ROWS.keys()


def test_a_key_of_no_section_has_no_effect():
    assert effects.of("background.mine") is None
    assert effects.of("mine.key") is None


def test_a_key_without_words_has_those_of_its_section():
    assert effects.of("unblind.token").text == effects.of("unblind").text
    assert effects.of("unblind.token").again == ("report",)
    assert effects.of("unblind.token").decides == "nothing"
    assert effects.of("unblind.quote_nsigma").decides == "numbers"


def test_what_every_trial_depends_on():
    signal = [
        "signal.gamma",
        "signal.cutoff_tev",
        "signal.break_at",
        "signal.extension_deg",
        "signal.poisson",
        "signal.strata",
    ]
    engine = [f"engine.{key}" for key in ("kind", "name", "class", "options", "inputs", "source", "sha256")]
    flare = [f"hypothesis.{key}" for key in ("profile", "min_days", "max_days", "time_penalty")]
    assert list(effects.identity()) == ["name", "seed", *engine, "data", "likelihood", *flare, *signal]


def test_what_a_decision_follows_from():
    assert effects.keys("decision") == {
        "background": {"fit", "tail"},
        "sensitivity": {"beta", "threshold", "discovery_beta", "discovery_nsigma", "n_bootstrap", "method"},
        "scan": {"survival"},
        "goal": {"local_sigma", "sensitivity_error", "discovery_error"},
        "adaptive": {"max_signal_trials", "max_background_trials"},
    }


def test_what_decides_no_number_is_left_out():
    kept = numbers.deciding(spec())
    assert not kept.keys() & {"site", "resources", "small_angles", "goal", "adaptive"}
    assert "trials_per_file" not in kept["background"]
    assert kept["unblind"].keys() == {"quote_nsigma"}
