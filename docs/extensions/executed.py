"""Commands of a page are run when the site is built, and what they print is what the page shows.

A block ```` ```{run} ```` has lines `$ COMMAND`, and `> MORE` where a command goes on; `# exits with N` after one says
that it must fail so. They run one after another in one folder below the build folder. While neither page nor source
changes, what they printed then is shown again: a second time they would find everything done. A command that ends
otherwise ends the build.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

PAGE = "tutorial"
FIGURES = "generated/tutorial"
BLOCK = re.compile(r"^```\{run\}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXITS = re.compile(r"\s+# exits with (\d+)$")
HEAD, TAIL = 30, 14
"""Lines of a long output that are shown."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Run the commands of the tutorial when it is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": False}


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == PAGE:
        folder = Path(app.outdir).parent / "tutorial"
        _fresh(folder, Path(app.srcdir), source[0])
        page = folder / "page.md"
        if not page.exists():
            page.write_text(BLOCK.sub(lambda match: _shown(match[1], folder), source[0]), encoding="utf-8")
        source[0] = page.read_text(encoding="utf-8")
        _keep_figures(folder, Path(app.srcdir) / FIGURES)


def _fresh(folder: Path, docs: Path, text: str) -> None:
    """Keep what an earlier build made only where it was made by this very page and these very sources."""
    sources = [
        docs / "tutorial.yaml",
        *(f for name in ("worker", "dagmaker") for f in (docs.parent / name).rglob("*.py")),
    ]
    stamp = hashlib.sha256(text.encode() + b"".join(file.read_bytes() for file in sorted(sources))).hexdigest()
    mark = folder / "sources"
    if not mark.exists() or mark.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.write_text(stamp)
    shutil.copyfile(docs / "tutorial.yaml", folder / "tutorial.yaml")


def _shown(commands: str, folder: Path) -> str:
    parts = []
    for text in commands.rstrip("\n").removeprefix("$ ").split("\n$ "):
        wanted = EXITS.search(text)
        command = EXITS.sub("", text).replace("\n> ", "\n")
        parts += [f"$ {EXITS.sub('', text)}", *_shortened(_output(command, folder, int(wanted[1]) if wanted else 0))]
    return "\n".join(["```console", *parts, "```"])


def _output(command: str, folder: Path, code: int) -> list[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=os.environ | {"PATH": path, "NO_COLOR": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode != code:
        raise ExtensionError(f"{PAGE}: `{command}` ended with {done.returncode}, not {code}:\n{done.stdout[-2000:]}")
    return [line.rstrip() for line in done.stdout.replace(str(folder), "/home/me").splitlines()]


def _shortened(lines: list[str]) -> list[str]:
    return lines if len(lines) <= HEAD + TAIL + 1 else [*lines[:HEAD], "[...]", *lines[-TAIL:]]


def _keep_figures(folder: Path, to: Path) -> None:
    """Copy the pictures that the run made to where the page looks for them."""
    to.mkdir(parents=True, exist_ok=True)
    for picture in (folder / "run" / "report" / "figures").glob("*.png"):
        shutil.copyfile(picture, to / picture.name)
