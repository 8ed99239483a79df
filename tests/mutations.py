"""`python -m tests.mutations [KEY ...]`: every key of the spec with absurd values, through check, plan and build.

`python -m tests.mutations RUN N`: files of a finished run instead, see tests/mutated_runs.py.

Prints what ended with a traceback, took over 5 s of CPU time or printed a line that nobody reads, then the counts.
"""

import contextlib
import io
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dagmaker.cli import main
from tests.dagmaker_spec import text
from worker.spec.hints import HINTS

VALUES = (
    "null", "true", "-1", "0", "1e308", "1e400", ".nan", "-.inf", "9" * 10_000, "''", "[]", "{}", "[1, [2, [3]]]",
    "2026-01-31", "1:30", "0o17", "\"=cmd|' /C calc'!A0\"", "x" * 5_000, "1e12", "0.0873", '"\\0"', '"a\\eb"',
    '"\\u202e"', "1e-320", "99999999999999999999", "' 1'", "[.nan, 1, 2]", "!!python/object:x {}", "[a, a]",
    "[0, 0, 0]", "5%", "\u0663", "[null]",
)  # fmt: skip
LONGEST_LINE = 1500
CPU_S = 5.0
CATALOG = {"kind": "catalog", "sources": "name,ra_deg,dec_deg\nA,100,5\n", "n_skies": 1}
SECTIONS: dict[str, dict[str, Any]] = {
    "data.dir": {"data": {"format": "icetracks", "dir": "/tmp", "seasons": ["A"]}},
    "data.seasons": {"data": {"format": "icetracks", "dir": "/tmp", "seasons": ["A"]}},
    "data.label": {"data": {"format": "icetracks", "dir": "/tmp", "seasons": ["A"]}},
    "data.mc_band_sin_dec": {"data": {"format": "numpy", "dir": "/tmp", "seasons": ["A"]}},
    "data.irfs": {"data": {"format": "ic86_2011", "dir": "/tmp"}},
    "data.irfs_config": {"data": {"format": "ic86_2011", "dir": "/tmp"}},
    "scan.file": {"scan": CATALOG},
    "scan.sources": {"scan": CATALOG},
}


class Ended(NamedTuple):
    """One command: its exit code, CPU seconds, and everything that it printed."""

    code: int
    cpu_s: float
    printed: str

    @property
    def fault(self) -> str:
        """What is wrong with it; empty if nothing."""
        longest = max(map(len, self.printed.splitlines()), default=0)
        found = [f"exit code {self.code}"] * (self.code not in (0, 2, 3))
        found += ["traceback"] * ("Traceback" in self.printed) + [f"{self.cpu_s:.1f} s"] * (self.cpu_s > CPU_S)
        return ", ".join(found + [f"a line of {longest}"] * (longest > LONGEST_LINE))


def spec_of(key: str, value: str) -> str:
    """A small spec in which `key` has this value."""
    document = yaml.safe_load(text(resources="{request_cpus: 1}")) | json.loads(json.dumps(SECTIONS.get(key, {})))
    if key.startswith("background.dec_deg."):
        document["background"]["dec_deg"] = {"start": -30, "stop": 40, "step": 10}
    if key.startswith("adaptive"):
        document["goal"] = {"sensitivity_error": 0.03}
    at, *keys = document, *key.split(".")
    for part in keys[:-1]:
        at[part] = at[part] if isinstance(at.get(part), dict) else {}
        at = at[part]
    at[keys[-1]] = "@@"
    return str(yaml.safe_dump(document, width=10**7)).replace("'@@'", value)


def run(command: str, key: str, value: str, folder: Path) -> Ended:
    """One command on one such spec."""
    spec = folder / "spec.yaml"
    spec.write_text(spec_of(key, value), encoding="utf-8")
    words = [command, str(spec), *([f"--run={tempfile.mkdtemp(dir=folder)}"] if command == "build" else [])]
    said, began = io.StringIO(), time.process_time()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(words)
    return Ended(code, time.process_time() - began, said.getvalue())


def everything(keys: list[str]) -> Iterator[tuple[str, Ended]]:
    """Each key, value and command; what check refuses is not tried further."""
    with tempfile.TemporaryDirectory() as folder:
        for key in keys:
            for value in VALUES:
                for command in ("check", "plan", "build"):
                    ended = run(command, key, value, Path(folder))
                    yield f"{command} {key}: {value[:30]}", ended
                    if ended.code:
                        break


if __name__ == "__main__":
    if len(sys.argv) == 3 and Path(sys.argv[1]).is_dir():
        from tests.mutated_runs import main as of_files

        of_files(Path(sys.argv[1]), int(sys.argv[2]))
        sys.exit()
    counts: Counter[int] = Counter()
    slowest = 0.0
    for name, ended in everything(sys.argv[1:] or list(HINTS)):
        counts[ended.code] += 1
        slowest = max(slowest, ended.cpu_s)
        if ended.fault:
            print(f"{name!r}: {ended.fault}: {ended.printed[-200:]!r}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    codes = ", ".join(f"{n} with exit code {code}" for code, n in sorted(counts.items()))
    print(f"{counts.total()} commands: {codes}; the slowest took {slowest:.2f} s of CPU time; {peak} MB at most")
