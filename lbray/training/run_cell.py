"""One cell from its settings to its result, wherever it was left."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from lbray.errors import Diverged, StoreUnavailable
from lbray.spec import Cell
from lbray.store import Claims, Result, Store
from lbray.training.cell_under_way import CellUnderWay
from lbray.training.report import Reporter, Silent
from lbray.training.workers import Workers


def run_cell(
    cell: Cell,
    store: Store,
    *,
    data_root: Path | None = None,
    device: str = "cpu",
    executor: str = "inline",
    reporter: Reporter | None = None,
    claims: Claims | None = None,
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
        claims: by which the cell is a sweep's; nothing is written once another sweep has it.

    Returns:
        The result; None if the reporter ended the training.

    Raises:
        StoreUnavailable: there is no result, or another sweep makes it; the cell continues when it
            is run again.
        Exception: what the reporter raised; or, in a process group, what went wrong in this process
            alone. The others wait for it until the group is ended, and there is no result.
    """
    workers, reporter = Workers.current(), reporter or Silent()
    existing = store.final_result(cell.id)
    if existing is not None:
        return existing
    under_way = CellUnderWay(
        cell,
        store,
        data_root=data_root,
        device=device,
        executor=executor,
        workers=workers,
        claims=claims,
    )
    epochs = _epochs(under_way)
    while True:
        try:
            metrics = next(epochs)
        except StopIteration as end:
            return under_way.finish(end.value)
        except StoreUnavailable:
            raise
        except Exception as problem:
            if workers.count > 1 and not isinstance(problem, Diverged):  # that befalls all at once
                raise
            return under_way.finish(under_way.failure(problem))
        if reporter.epoch(metrics):
            return None


def _epochs(under_way: CellUnderWay) -> Generator[dict[str, Any], None, Result]:
    """Train a cell: the metrics of each epoch, and in the end the result."""
    under_way.begin()
    while (result := under_way.result()) is None:
        metrics = under_way.trainer.run_epoch(under_way.progress.epochs)
        under_way.add(metrics)
        yield metrics
    return result
