"""The examples of the documentation, as they are printed there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def followed(page: str, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """What a page's commands do in a folder with its files."""
    for text in blocks(page, "python") + blocks(page, "yaml"):
        name = text.splitlines()[0].removeprefix("# ")
        (folder / name).write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "LBRAY_STORE"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)
    return [
        subprocess.run(
            command.removeprefix("$ ").split(),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=250,
        )
        for command in "".join(blocks(page, "console")).splitlines()
    ]


def test_a_loss_of_ones_own_is_short_and_does_what_the_page_says(tmp_path: Path):
    page = "own-loss.md"
    written = [
        text for language in ("python", "yaml", "console") for text in blocks(page, language)
    ]
    assert sum(len(text.splitlines()) for text in written) <= 30
    described, swept, analysed = followed(page, tmp_path)
    assert "embedding_size (from data and backbone)" in described.stdout
    assert "all 6 cells done" in swept.stderr
    assert "center:Center(scale=1.0) " in analysed.stdout
    assert "center:Center has loss_learning_rate_factor=10.0 in every row." in analysed.stdout
    assert "center:Center(scale=0.1) " in analysed.stdout


def test_a_backbone_of_ones_own_is_trained_as_printed(tmp_path: Path):
    (ran,) = followed("own-backbone.md", tmp_path)
    result = json.loads(ran.stdout)
    assert result["status"] == "done"
    assert result["provenance"]["backbone_code"] is not None
