"""An S3 server in a process of its own, and the road to it, which can be closed."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

import pytest
from bucket import Bucket

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-the-tests",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_SERVER = """
import sys
from moto.s3.models import FakeKey
from moto.server import main
FakeKey.dispose = lambda self, garbage=False: None
main(['-H', sys.argv[1], '-p', sys.argv[2]])
"""
"""S3 gives who reads an object that is replaced meanwhile the old one; moto closes it, and the
reader gets an error. Not closed, it goes with its last reader."""


class Road:
    """Carries connections to a port of this machine, unless it is closed.

    Attributes:
        port: where it begins.
        bytes_left: after so many bytes towards the server the road closes itself; None for never.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self.port = free_port()
        self.bytes_left: int | None = None
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Let connections through."""
        self.bytes_left = None
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Cut all connections, and refuse new ones."""
        listener, self._listener = self._listener, None
        for each in [listener, *self._sockets]:
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._sockets |= {here, there}
            for ends in ((here, there, True), (there, here, False)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                if upwards and self.bytes_left is not None:
                    self.bytes_left -= len(data)
                    if self.bytes_left < 0:
                        self.close()
                        return
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def s3_bucket(host: str = "127.0.0.1", **environment: str) -> Iterator[Bucket]:
    """An empty bucket on a server at an address of this machine. This process, and those that it
    starts, have the credentials meanwhile."""
    with pytest.MonkeyPatch.context() as patch, _server(host, environment) as port:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        bucket = Bucket("s3://", "region=us-east-1", port, host)
        request = urllib.request.Request(f"http://{host}:{port}/{bucket.name}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
        yield bucket


@contextlib.contextmanager
def _server(host: str, environment: Mapping[str, str]) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, host, str(port)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not _answers(host, port):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(host: str, port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{host}:{port}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
