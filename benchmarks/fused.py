"""Seconds per step of several cells in one process: in a group, and apart.

    python benchmarks/fused.py [--lanes 1 2 4 8] [--rounds 5] [--dataset digits] [--device cuda]

A step is one batch of every cell: forward and backward pass, losses, Adam. Apart, each cell is the
trainer that it is alone; in a group, their networks are computed together and the rest of a step
is each cell's own. Each round runs both, one after the other, so that a noisy neighbour meets
both. What is printed are medians over the rounds, and the ratio to as many steps of a single cell.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from lbray import data
from lbray.data import Split, Splits
from lbray.spec import Cell
from lbray.training.lanes import run_epochs
from lbray.training.trainer import Trainer


def first(split: Split, size: int) -> Split:
    """The first images of a split."""
    return Split(split.images[:size], split.labels[:size])


def seconds(advance: Callable[[], object], device: str) -> float:
    """What a call takes, until the device has done its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    advance()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def measure(
    cells: Sequence[Cell], splits: Splits, rounds: int, steps: int, device: str
) -> tuple[float, float]:
    """Median seconds per step of the cells, apart and in a group."""
    measured: dict[bool, list[float]] = {False: [], True: []}
    trainers = {grouped: [Trainer(cell, splits) for cell in cells] for grouped in measured}
    for number in range(1 + rounds):
        for grouped in measured:
            epochs = [number] * len(cells)

            def advance(grouped: bool = grouped, epochs: list[int] = epochs) -> None:
                for outcome in run_epochs(trainers[grouped], epochs, grouped):
                    if isinstance(outcome, Exception):
                        raise outcome

            taken = seconds(advance, device) / steps
            if number:  # the first one chooses algorithms
                measured[grouped].append(taken)
    return statistics.median(measured[False]), statistics.median(measured[True])


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="batches of each cell in a round")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--backbone", default="cnn")
    parser.add_argument("--loss", default="baseline")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    declared = {
        "dataset": given.dataset,
        "backbone": given.backbone,
        "loss": given.loss,
        "lambda": 0.5,
        "warmup_epochs": 0,
        "batch_size": given.batch,
        "precision": given.precision,
    }
    cells = [Cell.of(seed=seed, **declared) for seed in range(max(given.lanes))]
    _, splits = data.prepared(given.dataset, None, given.device, **cells[0].split_settings)
    images = min(given.steps * given.batch, len(splits.train.labels))
    steps = -(-images // given.batch)
    # two images to validate on, so that an epoch is its steps
    splits = replace(splits, train=first(splits.train, images), validation=first(splits.test, 2))
    where = torch.cuda.get_device_name() if given.device == "cuda" else platform.machine()
    print(
        f"{given.dataset}, {given.backbone}, {given.loss}, batch {given.batch}, "
        f"{given.precision}, {where}, {given.threads} threads, torch {torch.__version__}; medians "
        f"of {given.rounds} rounds of {steps} steps"
    )
    alone, _ = measure(cells[:1], splits, given.rounds, steps, given.device)
    print(f"one cell: {1000 * alone:.2f} ms per step\n")
    print("| lanes | apart, ms | to as many single steps | grouped, ms | to apart |")
    print("|---:|---:|---:|---:|---:|")
    for lanes in given.lanes:
        apart, grouped = measure(cells[:lanes], splits, given.rounds, steps, given.device)
        print(
            f"| {lanes} | {1000 * apart:.2f} | {apart / (lanes * alone):.2f} | "
            f"{1000 * grouped:.2f} | {grouped / apart:.2f} |"
        )


if __name__ == "__main__":
    main()
