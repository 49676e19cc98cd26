"""Forward and backward of every loss, against pytorch-metric-learning's where it has one.

    python benchmarks/losses.py [--threads 1] [--seconds 0.5] [--batch 64 256] [--dim 64] \\
        [--classes 10] [--losses triplet]

The contestants of a row take turns in this process on the same batch, so that a noisy neighbour
meets them all. What is printed are medians over the turns: of the milliseconds, and of the ratio
to pytorch-metric-learning in the same turn. '–' stands where there is nothing to compare with, or
where pytorch-metric-learning's triplets would need more memory than --memory-limit. Then follow
the peak memory of the triplet loss, in a process of its own each, and Latent Boost's share of a
training step of each backbone, on random images in the shape of its dataset, with the step taking
turns with the loss, so that it finds the caches as in training; at last what k-means takes before
an epoch with several clusters per class. These two are times of the processor, not of the clock.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytorch_metric_learning
import torch
from pytorch_metric_learning import losses as pml
from torch import Tensor

from lbray import backbones, losses

Step = Callable[[], None]

OURS = {
    "contrastive": lambda: losses.build("contrastive"),
    "triplet": lambda: losses.build("triplet"),
    "n_pair": lambda: losses.build("n_pair"),
    "magnet": lambda: losses.build("magnet"),
    "latent_boost": lambda: losses.build("latent_boost"),
    "latent_boost w/o PCA": lambda: losses.build("latent_boost", pca_threshold=None),
}
THEIRS = {
    "contrastive": pml.ContrastiveLoss,
    "triplet": lambda: pml.TripletMarginLoss(triplets_per_anchor="all"),
    "n_pair": pml.NPairsLoss,
}
MEMORY_SIZE = {"size": 512, "dimensions": 64, "classes": 10}
TRAINING_STEPS = {  # batch, and the shape and number of classes of the images
    "cnn": (128, (1, 28, 28), 10),
    "vgg16": (128, (3, 32, 32), 10),
    "resnet50": (32, (3, 32, 32), 100),
}
TRAINING_SETS = {  # images, the width of their latents, and classes
    "fashion_mnist, cnn": (54_000, 64, 10),
    "cifar10, vgg16": (45_000, 512, 10),
}
FEWEST_TURNS = 7


def batch(size: int, dimensions: int, classes: int) -> tuple[Tensor, Tensor]:
    """Latents [B, d] that require a gradient, in noisy classes, and labels [B]."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, classes, (size,), generator=generator)
    centres = torch.randn(classes, dimensions, generator=generator)
    latents = centres[labels] + torch.randn(size, dimensions, generator=generator)
    return latents.requires_grad_(), labels


def step_of(loss: Callable[[Tensor, Tensor], Tensor], latents: Tensor, labels: Tensor) -> Step:
    """Forward and backward."""

    def step() -> None:
        torch.autograd.grad(loss(latents, labels), latents)

    return step


def in_turn(
    steps: list[Step],
    seconds: float,
    fewest: int = FEWEST_TURNS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Milliseconds of each step in each turn, after one turn that does not count."""
    for step in steps:
        step()
    measured: list[list[float]] = [[] for _ in steps]
    end = time.perf_counter() + seconds
    while len(measured[0]) < fewest or time.perf_counter() < end:
        for step, times in zip(steps, measured, strict=True):
            started = clock()
            step()
            times.append(1000 * (clock() - started))
    return measured


def triplets_gib(labels: Tensor) -> float:
    """About what pytorch-metric-learning holds at its peak: a byte for each of B³, and for each
    triplet its three indices twice and some float32 values."""
    same = (labels[:, None] == labels).sum(dim=1).double()
    triplets = ((same - 1) * (len(labels) - same)).sum().item()
    return (len(labels) ** 3 + 64 * triplets) / 2**30


def compare(
    name: str, options: argparse.Namespace, size: int, dimensions: int, classes: int
) -> str:
    """One row of the table."""
    latents, labels = batch(size, dimensions, classes)
    steps = [step_of(OURS[name](), latents, labels)]
    fits = name != "triplet" or triplets_gib(labels) <= options.memory_limit
    if name in THEIRS and fits:
        steps.append(step_of(THEIRS[name](), latents, labels))
    measured = in_turn(steps, options.seconds)
    cells = [f"{statistics.median(times):.2f}" for times in measured]
    if len(measured) > 1:
        ratio = statistics.median(b / a for a, b in zip(*measured, strict=True))
        cells.append(f"{ratio:.1f}×")
    cells += ["–"] * (3 - len(cells))
    return f"| {name} | {size} | {dimensions} | {classes} | " + " | ".join(cells) + " |"


def peak_mib(of: str, size: int) -> float:
    """The most memory that a process of its own ever held which takes one triplet step."""
    command = [sys.executable, __file__, "--peak-of", of, str(size)]
    return float(subprocess.check_output(command, text=True).splitlines()[-1])


def step_and_print_peak(of: str, size: int) -> None:
    """What `peak_mib` runs. VmHWM, as `ru_maxrss` begins with the parent's."""
    torch.set_num_threads(1)
    contestant = (OURS if of == "ours" else THEIRS)["triplet"]()
    step_of(contestant, *batch(**MEMORY_SIZE | {"size": size}))()
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)


