"""A sweep of Fashion-MNIST cells: lbray against a plain script under Ray Tune, a process per trial.

    python benchmarks/sweep.py [--rounds 3] [--seeds 8] [--epochs 8] [--only CONTESTANT …]

The cells are baseline, magnet and Latent Boost of each seed; the plain script trains all of them on
cross-entropy alone, which is less work. lbray runs through the command line into an empty store,
once in float32 and once in bfloat16. Each round runs every contestant once, in turn, from the start
of its process to its end.

For lbray it also prints wall time over pure training time (the sum of the cells' epochs as they
measured it themselves, divided by the number of actors), and the peak memory: the proportional set
size of every process of the sweep, Ray's included, sampled every few seconds, as it costs time too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from lbray.store import Store

GRID = """
settings:
  dataset: fashion_mnist
  seed: {seeds}
  train_size: {images}
  max_epochs: {epochs}
  precision: {precision}
blocks:
  - loss: baseline
  - {{loss: [magnet, latent_boost], lambda: 0.5}}
"""
IMAGES = 12_000
PLAIN = "plain PyTorch under Ray Tune"
SAMPLED_S = 4.0
CONTESTANTS = {PLAIN: None, "lbray, float32": "float32", "lbray, bfloat16": "bfloat16"}


@dataclass(frozen=True)
class Cost:
    """Of a sweep: seconds of wall time, bytes at the peak, and lbray's own seconds of training."""

    wall: float
    memory: int
    training: float = 0.0


def session_memory(session: int) -> int:
    """Bytes of proportional set size of all processes in a session."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) == session:
                rollup = (process / "smaps_rollup").read_text()
                total += int(rollup.split("Pss:")[1].split()[0]) * 1024
        except (OSError, IndexError):
            continue
    return total


def watched(command: list[str]) -> Cost:
    """Run a command to its end."""
    started, peak = time.perf_counter(), 0
    driver = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while driver.returncode is None:
        peak = max(peak, session_memory(driver.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(SAMPLED_S)
    if driver.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {driver.returncode}")
    return Cost(time.perf_counter() - started, peak)


def measure(precision: str | None, seeds: int, epochs: int) -> Cost:
    """What one contestant costs."""
    with tempfile.TemporaryDirectory() as folder:
        if precision is None:
            return watched(
                [
                    sys.executable,
                    __file__,
                    f"--seeds={seeds}",
                    f"--epochs={epochs}",
                    "--plain",
                    folder,
                ]
            )
        path, store = Path(folder) / "grid.yaml", Store(f"{folder}/store")
        text = GRID.format(
            seeds=list(range(seeds)), images=IMAGES, epochs=epochs, precision=precision
        )
        path.write_text(text)
        program = "from lbray.cli import main; main()"
        cost = watched(
            [sys.executable, "-c", program, "sweep", str(path), "--store", store.location]
        )
        results = [store.result(cell) for cell in store.experiment_cell_ids("grid")]
    training = sum(result.metrics["time/train_s"] for result in results if result is not None)
    return Cost(cost.wall, cost.memory, training)


def run_plain(seeds: int, epochs: int, folder: str) -> None:
    """The plain contestant, in this process."""
    from plain_tune import sweep

    from lbray import data

    dataset = data.load("fashion_mnist")
    images = dataset.train_images[:IMAGES, 0].numpy()
    sweep(images, dataset.train_labels[:IMAGES].numpy(), 3 * seeds, epochs, folder)


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--plain", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        run_plain(options.seeds, options.epochs, options.plain)
        return
    actors = len(os.sched_getaffinity(0))
    print(
        f"{3 * options.seeds} cells, {IMAGES:,} images, {options.epochs} epochs, {actors} "
        f"processes at a time, torch {torch.__version__}, {platform.machine()}; medians of "
        f"{options.rounds} rounds"
    )
    costs: dict[str, list[Cost]] = {name: [] for name in options.only}
    for _ in range(options.rounds):
        for name, measured in costs.items():
            measured.append(measure(CONTESTANTS[name], options.seeds, options.epochs))
    for name, measured in costs.items():
        line = f"{name:30} {statistics.median(cost.wall for cost in measured):6.0f} s"
        if name != PLAIN:
            if PLAIN in costs:
                times = [a.wall / b.wall for a, b in zip(costs[PLAIN], measured, strict=True)]
                line += f"  {statistics.median(times):.2f}× ({min(times):.2f} to {max(times):.2f})"
            share = statistics.median(cost.wall * actors / cost.training for cost in measured)
            line += f"  wall / (training / actors) {share:.2f}"
        print(f"{line}  peak {max(cost.memory for cost in measured) / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
