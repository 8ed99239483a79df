"""Pages that are made from the code: spec reference, commands, failure catalogue. Nothing in them is typed by hand."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from dagmaker import cli
from dagmaker.commands import COMMANDS
from dagmaker.htcondor import holds, render, submitfile
from dagmaker.htcondor.eventlog import Hold
from dagmaker.status import causes, failures
from worker.base.errors import EXIT_CODES
from worker.cli import document
from worker.cli import main as worker_cli
from worker.cli.arguments import typed
from worker.cli.help_text import summary
from worker.cli.tasks import TASKS
from worker.spec.specfile import json_schema

FOLDER = "generated"
Schema = Mapping[str, Any]


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("config-inited", lambda app, _config: write(Path(app.srcdir) / FOLDER))
    return {"parallel_read_safe": True}


def write(folder: Path) -> None:
    """Write those that changed: Sphinx reads the others no more."""
    folder.mkdir(exist_ok=True)
    pages = {"spec": spec_page(json_schema()), "failures": failures_page(), "commands": commands_page()}
    for name, lines in pages.items():
        file, text = folder / f"{name}.md", "\n".join(lines) + "\n"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def spec_page(schema: Schema) -> Iterator[str]:
    """Every key with its meaning, unit, bounds and default."""
    yield "# Spec reference"
    yield ""
    yield "Made from the schema that checks your file. A key without a default must be given; an unknown key is"
    yield "an error. `dagmaker schema` prints the same for editors. Units stand in the names of the keys."
    yield ""
    top = [(key, part) for key, part in schema["properties"].items() if not _parts(schema, part)]
    yield from _table(schema, "The file", "", dict(top), schema.get("required", ()))
    for key, part in schema["properties"].items():
        for model in _parts(schema, part):
            title = f"`{key}`" + (
                f" with `{_chosen_by(model)}`" if _chosen_by(model) and len(_parts(schema, part)) > 1 else ""
            )
            yield from _table(
                schema, title, model.get("description", ""), model["properties"], model.get("required", ())
            )


def _chosen_by(model: Schema) -> str:
    """``format: numpy``, ``kind: plugin``: the key that tells the models of a section apart."""
    found = ((key, model["properties"].get(key, {}).get("const")) for key in ("format", "kind"))
    return next((f"{key}: {word}" for key, word in found if word), "")


def _parts(schema: Schema, part: Schema) -> list[Schema]:
    """Models of a section: one, or one per format."""
    names = [
        part.get("$ref"),
        *(p.get("$ref") for p in part.get("oneOf", ())),
        *(p.get("$ref") for p in part.get("allOf", ())),
    ]
    return [schema["$defs"][name.rpartition("/")[2]] for name in names if name]


def _table(schema: Schema, title: str, text: str, keys: Mapping[str, Schema], required: Any) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    if text:
        yield text
        yield ""
    yield "| key | meaning | value | default |"
    yield "|---|---|---|---|"
    for key, part in keys.items():
        default = "required" if key in required else f"`{_yaml(part.get('default'))}`"
        yield f"| `{key}` | {_cell(part.get('description', ''))} | {_cell(_kind(schema, part))} | {default} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _yaml(value: Any) -> str:
    """A default as one writes it in YAML, where true is no 1."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind(schema: Schema, part: Schema) -> str:
    """Type and bounds in words."""
    if "$ref" in part:
        inner = schema["$defs"][part["$ref"].rpartition("/")[2]]
        return "mapping of " + ", ".join(inner["properties"])
    if isinstance(part.get("additionalProperties"), Mapping):
        return "table of names, for each a " + _kind(schema, part["additionalProperties"])
    if "anyOf" in part or "oneOf" in part:
        return " or ".join(dict.fromkeys(_kind(schema, one) for one in part.get("anyOf", part.get("oneOf"))))
    if "const" in part or "enum" in part:
        return " or ".join(f"`{value}`" for value in part.get("enum", [part.get("const")]))
    name = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false", "null": "null"}
    if part.get("type") == "array":
        return "list of " + _kind(schema, part.get("items", {}))
    kinds = part.get("type", "value")
    words = [name.get(kind, "value") for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(words) + _bounds(part)


def _bounds(part: Schema) -> str:
    out = []
    signs = (
        (("minimum", "ge"), "at least"), (("exclusiveMinimum", "gt"), "above"),
        (("maximum", "le"), "at most"), (("exclusiveMaximum", "lt"), "below"),
    )  # fmt: skip
    for names, word in signs:
        found = next((part[name] for name in names if name in part), None)
        if found is not None and abs(found) < 1e12:
            out.append(f"{word} {found:g}")
    return f", {', '.join(out)}" if out else ""


def failures_page() -> Iterator[str]:
    """Exit codes and holds, from the tables that `status` uses."""
    yield "# Failure catalogue"
    yield ""
    yield "Made from the tables that `dagmaker status` explains failures with. `status` groups what failed by these"
    yield "causes and shows the last lines of standard error, how to run the process by hand, and the change to make."
    yield ""
    yield "## How a process ends"
    yield ""
    yield "| exit code | meaning | what to do | tried again by HTCondor |"
    yield "|---|---|---|---|"
    for code in [*EXIT_CODES, *sorted(code for code in causes.CURES if code not in EXIT_CODES)]:
        cure = causes.CURES.get(code, "nothing").format(memory="twice as many", now="as it is")
        again = "–" if code == 0 else "no" if code in render.NEVER_RETRIED else "yes, `max_retries` times"
        yield f"| {code} | {_cell(failures.cause(code))} | {_cell(cure)} | {again} |"
    yield ""
    yield "Negative codes are signals."
    yield ""
    yield "## Why HTCondor holds a process"
    yield ""
    yield "| code | meaning | what to do |"
    yield "|---|---|---|"
    submit = submitfile.SubmitFile(Path("TASK.sub"), Path("LOG"), "", {"executable": "PYTHON"})
    for code, words in holds.WORDS.items():
        yield f"| {code} | {words} | {_cell(holds.cure(Hold(code, 0, ''), 1000, 500, submit))} |"
    for text, hold in (("too much memory", Hold(34, 102, "memory")), ("too much disk", Hold(34, 104, "disk"))):
        yield f"| 34 or 21, {text} | {holds.description(hold)} | `{holds.cure(hold, 1000, 500, submit)}` |"


def _for_programs() -> Iterator[str]:
    """What is the same for every command."""
    error = document.of_error(2, "...", [{"file": "analysis.yaml", "line": 26, "path": "background", "message": "..."}])
    yield ""
    yield "## For programs"
    yield ""
    yield "Every command and every task (but `worker serve`, which speaks JSON lines anyway) has `--json`: exactly one"
    yield "JSON document on stdout, and all else, progress too, on stderr. The exit code is the same as without it; a"
    yield "number that JSON does not have is `null`. A command that could not do its work answers"
    yield ""
    yield "```json"
    yield json.dumps(error, indent=2)
    yield "```"
    yield ""
    yield "where `problems` has everything that is wrong with a spec, and is empty for other errors. A task answers"
    yield '`{"task", "arguments", "result", "printed"}`: `result` for those that find something out (verify, streams,'
    yield "audit, replay, data_summary, unblind) and else `null`, `printed` the lines that it prints otherwise."
    yield ""
    yield "```console"
    yield "$ dagmaker plan analysis.yaml --json | jq .cpu_h"
    yield "$ dagmaker status runs/example --watch --json > done.json    # waits for the end of the run"
    yield "```"


def commands_page() -> Iterator[str]:
    """The help of every command and task, as it is printed."""
    yield "# Commands and tasks"
    yield ""
    yield "What `--help` prints. What stands under *Returns* are the keys of a command's document."
    yield from _for_programs()
    for title, names, of in (("dagmaker", COMMANDS, cli._help), ("worker", TASKS, worker_cli._help)):
        yield ""
        yield f"## {title}"
        for name, function in names.items():
            yield ""
            yield f"### {title} {typed(name) if title == 'dagmaker' else name}"
            yield ""
            yield summary(function)
            yield ""
            yield "```text"
            yield of(name)
            yield "```"