def share_of_a_training_step(backbone: str, seconds: float) -> list[str]:
    """Rows: Latent Boost's milliseconds, with the backbone's own, and the share."""
    size, shape, classes = TRAINING_STEPS[backbone]
    model = backbones.build(backbone, num_classes=classes, in_channels=shape[0])
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(size, *shape, generator=generator)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (size,), generator=generator)

    def train() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images)[1], labels).backward()
        optimizer.step()

    latents = model(images)[0].detach().requires_grad_()
    names = [name for name in OURS if name.startswith("latent_boost")]
    steps = [step_of(OURS[name](), latents, labels) for name in names]
    turns = [each for step in steps for each in (train, step)]
    measured = in_turn(turns, seconds, fewest=3, clock=time.process_time)
    rows = []
    for name, plain, times in zip(names, measured[::2], measured[1::2], strict=True):
        share = statistics.median(a / b for a, b in zip(times, plain, strict=True))
        rows.append(
            f"| {backbone} | {size} | {latents.shape[1]} | {name} | "
            f"{statistics.median(times):.2f} | {statistics.median(plain):.1f} | {share:.2%} |"
        )
    return rows


def seconds_of_a_refresh(training_set: str, clusters: int) -> str:
    """A row: magnet's clusters in Gaussian classes."""
    size, dimensions, classes = TRAINING_SETS[training_set]
    latents, labels = batch(size, dimensions, classes)
    loss = losses.build("magnet", clusters=clusters)
    seconds = []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        started = time.process_time()
        loss.refresh(latents.detach(), labels, generator)
        seconds.append(time.process_time() - started)
    return f"| {training_set} | {clusters} | {statistics.median(seconds):.1f} |"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.5, help="per row, at least 7 turns")
    parser.add_argument("--batch", type=int, nargs="*", default=[64, 256, 512, 1024])
    parser.add_argument("--dim", type=int, nargs="*", default=[64, 512, 2048])
    parser.add_argument("--classes", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--losses", nargs="*", default=list(OURS), choices=OURS)
    parser.add_argument("--backbones", nargs="*", default=list(TRAINING_STEPS))
    parser.add_argument("--memory-limit", type=float, default=4.0, help="GiB")
    parser.add_argument("--peak-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        step_and_print_peak(options.peak_of[0], int(options.peak_of[1]))
        return
    torch.set_num_threads(options.threads)
    print(
        f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, "
        f"pytorch-metric-learning {pytorch_metric_learning.__version__}\n\n"
        "| loss | B | d | classes | lbray, ms | PML, ms | PML / lbray |\n"
        "|---|---:|---:|---:|---:|---:|---:|"
    )
    for row in itertools.product(options.losses, options.batch, options.dim, options.classes):
        name, size, dimensions, classes = row
        print(compare(name, options, size, dimensions, classes), flush=True)
    if "triplet" in options.losses:
        print(f"\nPeak memory of triplet, {MEMORY_SIZE}, above that of 8 samples:\n")
        print("| | MiB |\n|---|---:|")
        for of, title in (("ours", "lbray"), ("theirs", "PML")):
            above = peak_mib(of, MEMORY_SIZE["size"]) - peak_mib(of, 8)
            print(f"| {title} | {above:.0f} |")
    if any(name.startswith("latent_boost") for name in options.losses):
        print("\nLatent Boost in a training step:\n")
        print("| backbone | B | d | loss | loss, ms | step without it, ms | share |")
        print("|---|---:|---:|---|---:|---:|---:|")
        for backbone in options.backbones:
            print("\n".join(share_of_a_training_step(backbone, 4 * options.seconds)), flush=True)
        print("\nK-means before an epoch:\n\n| latents of | K | s |\n|---|---:|---:|")
        for row in itertools.product(TRAINING_SETS, (2, 8)):
            print(seconds_of_a_refresh(*row), flush=True)


if __name__ == "__main__":
    main()
