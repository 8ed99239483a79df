"""Release files changed in 250 ways: each is read, or refused in words; no traceback, no hang, little memory."""

import dataclasses
import gzip
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.data_simulation import write_season
from tests.test_data_damage import FORMATS, SPEC, write_first_year, write_tracks
from worker import data
from worker.base.errors import DagmakerError
from worker.data import synthetic
from worker.data.describe import season_numbers
from worker.data.prepared import pack, unpack
from worker.engines.builtin import analysis as engine
from worker.spec.specfile import loads

CUTS = engine.Cuts(np.arange(1.0, 4.0 + 1e-9, 1 / 16), 5.0, float(np.radians(0.2)), float(np.radians(5.0)))
MOST_CPU_S, MOST_KB = 5.0, 1_000_000
Mutation = Callable[[bytes, np.random.Generator], bytes]


def write_numpy(folder: Path) -> None:
    season = synthetic.make(1, 300, 100.0, sigma_max_deg=5).seasons[0]
    write_season(folder, dataclasses.replace(season, name="IC86_2011"), 3000)


WRITERS = {"icetracks": write_tracks, "ic86_2011": write_first_year, "numpy": write_numpy}


def truncated(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw[: rng.integers(len(raw))]


def flipped(raw: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(raw)
    for at in rng.integers(len(raw), size=3):
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def header_flipped(raw: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(raw)
    out[rng.integers(min(128, len(raw)))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def number(text: str) -> Mutation:
    """A field of a line, or eight bytes of an array, becomes another number."""

    def change(raw: bytes, rng: np.random.Generator) -> bytes:
        if raw.startswith(b"\x93NUMPY"):
            at = 192 + 8 * int(rng.integers((len(raw) - 200) // 8))
            try:
                value = np.float64(text)
            except ValueError:
                value = np.float64(1e308)
            return raw[:at] + value.tobytes() + raw[at + 8 :]
        lines = raw.decode().split("\n")
        row = int(rng.integers(1, max(len(lines) - 1, 2)))
        fields = lines[row].replace(",", " ").split()
        if fields:
            fields[rng.integers(len(fields))] = text
        lines[row] = " ".join(fields)
        return "\n".join(lines).encode()

    return change


def column(change: Callable[[float], float]) -> Mutation:
    """A whole column of a table, or of eight bytes of every row, becomes others."""

    def mutate(raw: bytes, rng: np.random.Generator) -> bytes:
        if raw.startswith(b"\x93NUMPY"):
            return number("1e300")(raw, rng)
        header, *lines = raw.decode().split("\n")
        rows = [line.replace(",", " ").split() for line in lines]
        k = int(rng.integers(max(len(rows[0]), 1)))
        for row in rows:
            if len(row) > k:
                row[k] = repr(change(float(row[k])))
        return "\n".join([header, *(" ".join(row) for row in rows)]).encode()

    return mutate


def swapped(raw: bytes, rng: np.random.Generator) -> bytes:
    """Two columns change their places under the header."""
    if raw.startswith(b"\x93NUMPY"):
        return raw[:200] + raw[208:] + raw[200:208]
    lines = raw.decode().split("\n")
    a, b = rng.choice(max(len(lines[1].split()), 2), 2, replace=False)
    for k, line in enumerate(lines[1:], 1):
        fields = line.split()
        if len(fields) > max(a, b):
            fields[a], fields[b] = fields[b], fields[a]
            lines[k] = " ".join(fields)
    return "\n".join(lines).encode()


MUTATIONS: dict[str, Mutation] = {
    "truncated": truncated,
    "bits flipped": flipped,
    "bit of the header flipped": header_flipped,
    "huge number": number("1e308"),
    "tiny number": number("-1e-308"),
    "large exponent": number("9e99999"),
    "long number": number("1" * 5000),
    "not a number": number("nan"),
    "not ASCII": number("\u0661\u0662"),
    "zeros": column(lambda x: 0.0),
    "huge column": column(lambda x: x * 1e200),
    "negative column": column(lambda x: -x),
    "column of distinct numbers": column(lambda x: x + hash(x) % 997 / 7),
    "columns swapped": swapped,
    "semicolons": lambda raw, rng: raw.replace(b" ", b";"),
    "tabs and commas": lambda raw, rng: raw.replace(b" ", b"\t,"),
    "NULs": lambda raw, rng: raw.replace(b"0", b"\0", 5),
    "CRLF": lambda raw, rng: raw.replace(b"\n", b"\r\n"),
    "CR": lambda raw, rng: raw.replace(b"\n", b"\r"),
    "BOM": lambda raw, rng: b"\xef\xbb\xbf" + raw,
    "gzip": lambda raw, rng: gzip.compress(raw),
    "a page": lambda raw, rng: b"<!DOCTYPE html><html><title>Sign in</title></html>\n",
    "empty": lambda raw, rng: b"",
    "a line end": lambda raw, rng: b"\n",
    "one long line": lambda raw, rng: b"x" * 6_000_000,
    "many columns": lambda raw, rng: b" ".join(b"c%d" % k for k in range(4000)) + b"\n" + b"1 " * 4000 + b"\n",
    "zeros alone": lambda raw, rng: b"\0" * 100_000,
    "twice": lambda raw, rng: raw + raw,
    "rows mixed": lambda raw, rng: b"\n".join(sorted(raw.split(b"\n"), reverse=True)),
    "escapes": lambda raw, rng: raw.replace(b"[", b"\x1b[2J[", 1).replace(b"MJD", b"\x1b]0;x\x07"),
}


def special(path: Path, kind: str) -> None:
    path.unlink()
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to(path)


SPECIAL = ("a folder", "a pipe", "a device", "a link to itself")


def files_of(root: Path) -> list[Path]:
    alike = "downgoing_events.txt"  # is read as the upgoing ones are
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != alike)


@pytest.fixture
def watched() -> Iterator[None]:
    """Ends what takes too much CPU time, or waits."""

    def late(number: int, frame: object) -> None:
        del frame
        raise TimeoutError(signal.Signals(number).name)

    before = [signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)]
    yield
    for clock in (signal.ITIMER_PROF, signal.ITIMER_REAL):
        signal.setitimer(clock, 0)
    for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
        signal.signal(number, handler)


def outcome(root: Path, name: str) -> str:
    """How a spec on these files ends: "read", or the words of the refusal."""
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    signal.setitimer(signal.ITIMER_REAL, 120)
    try:
        spec = loads(SPEC % FORMATS[name], base=root)
        dataset = unpack(pack(data.read(spec)))
        for season in dataset.seasons:
            season_numbers(season)
        data.read_positions(spec)
        engine.build(dataset, CUTS)
    except DagmakerError as error:
        return str(error)
    return "read"


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_mutated_files_are_read_or_refused_in_words(name: str, tmp_path: Path, watched: None) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    WRITERS[name](tmp_path / "data")
    signal.setitimer(signal.ITIMER_PROF, 0)
    assert outcome_unwatched(tmp_path, name) == "read"
    ends: dict[str, str] = {}
    for number_of_file, path in enumerate(files_of(tmp_path / "data")):
        raw = path.read_bytes()
        for k, (case, mutate) in enumerate(MUTATIONS.items()):
            path.write_bytes(mutate(raw, np.random.default_rng([number_of_file, k])))
            ends[f"{path.relative_to(tmp_path)}: {case}"] = outcome(tmp_path, name)
        for case in SPECIAL:
            special(path, case)
            ends[f"{path.relative_to(tmp_path)}: {case}"] = outcome(tmp_path, name)
            path.rmdir() if case == "a folder" else path.unlink()
            path.write_bytes(raw)
    read = sum(end == "read" for end in ends.values())
    print(f"{name}: {len(ends)} mutated files, {read} read, {len(ends) - read} refused")
    assert len(ends) > 80
    assert read < len(ends) / 2, "most of it is damage"
    for case, end in ends.items():
        assert all(c.isprintable() or c == "\n" for c in end), case
        assert len(end) < 3000, case
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < max(MOST_KB, 1.1 * before)  # others ran before it


def outcome_unwatched(root: Path, name: str) -> str:
    """The first reading compiles."""
    found = data.read(loads(SPEC % FORMATS[name], base=root))
    engine.build(found, CUTS)
    return "read" if found.seasons else "nothing"
