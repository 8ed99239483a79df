"""The plans in docs/planning.md are what `dagmaker plan` prints; with UPDATE_DOCS=1 they are written anew."""

import os
from pathlib import Path

import pytest

from dagmaker.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "planning.md"
PLANS = {"quick_look": 2, "full_season": 200, "ten_years": 10_000}


def block(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The spec and its plan as the page shows them."""
    spec = (ROOT / "docs" / "plans" / f"{name}.yaml").read_text()
    assert main(["plan", str(ROOT / "docs" / "plans" / f"{name}.yaml"), f"--slots={PLANS[name]}"]) == 0
    text = f"{spec}\n$ dagmaker plan docs/plans/{name}.yaml --slots={PLANS[name]}\n{capsys.readouterr().out}"
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


def test_the_page_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = {name: block(name, capsys) for name in PLANS}
    if os.environ.get("UPDATE_DOCS"):
        head = PAGE.read_text().partition("## Three plans\n")
        intro = "\nWith the built-in model; the specs are in `docs/plans/`.\n"
        body = "".join(f"\n### {name.replace('_', ' ').capitalize()}\n\n{text}" for name, text in blocks.items())
        PAGE.write_text(head[0] + head[1] + intro + body)
    for name, text in blocks.items():
        assert text in PAGE.read_text(), f"{name}: run this test with UPDATE_DOCS=1"
