from __future__ import annotations

from collections.abc import Iterator

import pytest
from narrator import Narrator
from s3_server import s3_bucket


@pytest.fixture
def narrator() -> Narrator:
    return Narrator()


@pytest.fixture
def bucket() -> Iterator[str]:
    """A store on an S3 server of this machine, for all processes that are started from here."""
    with s3_bucket() as made:
        yield made.uri("lbray")
