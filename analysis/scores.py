"""Scores of a cell's best weights that are kept beside it, so that nothing is measured twice."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from lbray.errors import StoreUnavailable
from lbray.store import Store

VERSION = 2
"""To be raised when a measure changes: scores of another version are measured anew."""


def kept_scores(store: Store, cell_id: str, weights_sha256: str) -> dict[str, float]:
    """By name, what was measured on these weights; nothing if it was not yet."""
    return store.cell(cell_id).scores(_key(weights_sha256))


def keep_scores(
    store: Store, cell_id: str, weights_sha256: str, scores: Mapping[str, float]
) -> None:
    """Keep scores, if the store can be written to."""
    with suppress(StoreUnavailable):
        store.cell(cell_id).write_scores(_key(weights_sha256), scores)


def _key(weights_sha256: str) -> dict[str, object]:
    return {"weights_sha256": weights_sha256, "version": VERSION}
