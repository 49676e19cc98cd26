"""Training samples per second of one Fashion-MNIST cell: a plain PyTorch script, Lightning, lbray.

    python benchmarks/throughput.py [--rounds 5] [--images 12800] [--threads 2]

Each round runs every contestant once, in turn and in a process of its own, so that a noisy
neighbour meets them all. What is printed are medians over the rounds: of the rate, and of its
ratio to that of the plain script with two DataLoader workers in the same round. Evaluation is not
timed, and all train on cross-entropy only. Lightning is not among lbray's own requirements:
`pip install lightning`, or leave it out with --only.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import statistics
import subprocess
import sys
import time

import torch

from lbray import data
from lbray.spec import Cell
from lbray.training.trainer import Trainer

CONTESTANTS = {
    "plain PyTorch, DataLoader with 0 workers": ("plain", "0"),
    "plain PyTorch, DataLoader with 1 worker": ("plain", "1"),
    "plain PyTorch, DataLoader with 2 workers": ("plain", "2"),
    "plain PyTorch, tensors in memory": ("plain", "memory"),
    "Lightning, DataLoader with 2 workers": ("lightning", "2"),
    "lbray, float32": ("lbray", "float32"),
    "lbray, bfloat16": ("lbray", "bfloat16"),
}
REFERENCE = "plain PyTorch, DataLoader with 2 workers"
EPOCHS = 2
_SCRIPTS = {"plain": "plain_pytorch", "lightning": "lightning_cnn"}


def measure(kind: str, setting: str, images: int, threads: int) -> float:
    """Samples per second of one contestant, in this process."""
    torch.set_num_threads(threads)
    dataset = data.load("fashion_mnist")
    if kind != "lbray":
        train = importlib.import_module(_SCRIPTS[kind]).train
        return train(
            dataset.train_images[:images, 0].numpy(),
            dataset.train_labels[:images].numpy(),
            EPOCHS,
            None if setting == "memory" else int(setting),
        )
    splits = data.split(dataset, train_size=round(images / 0.9), validation_fraction=0.1)
    cell = Cell.of(dataset="fashion_mnist", seed=0, precision=setting)
    trainer = Trainer(cell, splits)
    trainer.train_epoch(0)
    started = time.perf_counter()
    for epoch in range(1, EPOCHS + 1):
        trainer.train_epoch(epoch)
    return EPOCHS * len(splits.train.labels) / (time.perf_counter() - started)


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=12800)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--contestant", nargs=2, metavar=("KIND", "SETTING"))
    options = parser.parse_args()
    if options.contestant:
        print(measure(*options.contestant, options.images, options.threads))
        return
    command = [
        sys.executable,
        __file__,
        f"--images={options.images}",
        f"--threads={options.threads}",
    ]
    rates: dict[str, list[float]] = {
        name: [] for name in {REFERENCE: 0} | dict.fromkeys(options.only)
    }
    for _ in range(options.rounds):
        for name in rates:
            contestant = ["--contestant", *CONTESTANTS[name]]
            printed = subprocess.check_output([*command, *contestant], text=True)
            rates[name].append(float(printed.splitlines()[-1]))
    print(
        f"Fashion-MNIST, cnn, batch 128, {options.images} images, {options.threads} threads, "
        f"torch {torch.__version__}, {platform.machine()}; medians of {options.rounds} rounds"
    )
    for name, measured in rates.items():
        ratios = [
            rate / reference for rate, reference in zip(measured, rates[REFERENCE], strict=True)
        ]
        print(
            f"{name:42} {statistics.median(measured):7.0f} samples/s  "
            f"{statistics.median(ratios):5.2f}× ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
