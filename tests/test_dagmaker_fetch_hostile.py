"""`dagmaker data fetch` against a hostile server: refused in words, and nothing written that was not asked for."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from dagmaker.releases import download, unpack
from dagmaker.releases import fetch as fetching
from tests.dataverse import Dataverse
from worker.base.errors import DagmakerError, InputError

Answer = Callable[[BaseHTTPRequestHandler], None]
MD5 = "0" * 32
CHECKED = {"events/IC40_exp.csv": b"# checked\n1 2 3\n", "notes.txt": b"notes\n"}


def fetch(server: Dataverse, output: Path) -> None:
    fetching.fetch("icetracks_10yr", output, server.url, wait_s=0.001)


def refused(server: Dataverse, tmp_path: Path, match: str = ".") -> None:
    """The command ends in words, and nothing lies outside its folder or half-unpacked within."""
    with pytest.raises(InputError, match=match) as caught:
        fetch(server, tmp_path / "a/b/out")
    assert all(c.isprintable() for c in str(caught.value)), "nothing that a terminal would act on"
    assert [p.name for p in tmp_path.iterdir()] in ([], ["a"])
    assert [p.name for p in (tmp_path / "a").glob("*")] in ([], ["b"])
    assert {p.name for p in (tmp_path / "a/b").glob("*")} <= {"out"}
    assert not list((tmp_path / "a/b/out").glob(".unpack-*"))


def body(raw: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return answer


def raw_answer(text: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return answer


# The list of files


def entry(**change: Any) -> dict[str, Any]:
    data = {"id": 1, "filename": "x", "filesize": 1, "md5": MD5} | change.pop("data", {})
    return {"label": "x", "dataFile": data} | change


LISTS: dict[str, Any] = {
    "text": ["x"],
    "a number": [5],
    "null": [None],
    "a list": [[]],
    "no mapping": 7,
    "files as a mapping": {"a": 1},
    "a file as text": [{"label": "x", "dataFile": "x"}],
    "a file as a list": [{"label": "x", "dataFile": []}],
    "a folder that is a number": [entry(directoryLabel=5)],
    "a checksum as text": [entry(data={"checksum": "x"})],
    "no size": [entry(data={"filesize": None})],
    "a negative size": [entry(data={"filesize": -1})],
    "an infinite size": [entry(data={"filesize": float("inf")})],
    "a size in words": [entry(data={"filesize": "many"})],
    "an infinite id": [entry(data={"id": float("inf")})],
    "an id with a path": [entry(data={"id": "../1"})],
    "a checksum with a path": [entry(data={"md5": "../../../../x"})],
    "a checksum of another length": [entry(data={"checksum": {"type": "SHA-256", "value": MD5}})],
    "an unknown checksum": [entry(data={"checksum": {"type": "CRC", "value": MD5}})],
    "a terminal escape": [entry(label="\x1b[2J\x1b]0;x\x07")],
    "half a character": [entry(label="\ud800")],
    "a NUL": [entry(label="a\0b")],
    "a line end": [entry(label="a\nb")],
    "a backslash": [entry(label="..\\..\\x")],
    "a long name": [entry(label="x" * 5000)],
    "a deep folder": [entry(directoryLabel="d/" * 500)],
    "the parent": [entry(label="..")],
    "no name": [entry(label=".")],
    "a place from the root": [entry(directoryLabel="/tmp")],
    "our own file": [entry(label="SOURCE.json")],
    "an unfinished file": [entry(label="x.part")],
    "a file in a file": [entry(), entry(label="y", directoryLabel="x")],
    "very many": [entry(label=f"x{k}") for k in range(10_001)],
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_of_files(tmp_path: Path, case: str) -> None:
    with Dataverse({}) as server:
        server.listing = {"data": {"files": LISTS[case]}}
        refused(server, tmp_path)
        assert not any("/access/" in path for path, _ in server.asked), "no file is asked for"
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize("raw", [b"[" * 200_000, b"\xff\xfe\x00", b"", b"<html>", b'{"data": ' + b"9" * 5000 + b"}"])
def test_answers_that_are_no_list(tmp_path: Path, raw: bytes) -> None:
    with Dataverse({}) as server:
        server.instead["list"] = body(raw)
        refused(server, tmp_path)


def test_a_list_without_end_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_MOST_JSON", 10_000)
    with Dataverse({}) as server:
        server.instead["list"] = body(b" " * 10_001)
        refused(server, tmp_path, "more than 10000 bytes: no list of files")


# The bytes of a file


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Sends until the client leaves; counts in the server's `sent`."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    server: Any = handler
    try:
        for _ in range(2000):
            handler.wfile.write(b"x" * (1 << 16))
            server.dataverse.sent = getattr(server.dataverse, "sent", 0) + (1 << 16)
    except OSError:
        pass


def test_no_more_than_the_published_size_is_taken(tmp_path: Path) -> None:
    with Dataverse(CHECKED) as server:
        server.instead["file"] = endless
        refused(server, tmp_path, r"sends more than the 16 bytes that are published for events/IC40_exp\.csv")
        assert sum(p.stat().st_size for p in tmp_path.rglob("*.part")) == 0
        assert server.sent < 100 << 16, "it was left early"  # type: ignore[attr-defined]


FILES: dict[str, Answer] = {
    "416 for ever": body(b"", 416),
    "a redirect to ftp": body(b"", 302, Location="ftp://127.0.0.1/x"),
    "a redirect to a file": body(b"", 302, Location="file:///etc/passwd"),
    "a redirect to no address": body(b"", 302, Location="http://["),
    "a redirect to other letters": body(b"", 302, Location="http://127.0.0.1/\xe4 \xfc"),
    "a redirect in a circle": body(b"", 302, Location="/api/access/datafile/100"),
    "a status with escapes": raw_answer(b"HTTP/1.1 404 \x1b[2Jgone\r\nContent-Length: 0\r\n\r\n"),
    "no status": raw_answer(b"\x00\x01garbage\r\n\r\n"),
    "a status that is no number": raw_answer(b"HTTP/1.1 abc OK\r\n\r\n"),
    "headers without end": raw_answer(b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 5000 + b"\r\n"),
    "a chunk of no size": raw_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a negative length": raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx"),
    "nothing": raw_answer(b""),
    "nothing, politely": body(b"", 204),
    "another part": body(b"x", 206, Content_Range="bytes 999-1000/1001"),
    "as many other bytes": body(b"y" * 16),
}


@pytest.mark.parametrize("case", FILES)
def test_answers_to_a_file(tmp_path: Path, case: str) -> None:
    with Dataverse({"events/IC40_exp.csv": CHECKED["events/IC40_exp.csv"]}) as server:
        server.instead["file"] = FILES[case]
        refused(server, tmp_path)
    assert not list(tmp_path.rglob("IC40_exp.csv"))


# Archives


def archive(*members: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            file.writestr(info, content)
    return made.getvalue()


def patched(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert old in raw
    return raw.replace(old, new)


GOOD = archive(("irfs/x.csv", b"a b\n" * 100))
ENCRYPTED = bytearray(GOOD)
ENCRYPTED[GOOD.index(b"PK\x01\x02") + 8] |= 1  # the flag of an encrypted member
METHOD = bytearray(GOOD)
METHOD[GOOD.index(b"PK\x01\x02") + 10] = 99  # an unknown compression
LARGER = bytearray(GOOD)
LARGER[GOOD.index(b"PK\x01\x02") + 24] += 1  # it promises a byte more than it holds
DAMAGED = bytearray(GOOD)
DAMAGED[45] ^= 0xFF

ARCHIVES: dict[str, tuple[bytes, str]] = {
    "over a file that was checked": (archive(("notes.txt", b"other\n")), "notes.txt is in the release already"),
    "over a file in a folder": (archive(("events/IC40_exp.csv", b"other")), "is in the release already"),
    "over our own file": (archive(("SOURCE.json", b"{}")), "SOURCE.json"),
    "over itself": (archive(("z.zip", b"1")), "is in the release already"),
    "the same member twice": (patched(archive(("a1", b"1"), ("a2", b"2")), b"a2", b"a1"), "or twice"),
    "outside": (archive(("../../x", b"1")), "outside the output folder"),
    "outside in the middle": (archive(("a/../../../x", b"1")), "outside the output folder"),
    "from the root": (archive(("/tmp/x", b"1")), "outside the output folder"),
    "a backslash": (patched(archive(("..xxx", b"1")), b"..xxx", b"..\\\\x"), "outside the output folder"),
    "a terminal escape": (archive(("a\x1b[2J", b"1")), "outside the output folder, or no name"),
    "a long name": (archive(("x" * 3000, b"1")), "a name that no release has"),
    "a link": (archive(("link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "is a link, a device or encrypted"),
    "a device": (archive(("null", b""), mode=stat.S_IFCHR | 0o666), "is a link, a device or encrypted"),
    "encrypted": (bytes(ENCRYPTED), "is a link, a device or encrypted"),
    "unknown compression": (bytes(METHOD), "cannot be unpacked"),
    "a promise of more": (bytes(LARGER), "bytes instead of|cannot be unpacked"),
    "damaged": (bytes(DAMAGED), "cannot be unpacked"),
    "cut off": (GOOD[:-10], "cannot be unpacked"),
    "no archive": (b"hello", "cannot be unpacked"),
    "nothing": (b"", "cannot be unpacked"),
    "a file in a file": (archive(("notes.txt/x", b"1")), "cannot be unpacked"),
    "a bomb": (archive(("zeros", b"0" * 3_000_000)), "in an archive of .* bytes: no release is like that"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_SPARE", 1_000_000)
    raw, message = ARCHIVES[case]
    with Dataverse({**CHECKED, "z.zip": raw}) as server:
        refused(server, tmp_path, message)
    out = tmp_path / "a/b/out"
    assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == {*CHECKED, "z.zip", "SOURCE.json"}
    assert {name: (out / name).read_bytes() for name in CHECKED} == CHECKED


def test_two_archives_with_different_bytes_of_one_file(tmp_path: Path) -> None:
    with Dataverse({"a.zip": archive(("x", b"1")), "b.zip": archive(("x", b"2"))}) as server:
        refused(server, tmp_path, "x is in the release already, with other bytes")
    assert (tmp_path / "a/b/out/x").read_bytes() == b"1"


def test_a_damaged_member_of_the_right_size_is_unpacked_again(tmp_path: Path) -> None:
    with Dataverse({"z.zip": GOOD}) as server:
        fetch(server, tmp_path)
        (tmp_path / "irfs/x.csv").write_bytes(b"a c\n" * 100)
        fetch(server, tmp_path)
    assert (tmp_path / "irfs/x.csv").read_bytes() == b"a b\n" * 100


# Two releases in one folder


def test_another_version_is_not_mixed_with_what_is_there(tmp_path: Path) -> None:
    """Also where the first one was interrupted before its first file."""
    with Dataverse(CHECKED) as server:
        fetch(server, tmp_path)
        server.files = {**CHECKED, "notes.txt": b"NOTES\n"}
        with pytest.raises(InputError, match=r"holds another release or version .*notes\.txt would be mixed.*--output"):
            fetch(server, tmp_path)
        assert (tmp_path / "notes.txt").read_bytes() == b"notes\n"
        server.instead["file"] = body(b"", 404)
        for files in (CHECKED, {**CHECKED, "notes.txt": b"NOTES\n"}):
            server.files = files
            with pytest.raises(InputError, match="404" if files is CHECKED else "holds another release or version"):
                fetch(server, tmp_path / "interrupted")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3, "doi": 1}', "[" * 100_000, '{"files": [{}]}'])
def test_a_source_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "SOURCE.json").write_text(text)
    with Dataverse(CHECKED) as server, pytest.raises(InputError, match=r"SOURCE\.json: cannot be read"):
        fetch(server, tmp_path)
    assert (tmp_path / "SOURCE.json").read_text() == text


@pytest.mark.parametrize("url", ["http://[", "http://", "https://a b", "file:///tmp", "http://a\x1b[2J", "HTTP", ""])
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(DagmakerError, match="must be an address that begins with https"):
        fetching.fetch("icetracks_10yr", tmp_path, url, wait_s=0.001)


def test_what_is_written_is_what_was_listed(tmp_path: Path) -> None:
    """Negative control: the same folder, a sound server."""
    with Dataverse({**CHECKED, "z.zip": GOOD}) as server:
        fetch(server, tmp_path)
    assert (tmp_path / "irfs/x.csv").read_bytes() == b"a b\n" * 100
    assert {f["path"] for f in json.loads((tmp_path / "SOURCE.json").read_text())["files"]} == {*CHECKED, "z.zip"}
