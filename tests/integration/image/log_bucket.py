"""An S3 endpoint that counts what is requested, with objects in memory."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class LogBucket(ThreadingHTTPServer):
    """One bucket, whatever its name. `sent` are the bytes of objects that were read."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.sent = 0
        self.largest = 0
        self.fault = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def log_bucket() -> Iterator[LogBucket]:
    """A bucket that answers until the end of the context."""
    server = LogBucket()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LogBucket

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        if not key:
            self._list(query.get("prefix", [""])[0])
            return
        data = self.server.objects.get(key)
        if data is None or self.server.fault:
            self._answer(
                500 if self.server.fault else 404, b"<Error><Code>NoSuchKey</Code></Error>"
            )
            return
        status, headers = 200, {}
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            first, last = int(found[1]), min(int(found[2]), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            status, data = 206, data[first : last + 1]
        self.server.sent += len(data)
        self.server.largest = max(self.server.largest, len(data))
        self._answer(status, data, headers)

    def do_HEAD(self) -> None:
        _, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        data = self.server.objects.get(key)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def do_PUT(self) -> None:
        _, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        self.server.objects[key] = self._body()
        self._answer(200, b"")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return _decoded(self.rfile.read(int(self.headers["Content-Length"])), self.headers)
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return _decoded(found, self.headers)

    def _list(self, prefix: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, data in sorted(self.server.objects.items())
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        self._answer(200, body.encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is for the test."""


def _decoded(body: bytes, headers: object) -> bytes:
    """The content of an upload that is signed in chunks."""
    if not re.match(rb"[0-9a-f]+(;chunk-signature=[^\r]*)?\r\n", body):
        return body
    found, rest = b"", body
    while True:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if not size:
            return found
        found, rest = found + rest[:size], rest[size + 2 :]
