"""Executor ``ddp``: groups of Ray Train workers that share every batch of a cell.

A trial is a group with one or more cells to train, one after another, as starting a group takes
longer than a short cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray import train as ray_train
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.tune.integration.ray_train import TuneReportCallback

from lbray.errors import StoreUnavailable
from lbray.spec import Cell
from lbray.store import Result
from lbray.sweep.cores import settle
from lbray.sweep.deaths import RETRIES, lost_with_its_node
from lbray.sweep.trial import Task, cells_of, claimed, pack, unpack
from lbray.training import run_cell


def train(config: Mapping[str, Any], task: Task, groups: Sequence[str]) -> None:
    """A Tune trainable: train the cells of the trial in one worker group.

    A cell that no group came to the end of is recorded as failed, and the next ones go on.
    """
    cells = claimed(cells_of(config, groups), task)
    while cells:
        try:
            _fit(tuple(cells), task)
            return
        except TrainingFailedError as problem:
            cause = _cause(problem)
            if isinstance(cause, StoreUnavailable):
                raise cause from None
            while cells and task.store.final_result(cells[0].id):
                del cells[0]
            if cells and not lost_with_its_node(str(cause)):
                cell = cells.pop(0)
                result = Result(id=cell.id, status="failed", reason=_reason(cause))
                files = task.store.cell(cell.id)
                files.begin(cell)  # its group may have died before it did so itself
                files.finish(result)


def _fit(cells: tuple[Cell, ...], task: Task) -> None:
    placement = task.placement
    resources: dict[str, float] = {"CPU": placement.threads}
    if placement.gpus:
        resources["GPU"] = placement.gpus
    trainer = TorchTrainer(
        _work,
        train_loop_config={
            "cells": pack(cells),
            "task": task,
            # the queue that this callback serves: each report goes through the controller's next
            # poll and holds up the workers until then, which short epochs would not survive
            "reports": TuneReportCallback()._training_actor_item_queue,
        },
        torch_config=TorchConfig(backend="nccl" if placement.device == "cuda" else "gloo"),
        scaling_config=ray_train.ScalingConfig(
            num_workers=placement.workers_per_cell,
            use_gpu=placement.device == "cuda",
            resources_per_worker=resources,
        ),
        run_config=ray_train.RunConfig(
            name=f"group-{cells[0].id}",
            **task.scratch,
            failure_config=ray_train.FailureConfig(max_failures=RETRIES),
        ),
    )
    trainer.fit()


def _work(config: Mapping[str, Any]) -> None:
    """What each worker of a group does."""
    task: Task = config["task"]
    placement = task.placement
    settle(placement)
    leads = ray_train.get_context().get_world_rank() == 0
    for cell in unpack(config["cells"]):
        run_cell(
            cell,
            task.store,
            data_root=task.root,
            device=str(get_device()),
            executor="ddp",
            reporter=_Queue(cell.id, config["reports"] if leads else None),
        )


class _Queue:
    """Passes each epoch on to the trial, if this worker leads."""

    def __init__(self, cell_id: str, reports: Any | None) -> None:
        self._cell_id = cell_id
        self._reports = reports

    def epoch(self, metrics: Mapping[str, Any]) -> bool:
        if self._reports is not None:
            self._reports.put({**metrics, "cell": self._cell_id, "epochs": metrics["epoch"] + 1})
        return False


def _cause(problem: TrainingFailedError) -> BaseException:
    failures = getattr(problem, "worker_failures", {})
    found: BaseException = next(iter(failures.values()), problem)
    return found


def _reason(cause: BaseException) -> str:
    return " ".join(["a worker failed:", type(cause).__name__, *str(cause).split()[:60]])
