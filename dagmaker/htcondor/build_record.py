"""RUN/build.json: paths, site and versions of a build, so that the files can be made again on another machine.

Submit files contain paths of the building machine and values of its site. No result depends on them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from dagmaker.htcondor import render
from dagmaker.htcondor.htcondor_version import Version, without_unknown_commands
from dagmaker.htcondor.render import Place
from dagmaker.plan import sites, templates
from dagmaker.plan.plan import Plan
from dagmaker.plan.sites import Site
from worker.base.errors import InputError, SpecError
from worker.base.reading import MAX_JSON, file_bytes, json_object, json_value
from worker.rundir import layout
from worker.spec.sections import Spec

FORMAT = 1


@dataclass(frozen=True)
class BuildRecord:
    """Everything that the files of a run directory depend on besides spec and plan.

    Attributes
    ----------
    condor : tuple of int or None
        Release of HTCondor that the submit files were written for; None: unknown.
    templates : str
        Sha256 of the templates.
    dagmaker : str
        Version.
    """

    place: Place
    site: Site
    condor: Version | None
    dot: bool
    templates: str
    dagmaker: str


def current(run: PurePosixPath, site: Site, condor: Version | None, dot: bool) -> BuildRecord:
    """Record of a build on this machine."""
    return BuildRecord(render.local_place(run), site, condor, dot, templates_digest(), metadata.version("dagmaker"))


def templates_digest() -> str:
    """Sha256 of the names and bytes of all submit-file templates."""
    total = hashlib.sha256()
    for path in sorted((templates.folder() / "htcondor").glob("*.j2")):
        total.update(f"{path.name}|{path.stat().st_size}|".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def files(
    record: BuildRecord, plan: Plan, spec: Spec, resolved_spec: str, left_out: dict[str, None]
) -> Iterator[tuple[str, str]]:
    """Every file of the run directory, build.json first and the DAG last."""
    yield str(layout.BUILD), text(record, resolved_spec)
    texts = render.files(plan, spec, record.site, record.place, resolved_spec, record.dot)
    yield from without_unknown_commands(texts, record.condor, left_out)


def text(record: BuildRecord, resolved_spec: str) -> str:
    """build.json, with a copy of the spec in case the frozen one is edited."""
    raw = {
        "build_version": FORMAT, "dagmaker": record.dagmaker, "run": str(record.place.run),
        "python": record.place.python, "import_path": record.place.import_path, "condor_version": record.condor,
        "dot": record.dot, "templates": record.templates, "site": record.site.model_dump(), "spec": resolved_spec,
    }  # fmt: skip
    return json.dumps(raw, indent=2) + "\n"


def read(run: Path) -> BuildRecord:
    """Read build.json.

    Raises
    ------
    InputError
        It is missing or damaged.
    """
    path = run / layout.BUILD
    try:
        return _from_json(json_object(path, {"site": dict, "run": str}))
    except FileNotFoundError:
        raise InputError(f"{path}: this file is missing; `dagmaker build` writes it") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, SpecError) as error:
        raise InputError(
            f"{path}: not what `dagmaker build` writes ({type(error).__name__}: {error}); build the run again"
        ) from None


def stored_spec(run: Path) -> str:
    """The copy of the frozen spec; empty if build.json has none or is damaged."""
    try:
        return str(json_value(file_bytes(run / layout.BUILD, MAX_JSON))["spec"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _from_json(raw: Mapping[str, Any]) -> BuildRecord:
    if raw["build_version"] != FORMAT:
        raise ValueError(f"build_version {raw['build_version']}, this program reads {FORMAT}")
    if not isinstance(raw["import_path"], str | None):
        raise ValueError("import_path is no text")
    known = {key: value for key, value in raw["site"].items() if key in Site.model_fields and key != "name"}
    site = sites.validated(raw["site"]["name"], known)
    condor = raw["condor_version"]
    version = (int(condor[0]), int(condor[1]), int(condor[2])) if condor else None
    place = Place(PurePosixPath(raw["run"]), str(raw["python"]), raw["import_path"])
    return BuildRecord(place, site, version, bool(raw["dot"]), str(raw["templates"]), str(raw["dagmaker"]))
