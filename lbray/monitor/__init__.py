"""How a sweep stands, told by its events alone: the same here, in another terminal, or later."""

from lbray.monitor.board import Board
from lbray.monitor.display import Display, duration, headline

__all__ = ["Board", "Display", "duration", "headline"]
