"""The frozen spec of a run directory, put back as it was built, and what else of the build is gone."""

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
    """What was written again.

    Attributes
    ----------
    kept : str
        Where the edited spec is now; empty where there was none.
    """

    run: str
    files: tuple[str, ...]
    kept: str

    def lines(self) -> list[str]:
        """What to tell the user."""
        if not self.files:
            return [f"{self.run}: the spec is as it was built, and every file of the build is there"]
        shown = ", ".join(self.files[:5]) + (f" and {len(self.files) - 5} more" if len(self.files) > 5 else "")
        lines = [f"{self.run}: restored as built: {shown}"]
        if self.kept:
            again = shell.dagmaker("build", self.kept, f"--run={self.run}")
            lines.append(f"your edited spec is {self.kept}; to use it: {again}")
        return lines


def restore(run: Path) -> Restored:
    """Write the frozen spec again where it was edited or is gone, and every other file that is not as built.

    Raises
    ------
    InputError
        The run directory keeps no spec that its plan was made for, or a submit file is gone and its template, too.
    """
    run = run.absolute()
    if not any((run / name).exists() for name in (layout.SPEC, layout.PLAN, layout.BUILD)):
        raise InputError(f"{run}: this is not a run directory: it has no {layout.BUILD}; `dagmaker build` makes one")
    begun = build_record.read(run)
    text, digest = _built_spec(run)
    made = plan.make(specfile.loads_resolved(text, str(run / layout.BUILD)), digest)
    texts = dict(build_record.files(begun, made, specfile.loads_resolved(text), text, {}))
    with lock.held(run):
        kept = _keep_edited(run, text)
        files = [name for name in texts if _is_wanted(run / name, name, texts[name], begun)]
        for name in files:
            write_all(run, [Written(PurePosixPath(name), texts[name].encode())])
    return Restored(str(run), tuple(files), kept)


def _built_spec(run: Path) -> tuple[str, str]:
    """The spec that the plan was made for, and its digest."""
    text = frozen_text(run)
    digest, planned = specfile.text_digest(text), planned_digest(run)
    if not planned:  # no plan to hold it to
        text = build_record.kept_spec(run) or text
        digest = specfile.text_digest(text)
    if planned not in ("", digest) or not text:
        raise InputError(
            f"{run / layout.SPEC}: was edited, and no copy of the spec that {layout.PLAN} was made for (digest "
            f"{planned[:12]}) is kept in {layout.BUILD}; `{shell.dagmaker('build', 'SPEC', f'--run={run}')}` "
            "with your own spec"
        )
    return text, digest


def _is_wanted(path: Path, name: str, text: str, begun: build_record.Origin) -> bool:
    """Whether a file is not as it was built, and can be made again as it was."""
    try:
        if file_bytes(path) == text.encode():
            return False
        there = True
    except OSError:
        there = path.exists()
    templates = begun.templates == build_record.templates_digest()
    if not (name.endswith(".sub") or name == "dagman.config") or templates:
        return not there or begun.dagmaker == metadata.version("dagmaker") or name == str(layout.SPEC)
    if not there:
        raise InputError(
            f"{path}: this file is missing, and the templates here are not those that it was made from; set "
            "DAGMAKER_TEMPLATES as it was when the run was built"
        )
    return False


def planned_digest(run: Path) -> str:
    """Digest of the spec that the plan was made for; empty where there is no plan that can be read."""
    try:
        return str(json_value(file_bytes(run / layout.PLAN, MAX_JSON))["spec_digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def frozen_text(run: Path) -> str:
    """The spec that the plan was made for: the frozen one, or the one that build.json keeps where that was edited."""
    planned, found = planned_digest(run), read_text(run / layout.SPEC)
    if not planned or specfile.text_digest(found) == planned:
        return found
    kept = build_record.kept_spec(run)
    return kept if specfile.text_digest(kept) == planned else found


def read_text(path: Path) -> str:
    """A spec as it is; empty where it cannot be read."""
    try:
        return file_bytes(path, MAX_JSON).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _keep_edited(run: Path, text: str) -> str:
    """Give an edited spec another name; empty where it is as it was."""
    path, name = run / layout.SPEC, run / EDITED
    try:
        if file_bytes(path) == text.encode():
            return ""
    except FileNotFoundError:
        return ""
    except OSError:
        pass  # a folder, say: it goes out of the way just so
    number = 1
    while name.exists():
        number += 1
        name = run / EDITED.replace(".yaml", f"{number}.yaml")
    try:
        path.rename(name)
    except OSError as error:
        raise InputError(f"{path}: cannot be moved away: {reason(error)}") from None
    return str(name)
