"""What a sweep costs beyond its training: wall time against pure training time, and memory.

    python benchmarks/sweep.py [--seeds 8] [--epochs 8]

Runs a grid of Fashion-MNIST cells (baseline, magnet and Latent Boost) through the command line
into an empty store. Pure training time is the sum of the cells' epochs, as they measured it
themselves, divided by the number of actors. Memory is the proportional set size of every process
of the sweep, Ray's included, sampled twice a second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lbray.store import Store

GRID = """
settings: {{dataset: fashion_mnist, seed: {seeds}, train_size: 12000, max_epochs: {epochs}}}
blocks:
  - loss: baseline
  - {{loss: [magnet, latent_boost], lambda: 0.5}}
"""


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


def main() -> None:
    """Run the sweep and print its ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.yaml"
        path.write_text(GRID.format(seeds=list(range(options.seeds)), epochs=options.epochs))
        program = "from lbray.cli import main; main()"
        command = [sys.executable, "-c", program, "sweep", str(path), "--store", f"{folder}/store"]
        started, peak = time.perf_counter(), 0
        driver = subprocess.Popen(command, start_new_session=True)
        while driver.poll() is None:
            peak = max(peak, session_memory(driver.pid))
            time.sleep(0.5)
        wall = time.perf_counter() - started
        store = Store(f"{folder}/store")
        results = [store.result(cell) for cell in store.experiment_cell_ids("grid")]
    training = sum(result.metrics["time/train_s"] for result in results if result is not None)
    actors = len(os.sched_getaffinity(0))
    print(
        f"{len(results)} cells, {actors} actors: wall {wall:.0f} s, training {training:.0f} s, "
        f"wall / (training / actors) = {wall / (training / actors):.2f}, "
        f"peak memory {peak / 1e9:.2f} GB"
    )


if __name__ == "__main__":
    main()
