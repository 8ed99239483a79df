"""The documentation site: built without a warning from the code of today, and complete without a network."""

import importlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dagmaker.commands import COMMANDS
from worker.cli.tasks import TASKS
from worker.spec.specfile import json_schema

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
pytestmark = pytest.mark.slow


class Loaded(HTMLParser):
    """Everything that a browser would fetch by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
        found = dict(attrs)
        if tag in names and found.get("rel") not in ("canonical",):
            self.urls.append(found.get(names[tag]) or "")


def test_every_page_is_built_and_nothing_is_fetched(site: Path) -> None:
    for page in DOCS.glob("*.md"):
        assert (site / f"{page.stem}.html").is_file()
    for page in site.rglob("*.html"):
        parsed = Loaded()
        parsed.feed(page.read_text(encoding="utf-8"))
        for url in parsed.urls:
            assert not re.match(r"(https?:)?//", url), f"{page.name}: {url}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style.name


def test_the_tutorial_shows_what_the_commands_print(site: Path) -> None:
    text = (site / "tutorial.html").read_text(encoding="utf-8")
    assert "{run}" not in text
    plain = re.sub(r"<[^>]+>", "", text)
    assert "tutorial.yaml: good: tutorial, synthetic data, 18 declinations" in plain
    assert "unknown key; did you mean" in plain
    assert "already done: trials/tutorial/bg/dec/+005/trials__N_001000_seed_0000.npy" in plain
    assert "post-trial p-value" in plain
    assert str(site.parent) not in plain  # of whoever built it
    assert len(re.findall(r'<img[^>]+alt="[^"]+"', text)) >= 7


def test_the_references_are_complete(site: Path) -> None:
    spec = re.sub(r"<[^>]+>", "", (site / "generated" / "spec.html").read_text(encoding="utf-8"))
    schema = json_schema()
    keys = {key for model in (schema, *schema["$defs"].values()) for key in model["properties"]}
    inner = {"start", "stop", "step"}  # of a range, shown as one value
    assert len(keys) > 40
    nested = {key for name in ("DecRange", "Goal") for key in schema["$defs"].get(name, {}).get("properties", {})}
    for key in keys - inner - nested:
        assert key in spec, key
    commands = (site / "generated" / "commands.html").read_text(encoding="utf-8")
    for name in (*(name.replace("_", "-") for name in COMMANDS), *TASKS):
        assert name in commands
    failures = re.sub(r"<[^>]+>", "", (site / "generated" / "failures.html").read_text(encoding="utf-8"))
    assert "request_memory_mb: 2000" in failures
    assert "stopped cleanly at a checkpoint" in failures


def test_every_function_of_the_method_is_there() -> None:
    names = re.findall(r"`(worker\.[\w.]+)`", (DOCS / "method.md").read_text(encoding="utf-8"))
    assert len(names) > 12
    for name in names:
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            for attribute in parts[cut:]:
                found = getattr(found, attribute)
            break
