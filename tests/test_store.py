"""The run directory under every kind of damage: a file is whole or absent, and what is wrong is said."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import unavailable
from worker.base import arrays, atomic
from worker.base.errors import InputError
from worker.rundir import layout, store
from worker.rundir.record import Record, from_json, measure

ROOT = Path(__file__).parents[1]
REL = PurePosixPath("trials/x/bg/dec/+005/trials__N_000100_seed_0000.npy")
DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])
DIGEST = "ab" * 32


def trials(n: int = 100) -> np.ndarray:
    array = np.zeros(n, DTYPE)
    array["ts"] = np.arange(n)
    return array


def record(n: int = 100, digest: str = DIGEST) -> Record:
    return Record("bg_trials", {"dec": 5.0, "seed": 0, "first": 0}, digest, n)


def save(run: Path, n: int = 100, digest: str = DIGEST) -> Path:
    store.save_array(run, REL, trials(n), record(n, digest))
    return run / REL


def tree(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


# -- what is written -------------------------------------------------------------------------------------------


def test_an_array_comes_back_with_its_record(tmp_path: Path) -> None:
    path = save(tmp_path)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.with_suffix(".json").name, path.name]
    found = store.load_array(tmp_path, REL, 100, DTYPE, DIGEST)
    assert found.tobytes() == trials().tobytes()
    assert found.flags.writeable
    assert store.load_record(tmp_path, REL).n == 100
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "done"
    np.testing.assert_array_equal(np.load(path), trials())  # an ordinary .npy for everybody else


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.5),
        np.zeros((0, 4)),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(12)[::3],
        np.array([True, False]),
        np.array(["a", "bcd"]),
    ],
    ids=["scalar", "empty", "fortran", "strided", "bool", "text"],
)
def test_any_plain_array_comes_back(tmp_path: Path, array: np.ndarray) -> None:
    store.save_array(tmp_path, REL, array, record(array.size))
    found = store.load_array(tmp_path, REL, dtype=array.dtype, digest=DIGEST)
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


def test_several_arrays_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    rel = PurePosixPath("collected/x.npz")
    content = {"b": trials(), "a": np.arange(5)}
    store.save_arrays(tmp_path, rel, content, record())
    first = (tmp_path / rel).read_bytes()
    with zipfile.ZipFile(tmp_path / rel) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    store.save_arrays(tmp_path, rel, dict(reversed(content.items())), record())
    assert (tmp_path / rel).read_bytes() == first
    found = store.load_arrays(tmp_path, rel, DIGEST)
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["b"], content["b"])
    with np.load(tmp_path / rel) as opened:
        np.testing.assert_array_equal(opened["a"], content["a"])


def test_compressed_arrays_come_back(tmp_path: Path) -> None:
    rel = PurePosixPath("prepared/data.npz")
    store.save_arrays(tmp_path, rel, {"a": np.zeros(10000)}, record(), compress=True)
    assert (tmp_path / rel).stat().st_size < 1000
    assert store.load_arrays(tmp_path, rel)["a"].shape == (10000,)


def test_json_is_sorted_exact_and_without_nan(tmp_path: Path) -> None:
    rel = PurePosixPath("results/summary.json")
    store.save_json(tmp_path, rel, {"b": np.float32(0.5), "a": np.arange(2), "c": {"p": 0.1}})
    assert (tmp_path / rel).read_text() == (
        '{\n  "a": [\n    0,\n    1\n  ],\n  "b": 0.5,\n  "c": {\n    "p": 0.1\n  }\n}\n'
    )
    assert store.load_json(tmp_path, rel)["c"]["p"] == 0.1
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.save_json(tmp_path, rel, {"a": float("nan")})
    assert store.load_json(tmp_path, rel)["c"]["p"] == 0.1  # the old one stays


def test_a_file_from_a_callback_keeps_its_extension_and_vanishes_if_it_fails(tmp_path: Path) -> None:
    rel = PurePosixPath("results/map.fits")
    seen: list[Path] = []

    def write(path: Path) -> None:
        seen.append(path)
        path.write_bytes(b"SIMPLE")

    store.save_file(tmp_path, rel, write)
    assert seen[0].suffix == ".fits"
    assert tree(tmp_path) == {"results/map.fits": b"SIMPLE"}

    def fail(path: Path) -> None:
        path.write_bytes(b"SIM")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        store.save_file(tmp_path, rel, fail)
    assert tree(tmp_path) == {"results/map.fits": b"SIMPLE"}


@pytest.mark.parametrize("rel", ["/etc/x.npy", "../x.npy", "a/../../x.npy"])
def test_nothing_is_written_outside_the_run(tmp_path: Path, rel: str) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match="not a place inside the run directory"):
        store.save_array(tmp_path / "run", PurePosixPath(rel), trials(), record())
    assert tree(tmp_path) == {}


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        store.save_array(tmp_path, REL, np.array([{}], dtype=object), record())


def test_the_record_is_there_before_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old output is gone before a new record stands beside it, and a new one never stands without."""
    save(tmp_path, digest="cd" * 32)
    steps: list[tuple[str, bool, bool]] = []
    real = Path.replace

    def note(self: Path, target: Path) -> Path:
        array = tmp_path / REL
        steps.append((target.suffix, array.exists(), array.with_suffix(".json").exists()))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", note)
    save(tmp_path)
    assert steps == [(".json", False, True), (".npy", False, True)]


