"""Figures: each takes numbers that were computed elsewhere and gives a matplotlib `Figure`.

No figure touches pyplot or leaves matplotlib's settings changed. Colours are safe for colour-blind
readers, and a class or loss has the same one in every figure and in the report's explorer.
"""

from analysis.figures.canvas import save
from analysis.figures.class_distances import ClassDistances, class_distances
from analysis.figures.component_counts import component_counts
from analysis.figures.difference_map import Differences, difference_map
from analysis.figures.epoch_curves import Curve, CurvePanel
from analysis.figures.epochs import EpochRow, epochs
from analysis.figures.lambda_response import Level, Response, ResponsePanel, lambda_response
from analysis.figures.map_grid import MapPanel, MapRow, map_grid
from analysis.figures.palette import class_colours, loss_colours
from analysis.figures.silhouettes import SilhouettePanel, silhouettes
from analysis.figures.training_curves import training_curves

__all__ = [
    "ClassDistances",
    "Curve",
    "CurvePanel",
    "Differences",
    "EpochRow",
    "Level",
    "MapPanel",
    "MapRow",
    "Response",
    "ResponsePanel",
    "SilhouettePanel",
    "class_colours",
    "class_distances",
    "component_counts",
    "difference_map",
    "epochs",
    "lambda_response",
    "loss_colours",
    "map_grid",
    "save",
    "silhouettes",
    "training_curves",
]
