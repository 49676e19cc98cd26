from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys, threading
from lbray.sweep.cores import claim_core
first = threading.Thread(target=claim_core)
first.start(), first.join()
print(claim_core(), sorted(os.sched_getaffinity(0)), flush=True)
sys.stdin.read()
"""


def claimer(locks: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(locks)},
    )


def test_each_process_has_a_core_of_its_own_and_a_dead_ones_is_free_again(tmp_path: Path):
    cores = sorted(os.sched_getaffinity(0))
    processes = [claimer(tmp_path) for _ in cores]
    claimed = [process.stdout.readline().strip() for process in processes]
    assert sorted(claimed) == [f"{core} [{core}]" for core in cores]
    late = claimer(tmp_path)
    assert late.stdout.readline().strip() == f"None {cores}"
    processes[0].kill()
    processes[0].wait()
    heir = claimer(tmp_path)
    assert heir.stdout.readline().strip() == claimed[0]
    for process in (*processes, late, heir):
        process.kill()
        process.communicate()