# -- what is read ----------------------------------------------------------------------------------------------


def damaged(raw: bytes) -> dict[str, bytes]:
    """A .npy cut, grown and bent in every kind of place."""
    start = raw.index(b"\n") + 1
    flipped = bytearray(raw)
    flipped[-5] ^= 1
    return {
        "empty": b"",
        "in the magic": raw[:4],
        "in the version": raw[:7],
        "in the header": raw[:40],
        "at the end of the header": raw[:start],
        "in the first row": raw[: start + 5],
        "between rows": raw[: start + 24 * 50],
        "one byte short": raw[:-1],
        "one byte long": raw + b"\0",
        "twice": raw + raw,
        "a bit": bytes(flipped),
        "zeros": bytes(len(raw)),
        "text": b"Connection timed out\n" * 40,
        "another shape": raw.replace(b"(100,)", b"(999,)"),
        "a huge shape": raw.replace(b"(100,), }" + b" " * 12, b"(99999999999999999,), }"[:21]),
        "a pickle": raw.replace(b"'<f8'", b"'|O8'"),
        "a bent header": raw.replace(b"{'descr'", b"{'descr:"),
        "code in the header": raw.replace(b"(100,)", b"exit()"),
        "another version": raw[:6] + b"\x09" + raw[7:],
    }


KINDS = list(damaged(b"\x93NUMPY\x01\x00\n" + bytes(64)))


@pytest.mark.parametrize("with_record", [True, False], ids=["with record", "without"])
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_seen_named_and_cured(tmp_path: Path, kind: str, with_record: bool) -> None:
    path = save(tmp_path)
    raw = path.read_bytes()
    bad = damaged(raw)[kind]
    assert bad != raw
    path.write_bytes(bad)
    digest = DIGEST
    if not with_record:
        path.with_suffix(".json").unlink()
        digest = None
        if kind == "a bit":
            return  # without a checksum nothing can tell
    assert store.state(tmp_path, REL, 100, DTYPE, digest) == "corrupt"
    with pytest.raises(InputError) as caught:
        store.load_array(tmp_path, REL, 100, DTYPE, digest)
    text = str(caught.value)
    assert text.startswith(f"{path}: this file is corrupt: ")
    assert text.endswith("; delete it and run the task that makes it, or `dagmaker repair`")
    assert caught.value.exit_code == 3
    save(tmp_path)  # the cure works
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "done"


def test_exact_words_for_the_commonest_damages(tmp_path: Path) -> None:
    path = save(tmp_path)
    cure = "; delete it and run the task that makes it, or `dagmaker repair`"
    raw = path.read_bytes()

    def words(n: int | None = 100, dtype: np.dtype | None = DTYPE, digest: str | None = DIGEST) -> str:
        with pytest.raises(InputError) as caught:
            store.load_array(tmp_path, REL, n, dtype, digest)
        return str(caught.value).removeprefix(f"{path}: ")

    path.write_bytes(raw[:-100])
    assert words() == (
        "this file is corrupt: its bytes are not those that its record was written for (sha256 differs)" + cure
    )
    path.with_suffix(".json").unlink()
    assert words(digest=None) == (
        "this file is corrupt: its header promises 100 x 24 bytes, and 2300 follow (truncated?)" + cure
    )
    path.unlink()
    assert words() == "this file is missing; run the task that makes it, or `dagmaker repair`"
    save(tmp_path, digest="cd" * 32)
    assert words() == (
        "this file belongs to another analysis: its digest is cdcdcdcdcdcd, this analysis has abababababab; "
        "move it away and run the task that makes it, or use a new run directory"
    )
    save(tmp_path, n=99)
    assert words() == ("this file is corrupt: its shape is (99,), not the 100 entries that were promised" + cure)
    assert words(n=99, dtype=np.dtype("<f8")).startswith("this file is corrupt: its type is [('ts', '<f8'), ")


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    path = save(tmp_path, digest="cd" * 32)
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "foreign"
    path.with_suffix(".json").unlink()
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "foreign"
    with pytest.raises(InputError, match=r"belongs to another analysis: there is no record \(.*\) beside it"):
        store.load_array(tmp_path, REL, 100, DTYPE, DIGEST)
    assert store.load_array(tmp_path, REL, 100, DTYPE).shape == (100,)  # csky's own files have no record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"task": 1}', "null", "\xff"])
