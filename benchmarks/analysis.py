"""The exact silhouette against scikit-learn's, and how long a whole report takes.

    python benchmarks/analysis.py silhouette [--rounds 3] [--samples 10000] [--dimensions 2048]
    python benchmarks/analysis.py report EXPERIMENT --store STORE [--data-root FOLDER]

`silhouette`: each round runs both contestants, in turn and in a process of its own, on the same
latents. Time is the processor's during the call, which a noisy neighbour moves
less than the clock's; memory is what the process's peak grew by.

`report`: `lbray analyze EXPERIMENT --out` twice on a copy of the store without an analysis's files,
so that the first run finds nothing made and the second everything.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.remove(str(Path(__file__).parent))  # this file has the name of the package it measures

CONTESTANTS = ("scikit-learn", "lbray")


def latents(samples: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten clusters in float32, with their labels."""
    generator = np.random.default_rng(0)
    labels = np.arange(samples) % 10
    points = generator.standard_normal((samples, dimensions), dtype=np.float32)
    for label, centre in enumerate(generator.standard_normal((10, dimensions), np.float32)):
        points[label::10] += centre  # in place: no peak of memory before the one that is measured
    return points, labels


def measure(contestant: str, samples: int, dimensions: int) -> tuple[float, float, float]:
    """Processor seconds, mebibytes and the silhouette of one contestant, in this process."""
    points, labels = latents(samples, dimensions)
    if contestant == "lbray":
        from analysis import silhouette as score
    else:
        from sklearn.metrics import silhouette_score as score
    score(points[:200], labels[:200])  # libraries are loaded and threads started
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    value = score(points, labels)
    seconds = time.process_time() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, (after - before) / 1024, float(value)


def silhouettes(rounds: int, samples: int, dimensions: int) -> None:
    """Run the rounds and print the ratios."""
    command = [sys.executable, __file__, f"--samples={samples}", f"--dimensions={dimensions}"]
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    memory: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    values = {}
    for _ in range(rounds):
        for name in CONTESTANTS:
            printed = subprocess.check_output([*command, "contestant", name], text=True).split()
            taken, grown, values[name] = map(float, printed[-3:])
            seconds[name].append(taken)
            memory[name].append(grown)
    print(
        f"silhouette of {samples:,} × {dimensions:,} float32, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, {platform.machine()}; medians of {rounds} rounds"
    )
    for name in CONTESTANTS:
        print(
            f"{name:14} {statistics.median(seconds[name]):7.2f} s  "
            f"{statistics.median(memory[name]):7.0f} MiB  {values[name]:.9f}"
        )
    times = [b / a for a, b in zip(*seconds.values(), strict=True)]
    sizes = [b / a for a, b in zip(*memory.values(), strict=True)]
    print(
        f"lbray / scikit-learn: time {statistics.median(times):.2f} "
        f"({min(times):.2f} to {max(times):.2f}), memory {statistics.median(sizes):.2f}"
    )


def report(experiment: str, store: Path, data_root: str | None) -> None:
    """Time `lbray analyze --out` with nothing made yet, and with everything."""
    with tempfile.TemporaryDirectory() as folder:
        copy, out = Path(folder) / "store", Path(folder) / "out"
        kept_by_analysis = shutil.ignore_patterns("outputs-*", "map-*", "scores.json")
        shutil.copytree(store, copy, ignore=kept_by_analysis)
        program = "from lbray.cli import main; main()"
        command = [sys.executable, "-c", program, "analyze", experiment, "--store", str(copy)]
        command += ["--out", str(out)]
        if data_root is not None:
            command += ["--data-root", data_root]
        for state in ("cold", "cached"):
            started, processor = time.perf_counter(), os.times()
            subprocess.run(command, check=True, capture_output=True)
            taken, used = time.perf_counter() - started, os.times()
            own = (used.children_user + used.children_system) - (
                processor.children_user + processor.children_system
            )
            size = (out / "report.html").stat().st_size / 1e6
            print(f"report {state:7} {taken:6.1f} s ({own:.1f} s of processor), {size:.1f} MB")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--store", type=Path, default=Path("results"))
    parser.add_argument("--data-root")
    parser.add_argument("what", choices=["silhouette", "report", "contestant"])
    parser.add_argument("name", nargs="?", help="an experiment, or a contestant")
    options = parser.parse_args()
    if options.what == "contestant":
        print(*measure(options.name, options.samples, options.dimensions))
    elif options.what == "silhouette":
        silhouettes(options.rounds, options.samples, options.dimensions)
    else:
        report(options.name, options.store, options.data_root)


if __name__ == "__main__":
    main()
