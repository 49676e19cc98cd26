"""Names of losses for people: what all cells of a loss have is left out, and said once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce

import pandas as pd


def short_names(labels: Iterable[str]) -> dict[str, str]:
    """Each label (`Cell.loss_label`) without the settings that all labels of the same loss have.

    A loss with one label keeps its bare name; different labels stay different.
    """
    parts = {label: _parts(label) for label in labels}
    shared = _shared(parts.values())
    return {
        label: _joined(loss, [each for each in settings if each not in shared[loss]])
        for label, (loss, settings) in parts.items()
    }


def shared_settings(labels: Iterable[str]) -> list[str]:
    """A sentence for each loss of which `short_names` leaves something out."""
    return [
        f"{loss} has {', '.join(settings)} in every row."
        for loss, settings in _shared(map(_parts, labels)).items()
        if settings
    ]


def with_short_names(rows: pd.DataFrame, labels: Iterable[str]) -> pd.DataFrame:
    """Rows whose ``loss_label`` is the `short_names` of these labels."""
    return rows.assign(loss_label=rows["loss_label"].map(short_names(labels)))


def _parts(label: str) -> tuple[str, list[str]]:
    loss, _, inner = label.removesuffix(")").partition("(")
    return loss, re.split(r", (?=\w+=)", inner) if inner else []


def _joined(loss: str, settings: list[str]) -> str:
    return f"{loss}({', '.join(settings)})" if settings else loss


def _shared(parts: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Per loss, the settings that all its labels have."""
    of_loss: dict[str, list[list[str]]] = {}
    for loss, settings in parts:
        of_loss.setdefault(loss, []).append(settings)
    return {
        loss: reduce(lambda kept, other: [each for each in kept if each in other], lists)
        for loss, lists in of_loss.items()
    }
