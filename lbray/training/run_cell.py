"""One cell from its settings to its result, wherever it was left."""

from __future__ import annotations

from pathlib import Path

import torch

from lbray.data import Splits
from lbray.errors import DamagedArtefact, Diverged, InputError, StoreUnavailable
from lbray.spec import Cell
from lbray.store import CellFiles, Result, Store
from lbray.training.evaluate import evaluate
from lbray.training.progress import Progress
from lbray.training.provenance import provenance
from lbray.training.report import Reporter, Silent
from lbray.training.trainer import Trainer
from lbray.training.workers import Workers


def run_cell(
    cell: Cell,
    store: Store,
    *,
    data_root: Path | None = None,
    device: str = "cpu",
    executor: str = "inline",
    reporter: Reporter | None = None,
) -> Result | None:
    """Train a cell to its end, or record why that cannot be.

    A cell that is done or failed is not trained again. One that was interrupted or pruned
    continues after its last stored epoch and ends as if it had not been. Test images are seen
    once, by the best weights, after the last epoch.

    In a torch.distributed process group, every process calls this with the same arguments but for
    the device: they share each batch, and the first one writes. Results do not depend on their
    number beyond floating-point rounding.

    Args:
        cell: what to train.
        store: where its artefacts go.
        data_root: where datasets lie of which the store has no copy; see `lbray.data.load`.
        device: a torch device.
        executor: who runs it, for the provenance.
        reporter: hears of each epoch and may end the training.

    Returns:
        The result; None if the reporter ended the training.

    Raises:
        StoreUnavailable: there is no result; the cell continues when it is run again.
        Exception: in a process group, what went wrong in this process alone. The others wait for
            it until the group is ended, and there is no result.
    """
    workers = Workers.current()
    files = store.cell(cell.id)
    existing = store.result(cell.id)
    if existing is not None and existing.status != "pruned":
        return existing
    if workers.leads:
        files.reopen()
        files.begin(cell)
    how = provenance(torch.device(device), cell.precision, executor) | {"workers": workers.count}
    try:
        dataset, splits = store.datasets.prepared(
            cell.dataset, data_root, device, **cell.split_settings
        )
        how |= {"dataset": dataset.fingerprint, "dataset_source": dataset.source}
        outcome = _train(cell, files, splits, workers, reporter or Silent())
        if outcome is None:
            return None
        metrics, weights_sha256 = outcome
        result = Result(
            id=cell.id,
            status="done",
            metrics=metrics,
            weights_sha256=weights_sha256,
            provenance=how,
        )
    except StoreUnavailable:
        raise
    except Exception as problem:
        if workers.count > 1 and not isinstance(problem, Diverged):  # that befalls all at once
            raise
        result = Result(id=cell.id, status="failed", reason=_reason(problem), provenance=how)
    if workers.leads:
        files.finish(result)
    workers.wait_for_each_other()
    return result if workers.leads else store.result(cell.id)


def _train(
    cell: Cell, files: CellFiles, splits: Splits, workers: Workers, reporter: Reporter
) -> tuple[dict[str, float | None], str | None] | None:
    trainer, progress = _continued(cell, files, splits, workers)
    while not progress.exhausted(cell.max_epochs, cell.patience):
        improved = progress.add(trainer.run_epoch(progress.epochs))
        if workers.leads:
            _store_epoch(files, trainer, progress, improved)
        if reporter.epoch(progress.history[-1]):
            return None
    workers.wait_for_each_other()  # the best weights are there for all to read
    weights, _ = files.best(progress.best_sha256)
    trainer.load_weights(weights)
    test = evaluate(trainer.model, splits, splits.test, cell.precision, "test", workers=workers)
    best = progress.history[progress.best_epoch]
    metrics: dict[str, float | None] = {
        **{name: value for name, value in best.items() if name.startswith(("val/", "latent/"))},
        **test,
        "epochs/best": progress.best_epoch + 1,
        "epochs/stopped": progress.epochs,
        "time/train_s": progress.seconds,
    }
    return metrics, progress.best_sha256


def _continued(
    cell: Cell, files: CellFiles, splits: Splits, workers: Workers
) -> tuple[Trainer, Progress]:
    """A trainer after the last epoch whose artefacts are sound, or at the beginning."""
    trainer = Trainer(cell, splits, workers)
    try:
        resume = files.resume()
        if resume is None:
            return trainer, Progress()
        tensors, state = resume
        progress = Progress(**state["progress"])
        trainer.restore(tensors, state["trainer"])
        if progress.best_sha256 is not None:
            files.best(progress.best_sha256)
        elif workers.leads:
            _store_best(files, trainer, progress)
        if workers.leads:
            files.write_history(progress.history)
    except DamagedArtefact:
        return Trainer(cell, splits, workers), Progress()
    return trainer, progress


def _store_epoch(files: CellFiles, trainer: Trainer, progress: Progress, improved: bool) -> None:
    """Make an epoch last. ``resume`` comes first: the best weights can be had from it, should the
    process die in between, but not the other way round."""
    tensors, state = trainer.state()
    files.write_resume(tensors, {"trainer": state, "progress": progress.to_json()})
    if improved:
        _store_best(files, trainer, progress)
    files.write_history(progress.history)


def _store_best(files: CellFiles, trainer: Trainer, progress: Progress) -> None:
    state = {"epoch": progress.best_epoch, "val/acc": progress.best_accuracy}
    progress.best_sha256 = files.write_best(trainer.weights(), state)


def _reason(problem: Exception) -> str:
    """One line for people, with the kind of error where the text alone would not tell it."""
    text = " ".join(str(problem).split()) or "no message"
    if isinstance(problem, (Diverged, InputError, DamagedArtefact)):
        return text
    return f"{type(problem).__name__}: {text}"
