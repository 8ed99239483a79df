"""The frozen spec of a run directory, put back as it was built, and what else of the build is gone."""

import json
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dagmaker import lock, origin
from dagmaker.planning import plan
from worker import layout, specfile
from worker.atomic import Written, reason, write_all
from worker.errors import InputError

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
            lines.append(f"your edited spec is {self.kept}; to use it: dagmaker build {self.kept} --run={self.run}")
        return lines


def restore(run: Path) -> Restored:
    """Write the frozen spec again where it was edited or is gone, and any other file of the build that is gone.

    Submit files that were edited are left as they are.

    Raises
    ------
    InputError
        The run directory keeps no spec that its plan was made for.
    """
    run = run.absolute()
    text = origin.kept_spec(run)
    if not text:
        raise InputError(f"{run}: has no build.json that keeps its spec; `dagmaker build SPEC --run={run}` with yours")
    digest = specfile.text_digest(text)
    planned = planned_digest(run)
    if planned not in ("", digest):
        raise InputError(
            f"{run / layout.BUILD}: keeps another spec than that of {layout.PLAN} (digest {digest[:12]}, not "
            f"{planned[:12]}): a build did not end; `dagmaker build SPEC --run={run}` with your own spec"
        )
    spec = specfile.loads_resolved(text, str(run / layout.BUILD))
    with lock.held(run):
        kept = _keep_edited(run, text)
        made = plan.make(spec, digest)
        texts = dict(origin.files(origin.read(run), made, spec, text, {}))
        needed = {str(layout.SPEC): kept != "", str(layout.PLAN): not planned}
        lost = [name for name in texts if needed.get(name) or not (run / name).exists()]
        for name in lost:
            write_all(run, [Written(PurePosixPath(name), texts[name].encode())])
    return Restored(str(run), tuple(lost), kept)


def planned_digest(run: Path) -> str:
    """Digest of the spec that the plan was made for; empty where there is no plan that can be read."""
    try:
        return str(json.loads((run / layout.PLAN).read_text(encoding="utf-8"))["spec_digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def frozen_text(run: Path) -> str:
    """The spec that the plan was made for: the frozen one, or the one that build.json keeps where that was edited."""
    path = run / layout.SPEC
    planned = planned_digest(run)
    try:
        found = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        found = ""
    if not planned or specfile.text_digest(found) == planned:
        return found
    kept = origin.kept_spec(run)
    return kept if specfile.text_digest(kept) == planned else found


def _keep_edited(run: Path, text: str) -> str:
    """Give an edited spec another name; empty where it is as it was."""
    path, name = run / layout.SPEC, run / EDITED
    try:
        if path.read_bytes() == text.encode():
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