def test_a_bent_record_makes_the_output_corrupt(tmp_path: Path, text: str) -> None:
    path = save(tmp_path)
    path.with_suffix(".json").write_bytes(text.encode("latin-1"))
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "corrupt"
    with pytest.raises(InputError, match="corrupt"):
        store.load_record(tmp_path, REL)
    with pytest.raises(InputError, match="corrupt"):
        store.load_array(tmp_path, REL, 100, DTYPE, DIGEST)


def test_absent(tmp_path: Path) -> None:
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "absent"
    assert store.state(tmp_path / "nowhere", REL, 100, DTYPE, DIGEST) == "absent"
    (tmp_path / "trials").write_text("a file where a folder should be")
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "absent"


@pytest.mark.parametrize("cut", [0, 10, 200, 1000, -22, -1])
def test_damaged_npz(tmp_path: Path, cut: int) -> None:
    rel = PurePosixPath("collected/x.npz")
    for keep_record in (True, False):
        store.save_arrays(tmp_path, rel, {"a": np.arange(100), "b": trials()}, record())
        path = tmp_path / rel
        path.write_bytes(path.read_bytes()[:cut])
        if not keep_record:
            path.with_suffix(".json").unlink()
        with pytest.raises(InputError, match="this file is corrupt"):
            store.load_arrays(tmp_path, rel, DIGEST if keep_record else None)
        assert store.state(tmp_path, rel, None, None, DIGEST if keep_record else None) == "corrupt"


def test_a_bit_flipped_in_an_npz_without_record_is_seen_by_its_checksum(tmp_path: Path) -> None:
    rel = PurePosixPath("collected/x.npz")
    store.save_arrays(tmp_path, rel, {"a": np.arange(100)}, record())
    path = tmp_path / rel
    raw = bytearray(path.read_bytes())
    raw[300] ^= 1
    path.write_bytes(raw)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="Bad CRC"):
        store.load_arrays(tmp_path, rel)


@settings(max_examples=400)
@given(data=st.data(), kind=st.sampled_from(["npy", "npz", "deflated"]))
def test_no_damage_whatever_gives_another_exception(data: st.DataObject, kind: str) -> None:
    """Bytes changed, cut or added anywhere: an array, or the one error that says so; no crash, no huge allocation."""
    raw = bytearray(SOUND[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(raw) - 1))
        what = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if what == "set":
            raw[where] = data.draw(st.integers(0, 255))
        elif what == "cut":
            del raw[where : where + data.draw(st.integers(1, 8))]
        else:
            raw[where:where] = data.draw(st.binary(min_size=1, max_size=4))
        raw = raw or bytearray(b"x")
    with contextlib.suppress(arrays.BadFormatError):
        (arrays.parse_npy if kind == "npy" else arrays.parse_npz)(bytes(raw))


SOUND = {
    "npy": arrays.npy_bytes(trials(3)),
    "npz": arrays.npz_bytes({"a": np.arange(3), "b": trials(2)}),
    "deflated": arrays.npz_bytes({"a": np.arange(3), "b": trials(2)}, compress=True),
}


@pytest.mark.parametrize("header", ["(-1, -3)", "(-3,)", "()", "(3, -1)", "(True,)", "(3.0,)", "(1 << 70,)"])
def test_shapes_that_cannot_be(header: str) -> None:
    raw = arrays.npy_bytes(np.arange(3))
    bad = raw.replace(b"(3,), }" + b" " * 10, f"{header}, }}".encode().ljust(17))
    assert len(bad) == len(raw)
    with pytest.raises(arrays.BadFormatError):
        arrays.parse_npy(bad)


