"""Evidence from stored cells: no Ray, no training, pure functions on one tidy frame."""

from analysis.frame import Cells, load
from analysis.latents import latents
from analysis.silhouette import silhouette, silhouette_samples
from analysis.statistics import Interval, mean_interval
from analysis.structure import with_structure
from analysis.summary import summarise

__all__ = [
    "Cells",
    "Interval",
    "latents",
    "load",
    "mean_interval",
    "silhouette",
    "silhouette_samples",
    "summarise",
    "with_structure",
]
