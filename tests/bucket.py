"""A bucket on a server at a port, of any object store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bucket:
    """A bucket on a server at a port of a host, without encryption.

    Attributes:
        begin: of its URI, up to its name.
        options: of its URI, beside where the server is.
    """

    begin: str
    options: str
    port: int
    host: str = "127.0.0.1"
    name: str = "bucket"

    def uri(self, folder: str, port: int | None = None) -> str:
        """A store in the bucket, as a user would write it; perhaps by way of another port."""
        server = f"scheme=http&endpoint_override={self.host}:{port or self.port}"
        return f"{self.begin}{self.name}/{folder}?{server}&{self.options}"
