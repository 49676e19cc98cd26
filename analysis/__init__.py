"""Evidence from stored cells: no Ray, no training, pure functions on one tidy frame."""

from analysis.across import compare
from analysis.convergence import with_epochs_to_baseline
from analysis.frame import left_out, load
from analysis.outputs import Outputs, outputs
from analysis.paper import beside_paper
from analysis.selection import choices
from analysis.silhouette import silhouette, silhouette_by_class, silhouette_samples
from analysis.similarity import with_similarity
from analysis.statistics import Interval, mean_interval
from analysis.structure import with_structure
from analysis.summary import summarise
from analysis.treatments import untouched

__all__ = [
    "Interval",
    "Outputs",
    "beside_paper",
    "choices",
    "compare",
    "left_out",
    "load",
    "mean_interval",
    "outputs",
    "silhouette",
    "silhouette_by_class",
    "silhouette_samples",
    "summarise",
    "untouched",
    "with_epochs_to_baseline",
    "with_similarity",
    "with_structure",
]