# -- disks that say no -----------------------------------------------------------------------------------------


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small disk of its own at `folder`; skips where mounting is not allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        unavailable(f"a disk cannot be mounted here ({done.stderr.decode().strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path, "size=256k"):
        save(tmp_path)
        before = tree(tmp_path)
        rel = REL.with_name("trials__N_020000_seed_0000.npy")
        with pytest.raises(InputError) as caught:
            store.save_array(tmp_path, rel, trials(20000), record(20000))
        assert str(caught.value) == (
            f"{tmp_path / rel}: cannot be written: the disk is full; free some space, or use another disk"
        )
        assert tree(tmp_path) == before
        save(tmp_path, n=50)  # the disk is still good for what fits


def test_a_full_disk_for_a_callback_and_for_json(tmp_path: Path) -> None:
    with mounted(tmp_path, "size=64k"):
        with pytest.raises(InputError, match="the disk is full"):
            store.save_file(tmp_path, PurePosixPath("a.png"), lambda path: path.write_bytes(bytes(200_000)))
        with pytest.raises(InputError, match="the disk is full"):
            store.save_json(tmp_path, PurePosixPath("a.json"), {"a": "x" * 200_000})
        assert tree(tmp_path) == {}


def test_no_more_inodes(tmp_path: Path) -> None:
    with mounted(tmp_path, "size=1m,nr_inodes=7"), pytest.raises(InputError, match="the disk is full"):
        save(tmp_path)


def test_a_read_only_disk(tmp_path: Path) -> None:
    with mounted(tmp_path, "size=256k"):
        save(tmp_path)
        before = tree(tmp_path)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(InputError) as caught:
            save(tmp_path, digest="cd" * 32)
        assert str(caught.value) == (
            f"{tmp_path / layout.record_name(REL)}: cannot be written: "
            "the disk is mounted read-only; use another run directory"
        )
        assert tree(tmp_path) == before
        assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "done"


def child(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a piece of this test in a process of its own."""
    header = "import itertools, resource, signal\nfrom tests.test_store import *\n"
    return subprocess.run(
        [sys.executable, "-c", header + code], capture_output=True, text=True, check=False, cwd=ROOT, **options
    )


def test_a_folder_without_write_permission() -> None:
    """As another user where the tests run as root, to whom everything is permitted."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run.mkdir(mode=0o555)
        Path(folder).chmod(0o755)
        done = child(
            f"""
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    save(Path({str(run)!r}))
except InputError as error:
    print(error)
"""
        )
        assert done.stdout.strip() == (
            f"{run / layout.record_name(REL)}: cannot be written: "
            "you may not write there; check the permissions of the run directory"
        ), done.stderr
        assert list(run.iterdir()) == []


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "trials").write_text("x")
    with pytest.raises(InputError) as caught:
        save(tmp_path)
    assert "a part of this path is a file where a folder is needed; move it away" in str(caught.value)
    assert tree(tmp_path) == {"trials": b"x"}


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / REL).mkdir(parents=True)
    with pytest.raises(InputError, match="there is a folder of this name; move it away"):
        save(tmp_path)
    assert tree(tmp_path) == {}


def test_a_run_directory_that_does_not_exist(tmp_path: Path) -> None:
    run = tmp_path / "absent"
    with pytest.raises(InputError) as caught:
        save(run)
    assert str(caught.value) == (
        f"{run}: this run directory does not exist; make it with `dagmaker build SPEC --run={run}`"
    )
    assert not run.exists()


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    done = child(
        f"""
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save(Path({str(tmp_path)!r}), n=1000)
except InputError as error:
    print(error)
"""
    )
    assert "the file is larger than the limit set for this process (ulimit -f); raise the limit" in done.stdout
    assert tree(tmp_path) == {}


# -- processes that die ----------------------------------------------------------------------------------------


def hidden(run: Path) -> list[Path]:
    return list(run.rglob(".*"))


DEATHS = """
def write(i):
    store.save_array(RUN, PurePosixPath(f"a/{i % 7}.npy"), np.full(200_000, float(i)), record(200_000))

begin = time.perf_counter()
for i in range(7):
    write(i)
one_write = (time.perf_counter() - begin) / 7
rng, visible, leftovers = np.random.default_rng(3), 0, 0
for death in range(400):
    if death >= 40 and visible and leftovers:
        break
    pid = os.fork()
    if pid == 0:
        for i in itertools.count():
            write(i)
    time.sleep(one_write * rng.uniform(0.0, 10.0))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    leftovers += len(hidden(RUN))
    for path in sorted((RUN / "a").glob("[0-9].npy")):
        array = store.load_array(RUN, PurePosixPath("a") / path.name, 200_000, np.dtype("<f8"), DIGEST)
        assert np.all(array == array[0])
        visible += 1
    atomic.remove_abandoned(RUN / "a")
    assert hidden(RUN) == []
print(visible, leftovers)
"""


