"""No test measures seconds: those of a busy machine fail it, and those of an idle one hide a slow-down.

Count work instead (tests/counted.py, worker/engines/builtin/work.py), wait without a limit of your own
(tests/waiting.py), and measure speed in benchmarks/.
"""

import re
from pathlib import Path

TESTS = Path(__file__).parent
CLOCKS = re.compile(
    r"\b(perf_counter|monotonic|process_time|thread_time|timeit|time\.time|os\.times)\b|"
    r"\bgetrusage\b(?!\([\w.]+\)\.ru_maxrss)|"  # memory is no clock
    r"(?<!--)\btimeout(?:_s)?\b[^=,()\n]*=\s*\d"  # --timeout=3 is what a user types
)
# Files that may name a clock or a limit in seconds, how often, and why.
ALLOWED = {
    "cpu_time.py": (1, "prints what tests cost, and asserts nothing"),
    "waiting.py": (2, "the one limit that only a hang reaches"),
    "mutations.py": (2, "CPU time, at most 250 times what it is: a loop inside C makes no calls to count"),
    "mutated_runs.py": (2, "CPU time, at most ten times what it is: as in mutations.py"),
    "test_dagmaker_next_step.py": (1, "the times in a log of a pool, some while ago"),
    "test_store.py": (5, "a record's own seconds against those that were spent; moments of death; a file's age"),
    "pool/personal.py": (6, "a pool that does not start or stop is broken"),
    "pool/processes.py": (3, "processes that survive SIGKILL"),
    "pool/client.py": (3, "a queue that does not move: half an hour, then what an onlooker would want to see"),
}


def clocks(text: str) -> list[str]:
    """Clocks and limits in seconds that a source names."""
    return [found[0] for found in CLOCKS.finditer(text)]


def test_tests_name_no_clock() -> None:
    files = [path for path in sorted(TESTS.rglob("*.py")) if path != Path(__file__)]
    found = {path.relative_to(TESTS).as_posix(): clocks(path.read_text()) for path in files}
    named = {file: (len(words), words) for file, words in found.items() if words}
    wrong = {file: words for file, (n, words) in named.items() if n > ALLOWED.get(file, (0, ""))[0]}
    assert wrong == {}, "count work (tests/counted.py), wait with tests/waiting.py, or give a reason in ALLOWED"
    assert set(ALLOWED) <= set(named), "a reason that is not needed any longer"


def test_the_pattern_sees_what_it_must() -> None:
    for line in (
        "begin = time.perf_counter()", "end = time.time() + 3", "run(argv, timeout=30)", "import timeit",
        "def busy(process, timeout_s: float = 60):", "resource.getrusage(resource.RUSAGE_CHILDREN)",
    ):  # fmt: skip
        assert len(clocks(line)) == 1, line
    for line in (
        "timeout=HANG_S", "path.stat().st_mtime_ns", "time.sleep(0.1)", "time.strftime('%H')", "timing = 3",
        "main(['abort', 'R', '--timeout=-5']); 'write e.g. --timeout=300'",
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024",
    ):  # fmt: skip
        assert clocks(line) == [], line
