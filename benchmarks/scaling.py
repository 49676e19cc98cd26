"""What a sweep costs beside its training: many cells of next to no work.

    python benchmarks/scaling.py [--cells 10000] [OPTIONS OF lbray sweep …]

Runs cells of one batch each through the command line into an empty store, then the same command
again with all results there. Prints the seconds of both, the seconds per cell between the end of
the first and of the last (without the start, which happens once), the seconds from the beginning of
the first trial to the end of its first epoch (which are a group's start), the driver's peak memory
(resident set), the size of what Tune keeps of its own while it runs, and the seconds that such a
cell takes without Ray, in a loop on one thread or in a bare process group of as many workers: so
much of a cell is training, the rest is the sweep's own cost.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch
import torch.distributed
import torch.multiprocessing

from lbray import spec
from lbray.store import Store
from lbray.training import run_cell

GRID = """
settings: {{dataset: digits, max_epochs: 1, validation_fraction: 0.5, seed: {seeds}}}
blocks: [{{loss: baseline, train_size: 40, test_size: 20}}]
"""
_CELLS_ALONE = 100


@dataclass(frozen=True)
class Cost:
    """Of a command: seconds, the driver's peak memory and the peak of Tune's own files in MiB."""

    seconds: float
    memory: float
    scratch: float


def cost(command: list[str], store: Path) -> Cost:
    """Run a command to its end and watch it."""
    started, memory, scratch = time.perf_counter(), 0, 0
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while driver.poll() is None:
        memory = max(memory, _peak_memory(driver.pid))
        scratch = max(scratch, *(_size(folder) for folder in store.glob("scratch-*")), 0)
        time.sleep(1)
    if driver.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {driver.returncode}")
    return Cost(time.perf_counter() - started, memory / 2**20, scratch / 2**20)


def seconds_without_ray(path: Path, folder: Path, workers: int) -> float:
    """Seconds per cell in a process group of so many workers, a thread and a core each."""
    arguments = (path, folder, workers)
    torch.multiprocessing.start_processes(_work, arguments, workers, start_method="fork")
    return float((folder / "seconds").read_text())


def _work(rank: int, path: Path, folder: Path, workers: int) -> None:
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    if workers > 1:
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        at = f"file://{folder}.rendezvous"
        torch.distributed.init_process_group("gloo", at, rank=rank, world_size=workers)
    store, cells = Store(str(folder)), spec.load(path).cells()[:_CELLS_ALONE]
    run_cell(cells[0], store)
    started = time.perf_counter()
    for cell in cells[1:]:
        run_cell(cell, store)
    if rank == 0:
        seconds = (time.perf_counter() - started) / (len(cells) - 1)
        (folder / "seconds").write_text(str(seconds))


def seconds_per_cell(events: list[dict]) -> float:
    """Between the ends of the first and the last cell of the sweep."""
    ends = _times(events, "cell_done")
    return (max(ends) - min(ends)).total_seconds() / (len(ends) - 1)


def seconds_to_start(events: list[dict]) -> float:
    """From the beginning of the sweep's first trial to the end of its first epoch."""
    return (min(_times(events, "epoch")) - min(_times(events, "cell_started"))).total_seconds()


def _times(events: list[dict], kind: str) -> list[datetime]:
    return [datetime.fromisoformat(each["time"]) for each in events if each["event"] == kind]


def _peak_memory(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return 0


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # which passes over what vanishes meanwhile
        for name in names:
            with suppress(OSError):
                total += Path(place, name).stat().st_size
    return total


def main() -> None:
    """Run both commands and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--workers-per-cell", type=int)
    options, words = parser.parse_known_args()
    cells, workers = options.cells, options.workers_per_cell or 1
    if options.workers_per_cell:
        words.append(f"--workers-per-cell={workers}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, store = folder / "grid.yaml", folder / "store"
        path.write_text(GRID.format(seeds=list(range(cells))))
        program = "from lbray.cli import main; main()"
        command = [sys.executable, "-c", program, "sweep", str(path), "--store", str(store), *words]
        alone = seconds_without_ray(path, folder / "alone", workers)
        first, again = cost(command, store), cost(command, store)
        events = Store(str(store)).event_log("grid").read()
        per_cell, start = seconds_per_cell(events), seconds_to_start(events)
    cores = len(os.sched_getaffinity(0))
    print(
        f"{' '.join(['lbray sweep', *words])}: {cells:,} cells on {cores} cores, "
        f"{1000 * per_cell:.0f} ms per cell after the first; without Ray, {1000 * alone:.0f} ms; "
        f"first epoch {start:.1f} s after its trial began"
    )
    print("| | seconds | driver, MiB | Tune's own files, MiB |")
    print("|---|---:|---:|---:|")
    print(f"| sweep | {first.seconds:.0f} | {first.memory:.0f} | {first.scratch:.1f} |")
    print(f"| again, all results there | {again.seconds:.1f} | {again.memory:.0f} | – |")


if __name__ == "__main__":
    main()
