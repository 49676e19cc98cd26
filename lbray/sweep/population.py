"""Population based training of λ (Jaderberg et al. 2017): for exploring, never for a table.

Each cell is a member of the population. At every perturbation, members with poor validation
accuracy take over settings, weights and λ of good ones, and move that λ a little. What comes out is
a path of λ over the epochs, not the training that the cell's id stands for, so none of the cell's
own artefacts are written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune

from lbray.spec import Cell
from lbray.store import tensor_file
from lbray.sweep.cores import settle
from lbray.sweep.trial import GROUP, Task, cells_of
from lbray.training import Trainer

LAMBDA = "lambda"
"""The name in a trial's config under which a member's present λ stands."""
_STATE = "state.safetensors"


def perturbation_interval(max_epochs: int) -> int:
    """Epochs between two perturbations: a tenth of the training."""
    return max(1, max_epochs // 10)


def train(config: Mapping[str, Any], task: Task, groups: Sequence[str]) -> None:
    """A Tune trainable: train one member until it is perturbed, or to its last epoch."""
    (cell,) = cells_of(config, groups)
    if task.store.result(cell.id):  # it was given up
        return
    placement = task.placement
    settle(placement)
    member = Cell.resolved({**cell.settings, "lambda": config[LAMBDA]})
    _, splits = task.store.datasets.prepared(
        cell.dataset, task.root, placement.device, **cell.split_settings
    )
    trainer = Trainer(member, splits)
    path = _restored(trainer)
    interval = perturbation_interval(cell.max_epochs)
    while len(path) < cell.max_epochs:
        metrics = trainer.run_epoch(len(path))
        path.append(member.lam)
        report = {**metrics, "epochs": len(path), "path": described(path)}
        if len(path) % interval and len(path) < cell.max_epochs:
            tune.report(report)
            continue
        with tempfile.TemporaryDirectory() as folder:
            tensors, state = trainer.state()
            packed = tensor_file.pack(tensors, {"trainer": state, "path": path})
            (Path(folder) / _STATE).write_bytes(packed)
            tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def space(cells: Sequence[Cell]) -> dict[str, Any]:
    """The population as Tune's parameter space: a member per cell, which begins with its λ."""
    declared = [cell.lam for cell in cells]
    return {
        GROUP: tune.grid_search(list(range(len(cells)))),
        LAMBDA: tune.sample_from(lambda config: declared[config[GROUP]]),
    }


def described(path: list[float]) -> str:
    """λ over the epochs, for people."""
    turns = [n for n in range(1, len(path)) if path[n] != path[n - 1]]
    parts = [f"{path[end - 1]:.3g} to epoch {end}" for end in [*turns, len(path)]]
    return ", ".join(parts)


def _restored(trainer: Trainer) -> list[float]:
    """λ of the epochs behind a member, which the trainer then has behind it too."""
    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        return []
    with checkpoint.as_directory() as folder:
        tensors, state = tensor_file.unpack((Path(folder) / _STATE).read_bytes())
    trainer.restore(tensors, state["trainer"])
    return list(state["path"])
