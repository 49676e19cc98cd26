"""The result of a cell, as ``result.json`` holds it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from lbray.errors import DamagedArtefact


class Result(BaseModel):
    """What became of a cell. Written last: where it is final, the cell needs no more running.

    Attributes:
        id: the cell's id.
        status: ``done``; ``failed``; or ``pruned``, if a scheduler ended it before its time.
        reason: one sentence for a cell that is not done, else None.
        metrics: final numbers by metric name, such as ``test/acc`` (a fraction); none unless done.
        weights_sha256: SHA-256 of ``best.safetensors`` as a file; None unless done.
        provenance: how and where it ran; nothing in it can change the metrics but by rounding.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    id: str
    status: Literal["done", "failed", "pruned"]
    reason: str | None = None
    metrics: dict[str, float | None] = {}
    weights_sha256: str | None = None
    provenance: dict[str, Any] = {}

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read ``result.json``.

        Raises:
            DamagedArtefact: it is not a result.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as problem:
            raise DamagedArtefact(f"not a result ({problem.errors()[0]['msg']})") from None

    @property
    def ended(self) -> bool:
        """Whether the cell is not to be trained further: one that was pruned may be."""
        return self.status != "pruned"

    @property
    def done(self) -> bool:
        """Whether the training came to its end."""
        return self.status == "done"
