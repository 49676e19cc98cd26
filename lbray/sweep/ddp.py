"""Executor ``ddp``: groups of Ray Train workers that share every batch of a cell.

A trial is a group with one or more cells to train, one after another, as starting a group takes
longer than a short cell.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import train as ray_train
from ray import tune
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.placement_group import get_current_placement_group
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lbray.errors import StoreUnavailable
from lbray.spec import Cell
from lbray.sweep.cores import settle
from lbray.sweep.deaths import Deaths
from lbray.sweep.trial import PLACED, Task, cells_of, claimed, pack, told, unpack
from lbray.training import run_cell

_UNNEEDED = ("DatasetsCallback", "PlacementGroupCleanerCallback")


def train(config: Mapping[str, Any], task: Task, groups: Sequence[str]) -> None:
    """A Tune trainable: train the cells of the trial in one worker group.

    A cell under which groups died too often is told of as failed, and the next ones go on.
    """
    cells = claimed(cells_of(config, groups), task)
    deaths = Deaths(task.store)
    while cells:
        try:
            _fit(tuple(cells), task)
            return
        except TrainingFailedError as problem:
            causes = list(getattr(problem, "worker_failures", {}).values()) or [problem]
        for cause in causes:
            if isinstance(cause, StoreUnavailable):
                raise cause
        while cells and task.store.final_result(cells[0].id):
            del cells[0]
        if not cells or deaths.of_the_node(cells[0].id, "\n".join(map(str, causes))):
            continue
        if deaths.one_too_many(cells[0].id):
            tune.report({"cell": cells[0].id, "failed": _reason(causes[0])})
            del cells[0]


def _fit(cells: tuple[Cell, ...], task: Task) -> None:
    placement = task.placement
    resources: dict[str, float] = {"CPU": placement.threads}
    if placement.gpus:
        resources["GPU"] = placement.gpus
    reports = _queue_beside_this_process()
    trainer = _Trainer(
        _work,
        train_loop_config={"cells": pack(cells), "task": task, "reports": reports},
        torch_config=TorchConfig(backend="nccl" if placement.device == "cuda" else "gloo"),
        scaling_config=ray_train.ScalingConfig(
            num_workers=placement.workers_per_cell,
            use_gpu=placement.device == "cuda",
            resources_per_worker=resources,
        ),
        run_config=ray_train.RunConfig(
            name=f"group-{cells[0].id}",
            **task.scratch,
        ),
    )
    with _passed_on(reports):
        trainer.fit()


class _Trainer(TorchTrainer):  # type: ignore[misc]
    """Ray Train's, but that its controller runs in the trial's process, which would only wait for
    another one; and that no processes start for what no cell needs: a manager of Ray Data's
    datasets; a cleaner of the placement group, which the watcher sees to and which would stay on a
    cluster for ever after a sweep that was killed; and one who asks for nodes, which the placement
    group does by itself.
    """

    def _create_default_callbacks(self) -> list[Any]:
        made = super()._create_default_callbacks()
        return [each for each in made if type(each).__name__ not in _UNNEEDED]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        policy = _PlacementGroupAlone(self.scaling_config)
        controller = TrainController(**{**arguments, "scaling_policy": policy})
        asyncio.run(controller.run())
        return controller.get_result()


class _PlacementGroupAlone(FixedScalingPolicy):  # type: ignore[misc]
    """As many workers as were asked for, of which only their placement group tells the cluster."""

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


def _queue_beside_this_process() -> Queue:
    """For what the workers report. Ray Train's own way is through its controller's next poll, which
    holds up the workers until then, as short epochs would not survive. And Tune puts what comes
    that way into a queue of one place that only itself empties: if the trial has just reported, it
    waits for ever."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})


@contextmanager
def _passed_on(reports: Queue) -> Iterator[None]:
    """Pass on to Tune what workers report in a ``with`` block, at whose end Tune has all of it."""

    def pass_on() -> None:
        while (report := reports.get()) is not None:
            tune.report(report)

    passing = threading.Thread(target=pass_on, name="reports", daemon=True)
    passing.start()
    try:
        yield
    finally:
        reports.put(None)
        passing.join()
        reports.shutdown()


def _work(config: Mapping[str, Any]) -> None:
    """What each worker of a group does."""
    task: Task = config["task"]
    placement = task.placement
    settle(placement)
    leads = ray_train.get_context().get_world_rank() == 0
    if leads:
        config["reports"].put({PLACED: get_current_placement_group().id.hex()})
    for cell in unpack(config["cells"]):
        run_cell(
            cell,
            task.store,
            data_root=task.root,
            device=str(get_device()),
            executor="ddp",
            reporter=_Queue(cell, config["reports"] if leads else None),
            claims=task.claims,
        )


class _Queue:
    """Passes each epoch on to the trial, if this worker leads."""

    def __init__(self, cell: Cell, reports: Any | None) -> None:
        self._cell = cell
        self._reports = reports

    def epoch(self, metrics: Mapping[str, Any]) -> bool:
        if self._reports is not None:
            self._reports.put(told(self._cell, metrics))
        return False


def _reason(cause: BaseException) -> str:
    return " ".join(["a worker failed:", type(cause).__name__, *str(cause).split()[:60]])
