"""Counts that tell whether a concept has one home: ``python -m tests.counts [FOLDER]``, a checkout of any commit."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TASKS = r'"(prepare|bg_trials|sig_trials|scan_trials|scan_map|judge|collect_bg|collect_sig|collect_scan)"'
RESULTS = r'"(distributions|sensitivity|post_trial|upper_limits|report)"'
"""Names of tasks that are names of results and of parts of the report as well."""
SCAN = r"is_catalog|CatalogScan|HealpixScan|spec\.healpix\b"
OF_SCAN = ("hypotheses", "spec/scan.py", "spec/sky_scan.py", "spec/source_scan.py")
"""Where the kind of scan may be named."""


def functions(source: str) -> Iterator[tuple[int, str]]:
    """(lines, name) of every function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1, node.name


def counts(root: Path) -> dict[str, object]:
    """What is counted, of the two packages and the tests below a folder."""
    texts = {path: path.read_text() for name in ("worker", "dagmaker") for path in sorted((root / name).rglob("*.py"))}
    lines = sum(text.count("\n") for text in texts.values())
    elsewhere = [text for path, text in texts.items() if not any(part in str(path) for part in OF_SCAN)]
    tests = sum(path.read_text().count("\n") for path in (root / "tests").rglob("*.py"))
    longest, name = max(found for text in texts.values() for found in functions(text))
    return {
        "files that name a task": sum(bool(re.search(TASKS, text)) for text in texts.values()),
        "  or a result": sum(bool(re.search(f"{TASKS}|{RESULTS}", text)) for text in texts.values()),
        "lines that name the kind of scan, elsewhere": sum(len(re.findall(f"(?m)^.*(?:{SCAN})", t)) for t in elsewhere),
        "lines": lines,
        "modules": len(texts),
        "longest function": f"{longest} ({name})",
        "test lines per line": f"{tests / lines:.2f}",
    }


if __name__ == "__main__":
    for what, count in counts(Path(sys.argv[1] if len(sys.argv) > 1 else ".")).items():
        print(f"{what:<45}{count}")
