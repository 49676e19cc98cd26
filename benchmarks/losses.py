"""Milliseconds of each loss, forward and backward, side by side with pytorch-metric-learning's.

    python benchmarks/losses.py [--batch 64 256 512 1024] [--dim 64 512 2048] [--classes 10 100]
    python benchmarks/losses.py --peak-memory

Both of a pair take turns, so that a noisy neighbour meets both; figures are medians. Where
pytorch-metric-learning's index tensors of all triplets would be larger than `--memory-limit`, its
column is a dash. Losses that it does not have stand alone. `--peak-memory` prints, for the triplet
loss, by how much one step raises the peak memory of a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import pytorch_metric_learning
import torch
from pytorch_metric_learning import losses as theirs
from torch import Tensor

from lbray import losses

Loss = Callable[[Tensor, Tensor], Tensor]
OURS: dict[str, Loss] = {
    "contrastive": losses.build("contrastive"),
    "triplet": losses.build("triplet"),
    "n_pair": losses.build("n_pair"),
    "magnet": losses.build("magnet"),
    "latent_boost": losses.build("latent_boost"),
    "latent_boost without PCA": losses.build("latent_boost", pca_threshold=None),
}
THEIRS: dict[str, Loss] = {
    "contrastive": theirs.ContrastiveLoss(),
    "triplet": theirs.TripletMarginLoss(triplets_per_anchor="all"),
    "n_pair": theirs.NPairsLoss(),
}
SECONDS_PER_PAIR = 1.5


def triplet_index_bytes(batch: int, classes: int) -> float:
    """Of the three index tensors of all triplets, were classes of equal size."""
    size = batch / classes
    return 3 * 8 * batch * (size - 1) * (batch - size)


def milliseconds(contestants: list[Loss], latents: Tensor, labels: Tensor) -> list[float]:
    """Median time of a step of each contestant, in turns."""
    times: list[list[float]] = [[] for _ in contestants]
    started = time.perf_counter()
    while time.perf_counter() - started < SECONDS_PER_PAIR or len(times[0]) < 5:
        for loss, measured in zip(contestants, times, strict=True):
            leaf = latents.clone().requires_grad_()
            begun = time.perf_counter()
            loss(leaf, labels).backward()
            measured.append(1e3 * (time.perf_counter() - begun))
    return [statistics.median(measured[1:]) for measured in times]


def batch_of(size: int, dimensions: int, classes: int) -> tuple[Tensor, Tensor]:
    """Random latents [size, dimensions] and labels [size]."""
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (size,), generator=random)
    return torch.randn(size, dimensions, generator=random), labels


def peak_mebibytes(loss: Loss, size: int) -> float:
    """By how much one step with 64 dimensions and 10 classes raises this process's peak."""

    def step(latents: Tensor, labels: Tensor) -> int:
        loss(latents.requires_grad_(), labels).backward()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    small, large = batch_of(16, 64, 4), batch_of(size, 64, 10)
    before = step(*small)
    return (step(*large) - before) / 1024


def compare_peaks() -> None:
    """Print the triplet losses' peaks."""
    print("| triplet, batch | lbray, MiB | PML, MiB |\n|---|---|---|")
    for size in (256, 512):
        peaks = [
            subprocess.check_output([sys.executable, __file__, "--peak-of", whose, str(size)])
            for whose in ("lbray", "PML")
        ]
        print(f"| {size} | {' | '.join(peak.decode().strip() for peak in peaks)} |")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="*", default=[64, 256, 512, 1024])
    parser.add_argument("--dim", type=int, nargs="*", default=[64, 512, 2048])
    parser.add_argument("--classes", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--losses", nargs="*", default=list(OURS), choices=OURS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory-limit", type=float, default=2.0, metavar="GiB")
    parser.add_argument("--peak-memory", action="store_true")
    parser.add_argument("--peak-of", nargs=2, metavar=("WHOSE", "BATCH"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak_memory:
        compare_peaks()
        return
    if options.peak_of:
        whose, size = options.peak_of
        loss = (OURS if whose == "lbray" else THEIRS)["triplet"]
        print(f"{peak_mebibytes(loss, int(size)):.0f}")
        return
    print(
        f"torch {torch.__version__}, pytorch-metric-learning (PML) "
        f"{pytorch_metric_learning.__version__}, {platform.machine()}, "
        f"{options.threads} thread(s), float32\n"
    )
    print("| loss | batch | dimensions | classes | lbray, ms | PML, ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, batch, dimensions, classes in itertools.product(
        options.losses, options.batch, options.dim, options.classes
    ):
        latents, labels = batch_of(batch, dimensions, classes)
        contestants = [OURS[name]]
        fits = triplet_index_bytes(batch, classes) < options.memory_limit * 2**30
        if name in THEIRS and (name != "triplet" or fits):
            contestants.append(THEIRS[name])
        ours, *other = milliseconds(contestants, latents, labels)
        compared = f"{other[0]:.2f} | {other[0] / ours:.1f}×" if other else "– | –"
        print(
            f"| {name} | {batch} | {dimensions} | {classes} | {ours:.2f} | {compared} |", flush=True
        )


if __name__ == "__main__":
    main()
