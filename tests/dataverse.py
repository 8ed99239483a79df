"""A small Dataverse on loopback: lists the files of a data set, sends them with Range, and fails as it is told to."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit


class Dataverse:
    """Context manager; `url` is its base URL, `asked` every (path, Range) that came.

    Parameters
    ----------
    files : dict of str to bytes
        By path, such as "icecube_10year_ps/events/IC40_exp.csv".
    converted : set of str
        Paths of tables that it serves as another file unless the original is asked for.
    """

    def __init__(
        self, files: dict[str, bytes], doi: str = "10.7910/DVN/VKL316", converted: set[str] | None = None
    ) -> None:
        self.files, self.doi, self.converted = files, doi, converted or set()
        self.asked: list[tuple[str, str | None]] = []
        self.break_after: list[int] = []  # bytes after which the next answers with the first file are cut off
        self.busy = 0  # answers of 503 to come
        self.knows_ranges = True
        self.wrong_bytes = 0  # answers with a flipped byte to come
        self.pause_s = 0.0  # between pieces of 64 kB
        self.instead: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}  # answers of "list" or "file"
        self.listing: dict[str, Any] | None = None
        self.versions = {":latest-published", "1.0"}
        server = self

        class Handler(_Handler):
            dataverse: ClassVar[Dataverse] = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def dataset(self) -> dict[str, Any]:
        """What /api/datasets/:persistentId/versions/V answers."""
        if self.listing is not None:
            return self.listing
        entries = []
        for number, (path, content) in enumerate(self.files.items(), 100):
            folder, _, name = path.rpartition("/")
            md5 = hashlib.md5(content).hexdigest()
            data: dict[str, Any] = {"id": number, "filename": name, "filesize": len(content), "md5": md5}
            data["checksum"] = {"type": "MD5", "value": md5}
            entry: dict[str, Any] = {"label": name, "restricted": False, "dataFile": data}
            if path in self.converted:
                tab = name.rpartition(".")[0] + ".tab"
                data |= {"filename": tab, "filesize": len(content) + 7, "contentType": "text/tab-separated-values"}
                data |= {"originalFileFormat": "text/csv", "originalFileName": name, "originalFileSize": len(content)}
                entry["label"] = tab
            if folder:
                entry["directoryLabel"] = folder
            entries.append(entry)
        return {"status": "OK", "data": {"id": 1, "versionNumber": 1, "files": entries}}


class _Handler(BaseHTTPRequestHandler):
    dataverse: ClassVar[Dataverse]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        del format, args

    def do_GET(self) -> None:
        of, place = self.dataverse, urlsplit(self.path)
        of.asked.append((self.path, self.headers.get("Range")))
        if of.busy:
            of.busy -= 1
            return self.send_error(503)
        what = "list" if place.path.startswith("/api/datasets/") else "file"
        if what in of.instead:
            return of.instead[what](self)
        parts = place.path.split("/")
        if place.path.startswith("/api/datasets/:persistentId/versions/"):
            known = parse_qs(place.query).get("persistentId") == [f"doi:{of.doi}"] and parts[-1] in of.versions
            return self._send(json.dumps(of.dataset()).encode()) if known else self.send_error(404)
        if place.path.startswith("/api/access/datafile/"):
            path = list(of.files)[int(parts[-1]) - 100]
            content = of.files[path]
            if path in of.converted and parse_qs(place.query).get("format") != ["original"]:
                content = b"\t".join(content.split()) + b"changed"
            if of.wrong_bytes:
                of.wrong_bytes -= 1
                content = content[:-1] + bytes([content[-1] ^ 1])
            return self._send(content)
        return self.send_error(404)

    def _send(self, content: bytes) -> None:
        of, start = self.dataverse, 0
        wanted = self.headers.get("Range")
        if wanted and of.knows_ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = of.break_after.pop(0) if of.break_after and self.path.endswith("/datafile/100") else len(body)
        for at in range(0, min(cut, len(body)), 1 << 16):
            self.wfile.write(body[at : min(at + (1 << 16), cut)])
            time.sleep(of.pause_s)
        if cut < len(body):
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
        return None
