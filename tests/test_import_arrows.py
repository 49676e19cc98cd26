"""The layers of the design are the layers of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=folder, capture_output=True, text=True
    )


def test_every_import_points_down():
    report = lint(ROOT)
    assert report.returncode == 0, report.stdout + report.stderr
    assert "4 kept, 0 broken" in report.stdout


def test_an_import_that_points_up_would_be_found(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for package in ("lbray", "analysis"):
        for source in (ROOT / package).rglob("*.py"):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text())
    trainer = tmp_path / "lbray" / "training" / "trainer.py"
    trainer.write_text(trainer.read_text() + "\nimport ray\n")
    statistics = tmp_path / "analysis" / "statistics.py"
    statistics.write_text(statistics.read_text() + "\nimport lbray.training\n")
    report = lint(tmp_path)
    assert report.returncode == 1
    assert "only lbray.sweep imports Ray BROKEN" in report.stdout
    assert "analysis reads stored cells and nothing else BROKEN" in report.stdout
