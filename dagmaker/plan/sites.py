"""Site profiles: values for a site's submit files; the text is in the templates."""

import getpass
import os
import string
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, field_serializer, model_validator

from dagmaker.plan import templates
from worker.base.errors import SpecError
from worker.base.reading import file_bytes
from worker.spec import messages, reader
from worker.spec.fields import Model, Positive, Whole, refuse
from worker.spec.sections import Spec
from worker.spec.task_resources import TaskTable, known_tasks

RUN = "${RUN}"  # in numba_cache: stands for the run directory


def _as_text(value: Any) -> Any:
    """A number or truth value of YAML as the text of a submit command or a variable."""
    return str(value) if isinstance(value, int | float) else value


AtLeastOne = Annotated[Whole, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Scalar = Annotated[str, BeforeValidator(_as_text)]
Values = dict[Scalar, Scalar]


class Site(Model):
    """A profile of templates/htcondor/sites/.

    Attributes
    ----------
    transfer : bool
        Jobs do not see the run directory: HTCondor transfers files, and tasks that read the whole directory run on
        the submit host.
    python : str or None
        Interpreter in a slot, with dagmaker installed; None: the one that ran `dagmaker build`.
    container_image : str or None
        Image in which jobs in slots run.
    environment : mapping
        More variables for jobs in slots.
    numba_cache : str
        Folder of compiled code that jobs share; `RUN` in it is the run directory. Not used with `transfer`.
    log_dir : str or None
        Folder for event logs on the submit host; None: in the run directory.
    condor_version : str or None
        Release of the pool, such as 24.0.1; None: that of the tools on PATH.
    max_idle : int or None
        Late materialisation: idle processes of one node at a time.
    max_memory_mb, max_starts : int
        Limits of memory and starts after out-of-memory holds.
    hold_failed_hours : float or None
        How long a process that failed for good stays held while the others of its node run; None: not at all.
    max_nodes : mapping of task to int
        Most nodes of a task at the same time.
    tasks : mapping of task to `worker.spec.task_resources.TaskResources`
        Requests of the processes of a task; those of the spec override them.
    commands, local_commands, dagman : mapping
        Further submit commands of jobs in slots and on the submit host, and DAGMan settings.
    """

    name: str
    transfer: bool = False
    python: Text | None = None
    container_image: Text | None = None
    environment: Values = Field(default_factory=dict)
    numba_cache: Text = f"{RUN}/.numba"
    log_dir: Text | None = None
    condor_version: Text | None = None
    accounting_group: Text | None = None
    max_idle: AtLeastOne | None = None
    max_memory_mb: AtLeastOne = 8000
    max_starts: AtLeastOne = 5
    hold_failed_hours: Positive | None = None
    max_nodes: Annotated[dict[str, AtLeastOne], BeforeValidator(known_tasks)] = Field(default_factory=dict)
    tasks: TaskTable = Field(default_factory=dict)
    commands: Values = Field(default_factory=dict)
    local_commands: Values = Field(default_factory=dict)
    dagman: Values = Field(default_factory=dict)

    @field_serializer("hold_failed_hours")
    def _as_written(self, hours: float | None) -> float | None:
        """12 and not 12.0, as in build.json of earlier versions."""
        return hours if hours is None or hours % 1 else int(hours)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.dagman.get("DAGMAN_MAX_JOBS_IDLE") == "0":
            refuse(("dagman.DAGMAN_MAX_JOBS_IDLE", "0 slows submission to one node per second; leave it out"))
        if self.transfer and not self.python:
            needed = (
                "true needs python: the interpreter in the slots (or in container_image) that has dagmaker installed"
            )
            refuse(("transfer", f"{needed}; the one that runs here is not there"))
        return self


EXPANDED = ("python", "container_image", "numba_cache", "log_dir", "accounting_group")


def validated(name: str, values: Any) -> Site:
    """A profile from plain data.

    Raises
    ------
    SpecError
        With every problem: key, value, what to write.
    """
    if not isinstance(values, dict):
        raise SpecError("a site profile is a list of `key: value` lines")
    if "name" in values:
        raise SpecError("unknown key name; the name of the file is that of the site")
    try:
        return Site.model_validate({**values, "name": name})
    except ValidationError as failure:
        raise SpecError("; ".join(messages.of_site(failure, values, list(Site.model_fields)[1:]))) from None


def with_accounting_group(site: Site, spec: Spec) -> Site:
    """The site with the accounting group of the spec, if it has one."""
    return site.model_copy(update={"accounting_group": spec.resources.accounting_group or site.accounting_group})


def user_variables() -> dict[str, str]:
    """USER and HOME if known: a container may have no entry in /etc/passwd."""
    variables = {"USER": str(os.getuid())}
    with suppress(KeyError, OSError):
        variables["USER"] = getpass.getuser()
    with suppress(RuntimeError):
        variables["HOME"] = str(Path.home())
    return variables


def _expand(path: Path, key: str, text: str) -> str:
    """Replace ${NAME} by environment variables; ${RUN} is replaced later."""
    names = {**user_variables(), **os.environ, "RUN": RUN}
    try:
        return string.Template(text).substitute(names)
    except (KeyError, ValueError) as error:
        raise SpecError(f"{path}: {key}: {text}: no environment variable {error}") from error


def load(name: str) -> Site:
    """Read the profile of a site.

    Raises
    ------
    SpecError
        The profile is missing or invalid.
    """
    import yaml

    folder = templates.folder() / "htcondor" / "sites"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise SpecError(f"site: {name}: there is no profile {path}; known sites are {known}")
    try:
        site = validated(name, reader.values(file_bytes(path).decode()))
    except (yaml.YAMLError, reader.UnreadableError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SpecError(f"{path}: not YAML: {error}") from error
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    texts = {key: text for key in EXPANDED if (text := getattr(site, key))}
    variables = {key: _expand(path, f"environment.{key}", text) for key, text in site.environment.items()}
    expanded = {key: _expand(path, key, text) for key, text in texts.items()}
    return site.model_copy(update=expanded | {"environment": variables})
