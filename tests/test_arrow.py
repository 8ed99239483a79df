"""The two packages and the one arrow between them, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FROM_WORKER = {
    "worker",
    "worker.base.atomic",
    "worker.base.bounds",
    "worker.cli.main",
    "worker.rundir.cuts",
    "worker.base.errors",
    "worker.rundir.layout",
    "worker.rundir.planfile",
    "worker.base.output",
    "worker.base.reading",
    "worker.rundir.rounds",
    "worker.spec.scan",
    "worker.spec.pilot",
    "worker.spec.sections",
    "worker.spec.specfile",
    "worker.spec.goals",
    "worker.spec.task_resources",
}
WORKER_FORBIDDEN = {"dagmaker", "htcondor", "htcondor2", "classad", "classad2"}


def _imports(source: str) -> Iterator[str]:
    """Modules that a source names in imports, wherever they stand; `from a import b` gives a and a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute in this project"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"there is nothing in {package}"
    return found


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("path", _modules("dagmaker"), ids=lambda path: path.stem)
def test_dagmaker_sees_only_the_front_of_the_worker(path):
    used = {name for name in _imports(path.read_text()) if name.split(".")[0] == "worker" and _is_module(name)}
    assert used <= FROM_WORKER


@pytest.mark.parametrize("path", _modules("worker"), ids=lambda path: str(path.relative_to(ROOT / "worker")))
def test_worker_knows_neither_dagmaker_nor_htcondor(path):
    assert not {name.split(".")[0] for name in _imports(path.read_text())} & WORKER_FORBIDDEN


def test_the_reader_of_imports_sees_what_it_must():
    """Negative control: imports inside functions, of packages and of names are all seen."""
    source = "def f():\n    from worker.engines.builtin import fit\nimport worker.base.rng as r\nfrom dagmaker.plan import make\n"
    assert set(_imports(source)) == {
        "worker.engines.builtin", "worker.engines.builtin.fit", "worker.base.rng", "dagmaker.plan", "dagmaker.plan.make",
    }  # fmt: skip
    assert (
        _is_module("worker.engines.builtin") and _is_module("worker.base.rng") and not _is_module("worker.base.rng.key")
    )
