"""The order of the rooms: a module imports from its own room and from those below it, read from the source."""

import ast
import graphlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKER = (
    "base", "spec", "rundir", "bookkeeping", "data", "stats", "engines", "hypotheses", "tasks", "blinding", "report",
    "review", "cli",
)  # fmt: skip
DAGMAKER = ("plan", "cost", "htcondor", "status", "local", "pilot", "review", "releases", "commands")
DAGMAKER_BASE = {"columns", "interpreter", "lock", "result"}
"""Modules of dagmaker that stand below its rooms."""
FACES = {"worker", "worker.__main__", "worker.notebook", "dagmaker", "dagmaker.__main__", "dagmaker.cli"}
"""What users call: above all rooms."""
SEEN_BY_DAGMAKER = ("base", "spec", "rundir", "cli")
"""Rooms of worker that dagmaker may import: never events, trials or statistics."""
HTCONDOR = {"dagmaker", "htcondor", "htcondor2", "classad", "classad2"}


def imports(source: str) -> Iterator[str]:
    """Modules that a source names in imports, wherever they stand; `from a import b` gives a and a.b."""
    yield from imports_of(ast.walk(ast.parse(source)))


def imports_of(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute in this project"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from at_run_time(child)


def level(module: str) -> float | None:
    """Place of a module in the order of its package: 0 is the lowest room; None if it belongs to no room."""
    package, *rest = module.split(".")
    order = {"worker": WORKER, "dagmaker": DAGMAKER}.get(package)
    if order is None or not rest:
        return None
    if module in FACES:
        return len(order)
    if package == "dagmaker" and rest[0] in DAGMAKER_BASE:
        return -1
    return order.index(rest[0])


def upward(module: str, source: str) -> list[str]:
    """Imports of a module from a room above its own, within its package."""
    package, own = module.partition(".")[0], level(module)
    names = [name for name in imports(source) if name.split(".")[0] == package]
    return [name for name in names if own is not None and (above := level(name)) is not None and above > own]


def modules(package: str) -> list[str]:
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths, f"no module in {package}"
    return [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths]


def text_of(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


@pytest.mark.parametrize("package", ["worker", "dagmaker"])
def test_no_module_imports_from_a_room_above_its_own(package):
    faults = {m: found for m in modules(package) if m not in FACES and (found := upward(m, text_of(m)))}
    assert not faults


def test_no_import_by_string():
    """A module that is named by a string is seen by no reader and no type checker."""
    users = {m for package in ("worker", "dagmaker") for m in modules(package) if "import_module" in text_of(m)}
    # Lazy names of the two public faces (PEP 562), and loading numba without scipy's linear algebra.
    assert users == {"worker", "worker.stats", "worker.base.startup"}


def test_no_circle_of_imports():
    names = {m for package in ("worker", "dagmaker") for m in modules(package)}
    edges = {}
    for module in names:
        named = {name for name in imports_of(at_run_time(ast.parse(text_of(module)))) if name in names - {module}}
        # `from a import b` with a module b needs b; that the package a is named besides is no import of its names.
        edges[module] = {name for name in named if not any(other.startswith(f"{name}.") for other in named)}
    graphlib.TopologicalSorter(edges).prepare()  # raises CycleError, which shows the circle


def test_dagmaker_sees_the_spec_and_the_run_directory_and_no_event():
    for module in modules("dagmaker"):
        used = {name for name in imports(text_of(module)) if name.startswith("worker.")}
        assert {name.split(".")[1] for name in used} <= set(SEEN_BY_DAGMAKER), module


def test_worker_knows_neither_dagmaker_nor_htcondor():
    for module in modules("worker"):
        assert not {name.split(".")[0] for name in imports(text_of(module))} & HTCONDOR, module


def test_an_upward_import_is_seen():
    """Negative control: imports inside functions, of packages and of names are all seen."""
    source = "def f():\n    from worker.tasks import trials\nimport worker.cli.main as c\nfrom worker.base import rng\n"
    assert set(upward("worker.stats.chi2", source)) == {"worker.tasks", "worker.tasks.trials", "worker.cli.main"}
    assert upward("worker.notebook", source) == []
    assert upward("dagmaker.plan.node", "from dagmaker.status import status\nfrom dagmaker import lock\n") == [
        "dagmaker.status", "dagmaker.status.status",
    ]  # fmt: skip
