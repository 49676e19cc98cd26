"""What a sweep has to do, and whether it can; known before Ray or a GPU is started."""

from lbray.planning.checkup import Checkup, checkup
from lbray.planning.cloud import cloud_problems
from lbray.planning.estimate import Estimate, estimate
from lbray.planning.placement import Machine, Placement, Wishes, place
from lbray.planning.plan import Plan, plan, reopen
from lbray.planning.preflight import Preflight, preflight

__all__ = [
    "Checkup",
    "Estimate",
    "Machine",
    "Placement",
    "Plan",
    "Preflight",
    "Wishes",
    "checkup",
    "cloud_problems",
    "estimate",
    "place",
    "plan",
    "preflight",
    "reopen",
]
