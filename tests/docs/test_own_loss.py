"""The example of the documentation, as it is printed there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-loss.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_example_is_short_and_does_what_it_says(tmp_path: Path):
    files = blocks("python") + blocks("yaml")
    commands = [line.removeprefix("$ ") for line in "".join(blocks("console")).splitlines()]
    assert sum(len(text.splitlines()) for text in files) + len(commands) <= 30
    for text in files:
        name = text.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "LBRAY_STORE"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)
    outputs = [
        subprocess.run(
            command.split(),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=250,
        )
        for command in commands
    ]
    described, swept, analysed = outputs
    assert "embedding_size (from data and backbone)" in described.stdout
    assert "all 6 cells done" in swept.stderr
    assert "center:Center(scale=1.0) " in analysed.stdout
    assert "center:Center has loss_learning_rate_factor=10.0 in every row." in analysed.stdout
    assert "center:Center(scale=0.1) " in analysed.stdout
