"""Docstrings: examples give what they say, sections are numpydoc's and name the parameters that there are."""

import doctest
import importlib
import inspect
import pkgutil
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpydoc.validate import validate

import dagmaker
import worker
from worker import bookkeeping, notebook, stats

ROOT = Path(__file__).resolve().parents[1]
API = {
    **{name: getattr(worker, name) for name in worker.__all__},
    **{name: getattr(stats, name) for name in stats.__all__},
    **{name: getattr(bookkeeping, name) for name in bookkeeping.__all__},
    **{
        f"Analysis.{name}": getattr(notebook.Analysis, name)
        for name in ("trials", "distribution", "flux", "scan", "plot")
    },
    **{
        f"TSD.{name}": getattr(stats.TSD, name)
        for name in ("from_trials", "quantile", "count", "sf", "isf_nsigma", "pvalue")
    },
}
"""What a notebook calls: docs/api.md shows it."""
RESULTS = (
    "SkyMap",
    "Chi2Fit",
    "NSig",
    "StrataNSig",
    "PValue",
    "PostTrial",
    "TooFewTrialsError",
    "NotBracketedError",
    "Analysis",
)
"""Of these, what comes back: functions of the API show it."""
CODES = {
    "GL06": "a section that numpydoc does not know",
    "GL07": "sections in another order",
    "PR02": "a parameter that is not in the signature",
    "PR03": "parameters in another order",
    "PR05": "a type that ends with a dot",
    "PR10": "no space before the colon",
}
FULL = {**CODES, "PR01": "a parameter without a word", "RT01": "nothing about what is returned"}


def public() -> Iterator[str]:
    """Every public function and class, by the module that defines it."""
    for package in (worker, dagmaker):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                module = importlib.import_module(found.name)
                for name, thing in vars(module).items():
                    is_code = inspect.isfunction(thing) or inspect.isclass(thing)
                    if is_code and not name.startswith("_") and thing.__module__ == found.name:
                        yield f"{found.name}.{name}"


def faults(name: str, codes: dict[str, str]) -> list[str]:
    return [f"{name}: {code}: {text}" for code, text in validate(name)["errors"] if code in codes]


@pytest.mark.slow
def test_sections_are_numpydocs_and_match_the_signature() -> None:
    names = list(public())
    assert len(names) > 700
    assert [fault for name in names for fault in faults(name, CODES)] == []


@pytest.mark.parametrize("name", API)
def test_the_api_tells_every_parameter_and_what_it_returns(name: str) -> None:
    thing = API[name]
    if not inspect.isclass(thing):
        assert faults(f"{thing.__module__}.{thing.__qualname__}", FULL) == []


def wrong(a: int, b: int) -> int:
    """Add.

    Results
    -------
    int

    Parameters
    ----------
    b : int
    c : int
    """
    return a + b


def test_a_wrong_docstring_is_found() -> None:
    with pytest.warns(UserWarning, match="Unknown section Results"):
        found = " ".join(faults(f"{__name__}.wrong", FULL))
    assert all(code in found for code in ("GL06", "PR01", "PR02", "RT01"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in API if name not in RESULTS])
def test_an_example_gives_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "docs/tutorial.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    thing = API[name]
    module = importlib.import_module(thing.__module__)
    tests = [test for test in doctest.DocTestFinder(recurse=False).find(thing, name, module) if test.examples]
    assert tests, f"{name} has no example"
    said: list[str] = []
    for test in tests:
        result = doctest.DocTestRunner().run(test, out=said.append)
        assert result.failed == 0, "".join(said)
