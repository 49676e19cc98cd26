"""A small server of the JSON interface of Google Cloud Storage, in a process of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from bucket import Bucket


@contextlib.contextmanager
def gs_bucket() -> Iterator[Bucket]:
    """An empty bucket on a server in a process of its own."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield Bucket("gs://anonymous@", "retry_limit_seconds=2", port)
        finally:
            process.kill()


class _Answers(BaseHTTPRequestHandler):
    """As the real one's, to who may write objects and no more: there is no generation of an object
    but the last, and the bucket itself is not shown."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects: ClassVar[dict[str, tuple[str, bytes, dict[str, Any]]]] = {}
    uploads: ClassVar[dict[str, tuple[str, bytearray]]] = {}
    numbers = map(str, itertools.count(1))

    def answer(self) -> None:
        url = urlsplit(self.path)
        asked = dict(parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        [(bucket, name)] = re.findall(r"/b/([^/]+)(?:/o/?)?(.*)", url.path)
        if bucket != "bucket":
            self.fail(404, "The specified bucket does not exist.")
        elif url.path.endswith("/b/bucket"):
            self.fail(403, "storage.buckets.get denied.")
        elif url.path.startswith("/upload/"):
            self.upload(asked, body)
        elif name:
            self.object(unquote(name), asked)
        else:
            prefix, end = asked.get("prefix", ""), asked.get("delimiter", "\0")
            names = [each for each in sorted(self.objects) if each.startswith(prefix)]
            direct = [each for each in names if end not in each[len(prefix) : -1]]
            self.send(200, {"items": [self.described(each) for each in direct]})

    def upload(self, asked: dict[str, str], body: bytes) -> None:
        if asked["uploadType"] == "multipart":  # the marker of a folder, which is empty
            self.keep(asked["name"], b"", {"arrow/gcsfs": "directory"})
        elif "upload_id" not in asked:
            self.uploads[session := next(self.numbers)] = (asked["name"], bytearray())
            here = f"http://{self.headers['Host']}{self.path}"
            self.send(200, {}, Location=f"{here}&upload_id={session}")
        else:
            name, content = self.uploads[asked["upload_id"]]
            span, total = self.headers["Content-Range"].removeprefix("bytes ").split("/")
            if span != "*":
                content[int(span.partition("-")[0]) :] = body
            if total == str(len(content)):
                self.keep(name, bytes(content), {})
            else:
                self.send(308, {}, **({"Range": f"bytes=0-{len(content) - 1}"} if content else {}))

    def keep(self, name: str, content: bytes, metadata: dict[str, Any]) -> None:
        self.objects[name] = (next(self.numbers), content, metadata)
        self.send(200, self.described(name))

    def object(self, name: str, asked: dict[str, str]) -> None:
        generation, content, _ = self.objects.get(name, ("", b"", {}))
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        if not generation or asked.get("generation", generation) != generation:
            self.fail(404, f"No such object: bucket/{name}")
        elif self.command == "DELETE":
            self.objects.pop(name, None)
            self.send(204, b"")
        elif asked.get("alt") != "media":
            self.send(200, self.described(name))
        elif 0 < start >= len(content):
            self.fail(416, "The requested range cannot be satisfied.")
        else:
            self.send(206 if start else 200, content[start:], **{"x-goog-generation": generation})

    def described(self, name: str) -> dict[str, Any]:
        generation, content, metadata = self.objects[name]
        about = {"name": name, "bucket": "bucket", "generation": generation}
        return {**about, "size": str(len(content)), "metadata": metadata}

    def fail(self, code: int, message: str) -> None:
        self.send(code, {"error": {"code": code, "message": message, "errors": []}})

    def send(self, code: int, content: Any, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = answer


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    print(server.server_port, flush=True)
    server.serve_forever()
