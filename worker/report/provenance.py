"""Origin of the numbers: digests, versions, and the commands that make them again."""

from worker.base import shell
from worker.base.errors import InputError
from worker.report.results import Results
from worker.rundir import layout, store
from worker.rundir.record import versions
from worker.spec.engine import PluginEngine

LENGTH = 16
"""Characters of a digest that are shown."""


def facts(results: Results) -> list[tuple[str, str]]:
    """Name and value of the facts about the origin of the run."""
    run = results.run
    data = results.summary.get("data") or {}
    out = [
        ("run", str(results.place or run.path)),
        ("analysis", run.spec.name),
        ("seed", str(run.spec.seed)),
        ("data", f"{results.label} ({run.spec.data.format})"),
        ("spec digest", str(run.plan["spec_digest"])[:LENGTH]),
    ]
    if isinstance(run.spec.engine, PluginEngine):
        files = ", ".join(f"{name} {sha256[:LENGTH]}" for name, sha256 in run.spec.engine.sha256.items())
        out.append(("plug-in", f"{run.spec.engine.label}{f' ({files})' if files else ''}"))
    if data.get("digest"):
        out.append(("data digest", str(data["digest"])[:LENGTH]))
    used = made_with(results)
    installed = versions()
    out += [(name, version if used.get(name, version) == version else f"{used[name]} (report: {version})")
            for name, version in installed.items()]  # fmt: skip
    return out


def made_with(results: Results) -> dict[str, str]:
    """Versions with which the data were prepared; empty before that."""
    try:
        return dict(store.load_record(results.run.path, layout.DATA).versions)
    except InputError:
        return {}


def commands(results: Results) -> list[tuple[str, str]]:
    """Commands and their purpose."""
    run = results.place or results.run.path
    spec = run / layout.SPEC
    again, new = shell.dagmaker("run", spec, f"--run={run}", "--jobs=2"), ("--run=NEW", "--jobs=2")
    build, review = shell.dagmaker("build", spec, new[0]), shell.dagmaker("review", run, "--jobs=2", "--fresh")
    return [
        (shell.dagmaker("check", spec), "the spec below is this file, with every default written out"),
        (shell.dagmaker("run", spec, *new), "the same bits in a new directory, on this machine"),
        (f"{build} && condor_submit_dag NEW/{layout.DAG}", "the same on HTCondor"),
        (again, "only what is missing here"),
        (review, "everything compared with what it should be; a certificate"),
        (shell.worker("report", f"--run={run}"), "this page again"),
    ]
