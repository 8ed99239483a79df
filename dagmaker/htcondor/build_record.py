"""RUN/build.json: where and with what a run directory was built, so that its files can be made again elsewhere.

Submit files hold paths of the machine that built them and values of its site. Nothing here decides a number.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from dagmaker.htcondor import render
from dagmaker.htcondor.htcondor_version import Version, known_only
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
class Origin:
    """What the files of a run directory depend on besides spec and plan.

    Attributes
    ----------
    condor : tuple of int or None
        Release of HTCondor that submit files were written for; None: unknown.
    templates : str
        Sha256 of the templates that they were made from.
    dagmaker : str
        Version.
    """

    place: Place
    site: Site
    condor: Version | None
    dot: bool
    templates: str
    dagmaker: str


def here(run: PurePosixPath, site: Site, condor: Version | None, dot: bool) -> Origin:
    """Origin of what is built now."""
    return Origin(render.here(run), site, condor, dot, templates_digest(), metadata.version("dagmaker"))


def templates_digest() -> str:
    """Sha256 of the names and bytes of all submit-file templates."""
    total = hashlib.sha256()
    for path in sorted((templates.folder() / "htcondor").glob("*.j2")):
        total.update(f"{path.name}|{path.stat().st_size}|".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def files(
    origin: Origin, plan: Plan, spec: Spec, resolved_spec: str, left_out: dict[str, None]
) -> Iterator[tuple[str, str]]:
    """Every file of the run directory, build.json first and the DAG last."""
    yield str(layout.BUILD), write(origin, resolved_spec)
    texts = render.files(plan, spec, origin.site, origin.place, resolved_spec, origin.dot)
    yield from known_only(texts, origin.condor, left_out)


def write(origin: Origin, resolved_spec: str) -> str:
    """The same bytes for the same origin and spec, which is kept here for whoever edits the frozen one."""
    raw = {
        "build_version": FORMAT,
        "dagmaker": origin.dagmaker,
        "run": str(origin.place.run),
        "python": origin.place.python,
        "import_path": origin.place.import_path,
        "condor_version": origin.condor,
        "dot": origin.dot,
        "templates": origin.templates,
        "site": origin.site.model_dump(),
        "spec": resolved_spec,
    }
    return json.dumps(raw, indent=2) + "\n"


def read(run: Path) -> Origin:
    """What `write` wrote.

    Raises
    ------
    InputError
        It is not there, or is not that.
    """
    path = run / layout.BUILD
    try:
        return _origin(json_object(path, {"site": dict, "run": str}))
    except FileNotFoundError:
        raise InputError(f"{path}: this file is missing; `dagmaker build` writes it") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, SpecError) as error:
        raise InputError(
            f"{path}: not what `dagmaker build` writes ({type(error).__name__}: {error}); build the run again"
        ) from None


def kept_spec(run: Path) -> str:
    """The frozen spec as it was written; empty where build.json does not keep it, or is damaged."""
    try:
        return str(json_value(file_bytes(run / layout.BUILD, MAX_JSON))["spec"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _origin(raw: Mapping[str, Any]) -> Origin:
    if raw["build_version"] != FORMAT:
        raise ValueError(f"build_version {raw['build_version']}, this program reads {FORMAT}")
    if not isinstance(raw["import_path"], str | None):
        raise ValueError("import_path is no text")
    known = {key: value for key, value in raw["site"].items() if key in Site.model_fields}
    site = sites.validated(raw["site"]["name"], known)
    condor = raw["condor_version"]
    version = (int(condor[0]), int(condor[1]), int(condor[2])) if condor else None
    place = Place(PurePosixPath(raw["run"]), str(raw["python"]), raw["import_path"])
    return Origin(place, site, version, bool(raw["dot"]), str(raw["templates"]), str(raw["dagmaker"]))
