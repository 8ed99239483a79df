"""Reader and writer of plan.json and of the plans of rounds.

The first line is the head, each further line one node. A process that makes trials reads only the head, so its start
does not depend on the size of the plan.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from worker.base import shell
from worker.base.bounds import MAX_NAME, MAX_TRIALS
from worker.base.errors import InputError
from worker.base.reading import MAX_JSON, file_bytes, json_value, opened
from worker.base.task_rows import ROWS
from worker.rundir import layout
from worker.rundir.cuts import Cuts
from worker.spec.fields import Model, Number, refuse
from worker.spec.size_limits import MAX_PROCESSES

VERSION = 2
MOST_PROCESSES = 5 * MAX_PROCESSES  # of all kinds together
HEAD = ("name", "spec_digest")  # keys of plan.json
_BEGIN, _END = ', "nodes": [\n', "\n]}\n"


def _inside(path: str) -> str:
    """A path below the run directory."""
    if path.startswith("/") or "\0" in path or ".." in PurePosixPath(path).parts:
        raise ValueError("must be a path below the run directory")
    return path


Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=200)]
Inside = Annotated[str, Field(max_length=1000), AfterValidator(_inside)]
Position = Annotated[int, Field(ge=0, le=2 * MAX_TRIALS)]
Count = Annotated[int, Field(ge=1, le=MAX_TRIALS)]


Address = (
    Annotated[int, Field(ge=-MAX_TRIALS, le=MAX_TRIALS)]
    | Annotated[Number, Field(ge=-MAX_TRIALS, le=MAX_TRIALS)]
    | Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$", max_length=MAX_NAME)]
)


class NodeForm(Model):
    """One node, see `dagmaker.plan.node.Node`."""

    name: Word
    task: Word
    args: dict[Word, Address]
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None
    dir: Inside
    file: Inside
    cuts: tuple[tuple[Position, Count, Count], ...]
    bands: Annotated[int, Field(ge=1, le=512)]
    parents: tuple[Word, ...]

    @model_validator(mode="after")
    def _of_its_task(self) -> Self:
        if self.task not in ROWS:
            refuse(("task", f"found {self.task}; tasks are {', '.join(ROWS)}"))
        row = ROWS[self.task]
        wrong = [key for key, value in self.args.items() if isinstance(value, str) != (key == "point")]
        if wrong:
            refuse((f"args.{wrong[0]}", f"found {self.args[wrong[0]]!r}"))
        lacks = [key for key in row.needs if key not in self.args and not (key == "dec" and "point" in self.args)]
        if lacks:
            refuse(("args", f"{self.task} needs {', '.join(lacks)}"))
        if bool(self.file) == row.has_many_files:
            refuse(("file", f"found {self.file!r} for {self.task}"))
        if bool(self.cuts) != row.is_stream:
            refuse(("cuts", f"found {len(self.cuts)} for {self.task}"))
        return self


class _Form(Model):
    """A plan file; plan.json and rounds have different keys in the head."""

    plan_version: int
    name: str = ""
    spec_digest: str = ""
    round: int = 0
    decision: str = ""
    nodes: tuple[NodeForm, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known: set[str] = set()
        for node in self.nodes:
            if node.name in known:
                refuse(("nodes", f"{node.name} stands there twice"))
            if not self.round and not known.issuperset(node.parents):
                refuse(("nodes", f"a parent of {node.name} does not stand before it"))
            known.add(node.name)
        n = sum(max(1, sum(count for _, _, count in node.cuts)) * node.bands for node in self.nodes)
        if n > MOST_PROCESSES:
            refuse(("nodes", f"found {n} processes; a plan has at most {MOST_PROCESSES}"))
        return self


_FORM = TypeAdapter(_Form)


def cure(run: Path) -> str:
    """Return the advice for a plan that cannot be used."""
    return f"write it again with `{shell.dagmaker('build', run / layout.SPEC, f'--run={run}')}`"


def text(head: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> str:
    """Return the content of the file; the same plan gives the same bytes.

    Parameters
    ----------
    head : mapping
        ``name`` and ``spec_digest`` of plan.json, ``round`` and ``decision`` of a round.
    nodes : iterable of mappings with the keys of `NodeForm`
    """
    first = json.dumps({"plan_version": VERSION, **head})[:-1]
    return first + _BEGIN + ",\n".join(json.dumps(node, separators=(",", ":")) for node in nodes) + _END


def read(path: Path, needed: Iterable[str], cure: str) -> dict[str, Any]:
    """Read and check a whole file; ``cuts`` of its nodes are `Cuts`.

    Parameters
    ----------
    needed : iterable of str
        Required keys of the head.
    cure : str
        Advice for messages.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        There is no such file.
    InputError
        It cannot be read, or is not a plan of this version.
    """
    return loads(_bytes(path, cure), str(path), needed, cure)


def loads(raw: bytes | str, where: str, needed: Iterable[str], cure: str) -> dict[str, Any]:
    """As `read`, from the file's content; `where` names it in messages."""
    head = _head(raw.encode() if isinstance(raw, str) else raw)
    if head is not None:
        _check_head(head, where, needed, cure)
    try:
        form = _FORM.validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        why = fault["msg"].replace("Input should be", "must be").replace("Field required", "is missing")
        inner = fault["ctx"]["faults"][0] if fault["type"] == "faults" else None
        if inner:
            why = inner[1]
        place = ".".join(map(str, (*fault["loc"], *inner[:1]) if inner else fault["loc"])) or "the file"
        raise InputError(f"{where}: is not a plan: {place}: {why}; {cure}") from None
    _check_head(dict(form), where, needed, cure)
    nodes = [{**dict(node), "cuts": Cuts(node.cuts)} for node in form.nodes]
    return {**dict(form), "nodes": nodes}


def read_head(path: Path, needed: Iterable[str], cure: str) -> dict[str, Any]:
    """Read the head, and check that the file has its end. Errors as `read`."""
    try:
        with opened(path) as file:
            first = file.readline(1 << 16)
            file.seek(max(0, file.seek(0, 2) - len(_END)))
            is_complete = file.read() == _END.encode()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise InputError(f"{path}: the plan cannot be read ({error.strerror}); {cure}") from None
    head = _head(first) if is_complete else None
    if head is None:  # perhaps a valid plan in another layout
        return read(path, needed, cure)
    _check_head(head, str(path), needed, cure)
    return head


def _bytes(path: Path, cure: str) -> bytes:
    try:
        return file_bytes(path, MAX_JSON)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise InputError(f"{path}: the plan cannot be read ({error.strerror}); {cure}") from None


def _head(raw: bytes) -> dict[str, Any] | None:
    """Return the first line as an object; None if it is none."""
    line, _, _ = raw[: 1 << 16].partition(b"\n")
    if not line.endswith(_BEGIN.strip().encode()):
        return None
    try:
        head = json_value(line + b"]}")
    except ValueError:
        return None
    return head if isinstance(head, dict) else None


def _check_head(head: Mapping[str, Any], where: str, needed: Iterable[str], cure: str) -> None:
    version = head.get("plan_version")
    if version != VERSION or isinstance(version, bool):
        raise InputError(f"{where}: found plan_version {version!r:.40}, this program reads {VERSION}; {cure}")
    for key in needed:
        kind = int if key == "round" else str
        if not isinstance(head.get(key), kind) or isinstance(head.get(key), bool) or not head[key]:
            raise InputError(f"{where}: is not a plan: it has no {key}; {cure}")
