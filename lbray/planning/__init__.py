"""What a sweep has to do, and whether it can; known before Ray or a GPU is started."""

from lbray.planning.plan import Plan, plan
from lbray.planning.preflight import preflight

__all__ = ["Plan", "plan", "preflight"]
