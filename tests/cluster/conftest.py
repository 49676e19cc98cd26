from __future__ import annotations

from collections.abc import Iterator

import pytest
from narrator import Narrator
from s3_server import CREDENTIALS, make_bucket, s3_server, uri


@pytest.fixture
def narrator() -> Narrator:
    return Narrator()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store on an S3 server of this machine, for all processes that are started from here."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as port:
        make_bucket(port)
        yield uri(port, "bucket/lbray")
