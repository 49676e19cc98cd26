"""Seconds to expand an experiment of 10,000 cells, ids included.

python benchmarks/expansion.py
"""

from __future__ import annotations

import statistics
import time

from lbray.spec import Experiment


def main() -> None:
    """Expand five times and print the median."""
    block = {
        "dataset": "digits",
        "seed": list(range(1000)),
        "loss": ["magnet", {"name": "latent_boost", "pca_threshold": None}],
        "lambda": [0.1, 0.3, 0.5, 0.7, 0.9],
    }
    experiment = Experiment(name="expansion", blocks=(block,))
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        ids = {cell.id for cell in experiment.cells()}
        seconds.append(time.perf_counter() - started)
    print(f"{len(ids):,} cells in {statistics.median(seconds):.2f} s (median of {len(seconds)})")


if __name__ == "__main__":
    main()
