"""What a training tells whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lbray.spec import Cell


class Reporter(Protocol):
    """Hears of each epoch, after it was stored."""

    def epoch(self, metrics: Mapping[str, Any]) -> bool:
        """Take the metrics of one epoch, by name; return whether the training should end here.

        A cell that is ended here has no result, and continues when it is run again.
        """


class Silent:
    """A reporter that nobody listens to, and that never ends a training."""

    def epoch(self, metrics: Mapping[str, Any]) -> bool:
        """Do nothing."""
        return False


class LanesReporter(Protocol):
    """Hears of several cells that are trained together."""

    def epoch(self, cell: Cell, metrics: Mapping[str, Any]) -> bool:
        """As `Reporter.epoch`, of one of them."""

    def ended(self, cell: Cell) -> None:
        """Take note that a cell has its result."""


class SilentLanes:
    """As `Silent`, for several cells."""

    def epoch(self, cell: Cell, metrics: Mapping[str, Any]) -> bool:
        """Do nothing."""
        return False

    def ended(self, cell: Cell) -> None:
        """Do nothing."""
