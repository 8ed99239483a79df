"""RUN/ro-crate-metadata.json: description of the run directory for archives, as RO-Crate 1.1.

Each result has its size and sha256; a folder of trials is one entry, since each file in it has a record. Sealed
positions are left out: an archive of a blind analysis must not have them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from worker.base.errors import InputError
from worker.base.task_rows import ROWS, multi_file_tasks
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, each_expected
from worker.rundir.record import versions
from worker.rundir.revision import revision
from worker.spec.engine import PluginEngine

Entity = dict[str, Any]

_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]
_MEDIA = {
    ".json": "application/json", ".html": "text/html", ".md": "text/markdown", ".yaml": "application/yaml",
    ".png": "image/png", ".pdf": "application/pdf", ".fits": "application/fits", ".npz": "application/zip",
}  # fmt: skip
_HEAD = {
    str(layout.SPEC): "The frozen spec: everything that decides a number, every default written out",
    str(layout.PLAN): "Every file that the analysis must have, and the address of its random numbers",
    str(layout.TABLES): "Tables of the signal density; made from the prepared data, to save time",
    str(layout.DATA): "Events and instrument response that all trials use; without right ascensions",
    str(layout.SUMMARY): "Results for programs",
    str(layout.REPORT): "Results for people",
}
_FOLDERS = ("collected", "results", "report", "unblinded", "review")
_DAGMAKER = "#dagmaker"
_RUN = "#run"


def write(run: Run) -> None:
    """Write the crate of the present files."""
    store.save_json(run.path, layout.CRATE, crate(run))
    print(f"-> {layout.CRATE}")


def crate(run: Run) -> Entity:
    """The whole document, with the date of today as RO-Crate requires."""
    parts = [*_files(run), *_trials(run)]
    results = [part for part in parts if part["@id"].startswith("results/")]
    return {"@context": _CONTEXT, "@graph": [_descriptor(), _root(run, parts), *parts, *_actions(run, results)]}


def _what(run: Run, label: str) -> str:
    if isinstance(run.spec.engine, PluginEngine):
        return f"Pseudo-experiments of {run.spec.engine.label} with {label} data: distributions, sensitivities"
    made = "pseudo-experiments, sensitivities, sky scan, post-trial p-value"
    return f"A search for neutrino point sources in {label} data ({run.spec.data.format}): {made}"


def _descriptor() -> Entity:
    return {
        "@id": str(layout.CRATE),
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }


def _root(run: Run, parts: list[Entity]) -> Entity:
    data = run.spec.data
    label = getattr(data, "label", "semi-real" if data.format in ("ic86_2011", "icecube_3yr") else data.format)
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": run.spec.name,
        "description": f"{_what(run, label)}, made by dagmaker from {layout.SPEC}",
        "datePublished": datetime.now(UTC).date().isoformat(),
        "identifier": f"sha256:{run.plan['spec_digest']}",
        "hasPart": [{"@id": part["@id"]} for part in parts],
        "mentions": [{"@id": _RUN}],
    }


def _files(run: Run) -> Iterator[Entity]:
    names = {layout.SPEC: None, layout.PLAN: None, layout.BUILD: None, layout.DAG: None}
    for rel in (layout.DATA, layout.TABLES):
        names |= {rel: None, layout.record_name(rel): None}
    for folder in _FOLDERS:
        paths = sorted(path for path in (run.path / folder).rglob("*") if path.is_file() and path.name[0] != ".")
        names |= dict.fromkeys(PurePosixPath(path.relative_to(run.path).as_posix()) for path in paths)
    for name, sha256 in input_digests.hashed(run, names).items():
        yield _file(run, name, sha256)


def _file(run: Run, name: str, sha256: str) -> Entity:
    path = PurePosixPath(name)
    entity: Entity = {
        "@id": name,
        "@type": "File",
        "name": path.name,
        "contentSize": str((run.path / path).stat().st_size),
        "sha256": sha256,
        "encodingFormat": _MEDIA.get(path.suffix, "application/octet-stream"),
    }
    return entity | ({"description": _HEAD[name]} if name in _HEAD else {})


def _trials(run: Run) -> Iterator[Entity]:
    """One folder for each kind of trials."""
    for task in multi_file_tasks():
        try:
            files = list(each_expected(run, task))
        except InputError:
            continue
        folder, what = layout.tree(run.spec.name, task), ROWS[task].makes
        if not (run.path / folder).is_dir():
            continue
        yield {
            "@id": f"{folder}/",
            "@type": "Dataset",
            "name": what,
            "description": f"{len(files)} files of {what}, as {layout.PLAN} names them; the record beside each holds "
            "its sha256, digest, versions, host and cost",
        }


def _actions(run: Run, results: list[Entity]) -> Iterator[Entity]:
    """The action and the software that made the results."""
    installed = versions()
    needs = ", ".join(f"{name} {version}" for name, version in installed.items() if name != "dagmaker")
    yield {
        "@id": _DAGMAKER,
        "@type": "SoftwareApplication",
        "name": "dagmaker",
        "softwareVersion": " ".join(filter(None, (installed["dagmaker"], revision()["commit"]))),
        "softwareRequirements": needs,
        "sha256": revision()["source"],
    }
    yield {
        "@id": _RUN,
        "@type": "CreateAction",
        "name": f"dagmaker run of {run.spec.name}",
        "instrument": {"@id": _DAGMAKER},
        "object": [{"@id": str(layout.SPEC)}, {"@id": str(layout.DATA)}],
        "result": [{"@id": part["@id"]} for part in results],
    }
