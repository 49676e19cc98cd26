"""A cell on its way from its settings to its result, whoever trains it."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbray import backbones, losses, own_code
from lbray.errors import DamagedArtefact, Diverged, InputError, StoreUnavailable
from lbray.spec import Cell
from lbray.store import Claims, Result, Store
from lbray.training.evaluate import evaluate
from lbray.training.progress import Progress
from lbray.training.provenance import provenance
from lbray.training.trainer import Trainer
from lbray.training.workers import ALONE, Workers


class CellUnderWay:
    """Trainer, progress and artefacts of one cell that has no result yet.

    In order: `begin`; while there is no `result`, an epoch of `trainer` and `add`. Whatever these
    raise makes a result by `failure`. Either is recorded by `finish`.

    Args:
        cell: what to train.
        store: where its artefacts go.
        data_root: where datasets lie of which the store has no copy.
        device: a torch device.
        executor: who runs it, for the provenance.
        lanes: how many cells are trained together with it at most, itself included.
        workers: among whom each batch is shared; all of them call the same methods.
        claims: by which the cell is a sweep's; nothing is written once it is not.

    Attributes:
        cell: as given.
        trainer: after the last stored epoch, from `begin` on.
        progress: likewise.
    """

    trainer: Trainer
    progress: Progress

    def __init__(
        self,
        cell: Cell,
        store: Store,
        *,
        data_root: Path | None,
        device: str,
        executor: str,
        lanes: int = 1,
        workers: Workers = ALONE,
        claims: Claims | None = None,
    ) -> None:
        self.cell = cell
        self._store = store
        self._files = store.cell(cell.id)
        self._data_root = data_root
        self._device = device
        self._workers = workers
        self._claims = claims
        self._began_anew = False
        self._resumes: set[int] = set()
        self._how: dict[str, Any] = provenance(cell, torch.device(device), executor)
        self._how |= {"workers": workers.count, "lanes": lanes}
        if workers.leads:
            self._check_may_write()
            self._files.reopen()
            self._files.begin(cell)

    def begin(self) -> None:
        """Go to the last epoch whose artefacts are sound and come of the same images and the same
        code, or to the beginning."""
        dataset, self._splits = self._store.datasets.prepared(
            self.cell.dataset, self._data_root, self._device, **self.cell.split_settings
        )
        loss = None if self.cell.is_baseline else self.cell.loss
        self._made_from = {
            "dataset": dataset.fingerprint,
            "loss_code": loss and losses.code_digest(loss),
            "backbone_code": backbones.code_digest(self.cell.backbone),
        }
        self._how |= {**self._made_from, "dataset_source": dataset.source}
        self._workers.wait_for_each_other()  # all read what the last epoch of any left
        stored = self._files.resumes()
        self._resumes.update(stored)
        for epochs in stored:
            with suppress(DamagedArtefact):
                self._continue_after(epochs)
                return
        self._start_anew()

    def add(self, metrics: dict[str, Any]) -> None:
        """Make an epoch of the trainer last."""
        needed_before = self._needed()
        improved = self.progress.add(metrics)
        if self._workers.leads:
            self._check_may_write()
            self._store_epoch(improved)
            self._drop_resumes(but=needed_before | self._needed())

    def result(self) -> Result | None:
        """The result, once the last epoch is over; the test images are seen, by the best weights.

        Where these were damaged since they were stored, and what they could be had from too, the
        cell begins anew; but only once, and not among several workers, who do so when they are
        started again.
        """
        if not self.progress.exhausted(self.cell.max_epochs, self.cell.patience):
            return None
        self._workers.wait_for_each_other()  # the best weights are there for all to read
        try:
            weights = self._best_weights()
        except DamagedArtefact:
            if self._began_anew or self._workers.count > 1:
                raise
            self._began_anew = True
            self._start_anew()
            return None
        self.trainer.load_weights(weights)
        return self._tested()

    def _tested(self) -> Result:
        progress, precision = self.progress, self.cell.precision
        test = evaluate(
            self.trainer.model,
            self._splits,
            self._splits.test,
            precision,
            "test",
            workers=self._workers,
        )
        best = progress.history[progress.best_epoch]
        metrics: dict[str, float | None] = {
            **{name: value for name, value in best.items() if name.startswith(("val/", "latent/"))},
            **test,
            "lambda/best": best["lambda"],
            "epochs/best": progress.best_epoch + 1,
            "epochs/stopped": progress.epochs,
            "time/train_s": progress.seconds,
        }
        return Result(
            id=self.cell.id,
            status="done",
            metrics=metrics,
            weights_sha256=progress.best_sha256,
            provenance=self._how,
        )

    def failure(self, problem: Exception) -> Result:
        """The result of a cell that cannot be trained to its end.

        Raises:
            Exception: the same, where this process cannot use its device any more: all further
                cells would fail here.
        """
        if _is_of_the_device(problem):
            raise problem
        reason = _reason(problem)
        return Result(id=self.cell.id, status="failed", reason=reason, provenance=self._how)

    def finish(self, result: Result) -> Result | None:
        """Record a result; every worker returns the same one."""
        if self._workers.leads:
            self._check_may_write()
            self._files.finish(result)
        self._workers.wait_for_each_other()
        return result if self._workers.leads else self._store.result(self.cell.id)

    def _check_may_write(self) -> None:
        """See that this process may write for the cell: not once another sweep has it, nor while
        the process ends. A thread goes on for seconds then, beside the process that continues the
        cell, and fails when the libraries under it are taken down.

        Raises:
            StoreUnavailable: it may not.
        """
        if not threading.main_thread().is_alive():
            raise StoreUnavailable("this process ends; the cell continues in another.")
        if self._claims is not None:
            self._claims.verify(self.cell.id)

    def _start_anew(self) -> None:
        self.trainer = Trainer(self.cell, self._splits, self._workers)
        self.progress = Progress()

    def _continue_after(self, epochs: int) -> None:
        """Go to the end of an epoch.

        Raises:
            DamagedArtefact: an artefact of it is damaged, or made from other images or code.
        """
        tensors, state = self._files.resume(epochs)
        if state.get("made_from") != self._made_from:
            raise DamagedArtefact("it is of other images, or of another loss or backbone")
        self._start_anew()
        self.trainer.restore(tensors, state.get("trainer"))
        self.progress = Progress.from_json(state.get("progress"))
        if self._workers.leads:
            self._check_may_write()
        if self.progress.best_sha256 is not None:
            self._best_weights()
        elif self._workers.leads:
            self._store_best()
        if self._workers.leads:
            self._files.write_history(self.progress.history)

    def _needed(self) -> set[int]:
        """The numbers of epochs after which what was stored is needed, should the process die now:
        that of the last one, and of the best one, where the best weights can be had again."""
        return {self.progress.epochs, self.progress.best_epoch + 1}

    def _best_weights(self) -> dict[str, Tensor]:
        """The best epoch's weights; where their file is damaged, as the end of that epoch has them.

        Raises:
            DamagedArtefact: that is damaged too.
        """
        progress = self.progress
        try:
            return self._files.best(progress.best_sha256)[0]
        except DamagedArtefact as damaged:
            try:
                tensors, _ = self._files.resume(progress.best_epoch + 1)
            except DamagedArtefact:
                raise damaged from None
            weights = Trainer.weights_in(tensors)
            if self._workers.leads and self._write_best(weights) != progress.best_sha256:
                raise
            return weights

    def _store_epoch(self, improved: bool) -> None:
        """``resume`` comes first: the best weights can be had from it, should the process die in
        between, but not the other way round. What the epoch before stored stays, in case that of
        this one is damaged."""
        tensors, trainer = self.trainer.state()
        state = {"trainer": trainer, "progress": self.progress.to_json()}
        made_from = {"made_from": self._made_from}
        self._files.write_resume(self.progress.epochs, tensors, state | made_from)
        self._resumes.add(self.progress.epochs)
        if improved:
            self._store_best()
        self._files.write_history(self.progress.history)

    def _drop_resumes(self, but: set[int]) -> None:
        for epochs in self._resumes - but:
            self._files.drop_resume(epochs)
        self._resumes &= but

    def _store_best(self) -> None:
        self.progress.best_sha256 = self._write_best(self.trainer.weights())

    def _write_best(self, weights: dict[str, Tensor]) -> str:
        progress = self.progress
        state = {"epoch": progress.best_epoch, "val/acc": progress.best_accuracy}
        return self._files.write_best(weights, state)


def _is_of_the_device(problem: Exception) -> bool:
    """Whether a GPU failed, as it does by an assertion, after which its process cannot use it."""
    return type(problem).__name__ == "AcceleratorError" or str(problem).startswith("CUDA error")


def _reason(problem: Exception) -> str:
    """One line for people, with the kind of error where the text alone would not tell it."""
    if isinstance(problem, (Diverged, InputError, DamagedArtefact)):
        return " ".join(str(problem).split())
    return own_code.reason(problem)
