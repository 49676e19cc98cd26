"""What the pages point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import torch

from lbray.cli.main import lbray
from lbray.losses import LatentLoss

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for words in re.findall(r"^(?:\$| {4,}) *lbray ([^\n#`]+)", text, flags=re.MULTILINE):
        first, *rest = words.split()
        command = lbray.commands[first]
        if isinstance(command, click.Group):
            command = command.commands[rest[0]]
        options = {option for each in command.params for option in each.opts}
        assert {word for word in rest if word.startswith("--") and word != "--"} <= options, words


def test_the_files_that_contributing_names_are_there():
    text = CONTRIBUTING.partition("```python")[0] + CONTRIBUTING.rpartition("```")[2]
    paths = set(re.findall(r"`((?:lbray|analysis|tests|docs|benchmarks)/[\w/.]+)`", CONTRIBUTING))
    assert len(paths) > 30
    for path in paths:
        assert "NAME" in path or (ROOT / path).exists(), path
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([\w-]+)`", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_names_that_contributing_names_are_in_those_files():
    for name, path in {
        "_LOSSES": "lbray/losses/registry.py",
        "_BACKBONES": "lbray/backbones/registry.py",
        "PAPER_BACKBONES": "lbray/spec/cell.py",
        "_DATASETS": "lbray/data/registry.py",
        "_MEASURES": "analysis/structure.py",
        "METRICS": "analysis/summary.py",
        "VERSION": "analysis/scores.py",
        "SETTINGS": "tests/losses/test_losses_against_equations.py",
        "EVERY": "tests/losses/test_no_host_synchronisation.py",
        "test_with_nothing_to_compare_the_loss_is_zero": "tests/losses/test_loss_properties.py",
    }.items():
        assert f"`{name}`" in CONTRIBUTING
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))


def test_the_loss_of_contributing_is_one():
    (example,) = re.findall(r"^```python\n(.*?)^```$", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    made: dict[str, type[LatentLoss]] = {"__name__": "compact"}  # type: ignore[dict-item]
    exec(example, made)
    latents = torch.tensor([[0.0], [2.0], [5.0]], requires_grad=True)
    value = made["Compact"](strength=3.0)(latents, torch.tensor([0, 0, 1]))
    assert value.item() == pytest.approx(2.0)
    with pytest.raises(ValueError, match="strength is -1, but must be a number from 0"):
        made["Compact"](strength=-1)