@pytest.mark.slow
def test_sigkill_at_any_moment_leaves_no_visible_partial_file(tmp_path: Path) -> None:
    """Forty deaths at moments spread over several writes; what they leave is hidden, and swept."""
    (tmp_path / "a").mkdir()
    done = child(f"RUN = Path({str(tmp_path)!r})\n{DEATHS}")
    assert done.returncode == 0, done.stderr
    visible, leftovers = map(int, done.stdout.split())
    assert visible > 0  # there were whole files to look at ...
    assert leftovers > 0  # ... and deaths did fall into the middle of a write


def test_sweeping_spares_what_is_still_being_written(tmp_path: Path) -> None:
    mine = tmp_path / atomic.temporary_name("a.npy")
    other_host = tmp_path / ".a.part-some-other.host-4026531836-999999-0123abcd.npy"
    abandoned = tmp_path / ".b.part-some-other.host-4026531836-999999-0123abcd.npy"
    dead = tmp_path / atomic.temporary_name("b.npy").replace(f"-{os.getpid()}-", f"-{dead_pid()}-")
    for path in (mine, other_host, abandoned, dead, tmp_path / "c.npy", tmp_path / ".hidden"):
        path.touch()
    long_ago = time.time() - 7200
    os.utime(abandoned, (long_ago, long_ago))
    os.utime(mine, (long_ago, long_ago))
    assert set(atomic.remove_abandoned(tmp_path)) == {dead, abandoned}
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, other_host.name, "c.npy", ".hidden"}
    assert atomic.remove_abandoned(tmp_path / "absent") == []


def test_the_next_write_to_a_folder_clears_what_the_dead_left(tmp_path: Path) -> None:
    path = save(tmp_path)
    dead = path.with_name(atomic.temporary_name(path.name).replace(f"-{os.getpid()}-", f"-{dead_pid()}-"))
    dead.write_bytes(b"half")
    save(tmp_path)
    assert hidden(tmp_path) == []


def dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_an_interrupt_while_writing_removes_the_temporary_file(tmp_path: Path) -> None:
    def stop(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save_file(tmp_path, PurePosixPath("a.png"), stop)
    assert tree(tmp_path) == {}


def test_many_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """A batch system may run a process twice: both write the same bytes, and a reader sees them or nothing."""
    stop = threading.Event()
    bad: list[str] = []

    def read() -> None:
        while not stop.is_set():
            state = store.state(tmp_path, REL, 100, DTYPE, DIGEST)
            if state not in ("done", "absent"):
                bad.append(state)

    def write() -> None:
        for _ in range(25):
            save(tmp_path)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write) for _ in range(3)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert bad == []
    assert store.state(tmp_path, REL, 100, DTYPE, DIGEST) == "done"
    assert hidden(tmp_path) == []


# -- records ---------------------------------------------------------------------------------------------------


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_record_says_what_it_cost_and_where() -> None:
    with measure("bg_trials", {"dec": 5.0}, DIGEST) as meter:
        burn(0.1)
        time.sleep(0.1)
        found = meter.record(7)
    assert found.cpu_s >= 0.1
    assert found.wall_s >= 0.2
    assert found.wall_s - found.cpu_s > 0.05
    assert (found.task, found.args, found.digest, found.n) == ("bg_trials", {"dec": 5.0}, DIGEST, 7)
    assert found.versions["numpy"] == np.__version__
    assert set(found.versions) >= {"python", "numpy", "numba", "scipy", "healpy", "dagmaker"}
    assert found.host == os.uname().nodename
    assert from_json(json.loads(json.dumps(found.as_json()))) == found


def test_peak_memory_is_that_of_the_task_not_of_the_process() -> None:
    """A persistent worker must not charge a small task with a large one's memory."""
    done = child(
        """
with measure("large", {}) as meter:
    block = np.ones(12_000_000)
    large = meter.record(1).max_rss_mb
    del block
with measure("small", {}) as meter:
    small = meter.record(1).max_rss_mb
print(large, small)
"""
    )
    large, small = map(float, done.stdout.split())
    assert large > 96
    if not os.access("/proc/self/clear_refs", os.W_OK):
        unavailable("this kernel does not let a process reset its peak memory")
    assert small < large - 80


def test_versions_cost_no_heavy_import() -> None:
    code = (
        "import sys; from worker.rundir import record; record.versions();"
        "print([m for m in ('numpy', 'numba', 'scipy', 'healpy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
