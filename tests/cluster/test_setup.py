"""The setup commands of cluster.yaml, run as Ray runs them, in a home that has nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from narrator import Narrator

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="lbray-home-"))
    yield folder
    shutil.rmtree(folder)  # gigabytes, which must not wait for the next run


def login(home: Path, command: str) -> str:
    """What a command says in a login shell, which is what Ray uses."""
    ended = subprocess.run(
        ["bash", "--login", "-c", f"source ~/.bashrc 2> /dev/null; ({command})"],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_they_install_what_runs(home: Path, narrator: Narrator):
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    excluded = [f"--exclude={each}" for each in config["rsync_exclude"]]
    for there, here in config["file_mounts"].items():
        target = home / there.removeprefix("~/")
        target.parent.mkdir(parents=True, exist_ok=True)
        source = f"{ROOT / here}/" if (ROOT / here).is_dir() else str(ROOT / here)
        subprocess.run(["rsync", "-a", *excluded, source, str(target)], check=True)
    for command in config["setup_commands"] * 2:  # `ray up` again runs them again
        narrator.say(command)
        login(home, command)
    assert "2.60.0" in login(home, "ray --version")
    (machine,) = json.loads(login(home, "lbray doctor --json --store results --dataset digits"))
    assert machine["problems"] == []
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    frozen = login(home, "~/venv/bin/python -m pip freeze --exclude-editable").splitlines()
    installed = dict(line.lower().split("==") for line in frozen if "==" in line)
    pinned = dict(line.lower().split("==") for line in pins if "==" in line)
    assert {name: pinned.get(name) for name in installed if not _nvidias(name)} == {
        name: version for name, version in installed.items() if not _nvidias(name)
    }
    narrator.say(f"{len(installed)} packages, each as pinned; lbray doctor finds nothing missing")


def _nvidias(name: str) -> bool:
    """torch pins these itself."""
    return name.startswith(("nvidia", "cuda"))
