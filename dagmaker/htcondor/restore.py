"""Write the frozen spec and other missing or changed files of a build again."""

from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dagmaker import lock
from dagmaker.htcondor import build_record
from dagmaker.plan import plan
from worker.base import shell
from worker.base.atomic import Written, reason, write_all
from worker.base.errors import InputError
from worker.base.reading import MAX_JSON, file_bytes, json_value
from worker.rundir import layout
from worker.spec import specfile

EDITED = "analysis.edited.yaml"


class Restored(NamedTuple):
    """Result of `restore`.

    Attributes
    ----------
    kept : str
        New path of the edited spec; empty if there was none.
    """

    run: str
    files: tuple[str, ...]
    kept: str

    def lines(self) -> list[str]:
        """Text for the terminal."""
        if not self.files:
            return [f"{self.run}: the spec is as it was built, and every file of the build is there"]
        shown = ", ".join(self.files[:5]) + (f" and {len(self.files) - 5} more" if len(self.files) > 5 else "")
        lines = [f"{self.run}: restored as built: {shown}"]
        if self.kept:
            again = shell.dagmaker("build", self.kept, f"--run={self.run}")
            lines.append(f"your edited spec is {self.kept}; to use it: {again}")
        return lines


def restore(run: Path) -> Restored:
    """Write the frozen spec again if it was edited or is missing, and every other file that differs from the build.

    Raises
    ------
    InputError
        No copy of the spec of the plan exists, or a submit file is missing and its template has changed.
    """
    run = run.absolute()
    if not any((run / name).exists() for name in (layout.SPEC, layout.PLAN, layout.BUILD)):
        raise InputError(f"{run}: this is not a run directory: it has no {layout.BUILD}; `dagmaker build` makes one")
    record = build_record.read(run)
    text, digest = _built_spec(run)
    whole_plan = plan.make(specfile.loads_resolved(text, str(run / layout.BUILD)), digest)
    texts = dict(build_record.files(record, whole_plan, specfile.loads_resolved(text), text, {}))
    with lock.held(run):
        kept = _keep_edited(run, text)
        files = [name for name in texts if _needs_writing(run / name, name, texts[name], record)]
        for name in files:
            write_all(run, [Written(PurePosixPath(name), texts[name].encode())])
    return Restored(str(run), tuple(files), kept)


def _built_spec(run: Path) -> tuple[str, str]:
    """The spec that the plan was made for, and its digest."""
    text = frozen_text(run)
    digest, planned = specfile.text_digest(text), planned_digest(run)
    if not planned:  # no plan to compare with
        text = build_record.stored_spec(run) or text
        digest = specfile.text_digest(text)
    if planned not in ("", digest) or not text:
        raise InputError(
            f"{run / layout.SPEC}: was edited, and no copy of the spec that {layout.PLAN} was made for (digest "
            f"{planned[:12]}) is kept in {layout.BUILD}; `{shell.dagmaker('build', 'SPEC', f'--run={run}')}` "
            "with your own spec"
        )
    return text, digest


def _needs_writing(path: Path, name: str, text: str, record: build_record.BuildRecord) -> bool:
    """Whether a file differs from the build and can be made again."""
    try:
        if file_bytes(path) == text.encode():
            return False
        exists = True
    except OSError:
        exists = path.exists()
    same_templates = record.templates == build_record.templates_digest()
    if not (name.endswith(".sub") or name == "dagman.config") or same_templates:
        return not exists or record.dagmaker == metadata.version("dagmaker") or name == str(layout.SPEC)
    if not exists:
        raise InputError(
            f"{path}: this file is missing, and the templates here are not those that it was made from; set "
            "DAGMAKER_TEMPLATES as it was when the run was built"
        )
    return False


def planned_digest(run: Path) -> str:
    """Digest of the spec that the plan was made for; empty if plan.json cannot be read."""
    try:
        return str(json_value(file_bytes(run / layout.PLAN, MAX_JSON))["spec_digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def frozen_text(run: Path) -> str:
    """The spec that the plan was made for: the frozen one, or its copy in build.json if that was edited."""
    planned, text = planned_digest(run), read_text(run / layout.SPEC)
    if not planned or specfile.text_digest(text) == planned:
        return text
    stored = build_record.stored_spec(run)
    return stored if specfile.text_digest(stored) == planned else text


def read_text(path: Path) -> str:
    """Text of a spec; empty if it cannot be read."""
    try:
        return file_bytes(path, MAX_JSON).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _keep_edited(run: Path, text: str) -> str:
    """Rename an edited spec; its new path, empty if the spec was not edited."""
    path, target = run / layout.SPEC, run / EDITED
    try:
        if file_bytes(path) == text.encode():
            return ""
    except FileNotFoundError:
        return ""
    except OSError:
        pass  # for example a folder: it is renamed too
    number = 1
    while target.exists():
        number += 1
        target = run / EDITED.replace(".yaml", f"{number}.yaml")
    try:
        path.rename(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be moved away: {reason(error)}") from None
    return str(target)
