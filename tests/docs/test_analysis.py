"""The example of the documentation, as it is printed there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from small_cells import small_cell

import analysis
from analysis.summary import METRICS
from lbray.spec import Experiment
from lbray.store import Store
from lbray.training import run_cell

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")


def test_the_example_runs_as_printed(tmp_path: Path):
    store = Store(str(tmp_path / "results"))
    cells = [small_cell(max_epochs=1), small_cell(max_epochs=1, loss="magnet", **{"lambda": 0.5})]
    for cell in cells:
        assert run_cell(cell, store).done
    store.record_experiment(Experiment(name="mine", blocks=({},)), cells)
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("{}\n")
    assert "(200, 64) (200, 10) (200,)" in ran.stdout
    measured = analysis.with_structure(analysis.load(store, "mine"), store)
    made = set(measured.filter(regex="^(test|ood|shuffled|corrupted)/"))
    assert made - {"test/loss"} <= set(METRICS)


def test_every_kind_of_column_is_described():
    for metric in METRICS:
        if metric.startswith(("test/", "corrupted/", "cka/")) and "f1" not in metric:
            stem = metric.split("/")[1].split("@")[0].split("_")[0]
            assert stem in PAGE, metric
