"""Evidence from stored cells: no Ray, no training, pure functions on one tidy frame."""

from analysis.frame import left_out, load
from analysis.outputs import Outputs, outputs
from analysis.silhouette import silhouette, silhouette_by_class, silhouette_samples
from analysis.statistics import Interval, mean_interval
from analysis.structure import with_structure
from analysis.summary import summarise

__all__ = [
    "Interval",
    "Outputs",
    "left_out",
    "load",
    "mean_interval",
    "outputs",
    "silhouette",
    "silhouette_by_class",
    "silhouette_samples",
    "summarise",
    "with_structure",
]
