"""Several cells from their settings to their results, some at a time, in one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from lbray.errors import StoreUnavailable
from lbray.spec import Cell
from lbray.store import Claims, Result, Store
from lbray.training.calibration import group_size
from lbray.training.cell_under_way import CellUnderWay
from lbray.training.lanes import Outcome, run_epochs
from lbray.training.report import LanesReporter, SilentLanes


def fuse_key(cell: Cell) -> tuple[object, ...]:
    """What cells must agree in to be trained together: their images, batches and networks."""
    network = cell.dataset, cell.backbone, cell.batch_size, cell.precision
    return *network, *cell.split_settings.values()


def run_cells(
    cells: Sequence[Cell],
    store: Store,
    *,
    lanes: int,
    data_root: Path | None = None,
    device: str = "cpu",
    executor: str = "fused",
    reporter: LanesReporter | None = None,
    claims: Claims | None = None,
) -> dict[str, Result]:
    """Train each cell as `run_cell` does, `lanes` of them at a time, an epoch of each in turn.

    Where that is faster, and does the same, their networks are computed together, as many at a
    time as is fastest. When a cell ends, the next takes its place. A cell's result is that of the
    cell alone, but for rounding; one that fails leaves the others alone; one that was interrupted
    can be continued by `run_cell`, and the other way round.

    Args:
        cells: equal in their `fuse_key`.
        store: see `run_cell`, as `data_root`, `device`, `executor` and `claims`.
        lanes: at most so many at a time.
        reporter: hears of each epoch and each cell's end, and may end a cell.

    Returns:
        The results by cell id, without those cells that the reporter ended.

    Raises:
        ValueError: the cells are not equal in their `fuse_key`, or there are no lanes.
        StoreUnavailable: cells without a result continue when they are run again.
    """
    if lanes < 1 or len({fuse_key(cell) for cell in cells}) > 1:
        raise ValueError("cells that are trained together must have one fuse_key and a lane")

    def under_way(cell: Cell) -> CellUnderWay:
        return CellUnderWay(
            cell,
            store,
            data_root=data_root,
            device=device,
            executor=executor,
            lanes=lanes,
            claims=claims,
        )

    run = _Run(store, reporter or SilentLanes(), under_way)
    waiting = deque(cells)
    while waiting or run.lanes:
        while waiting and len(run.lanes) < lanes:
            run.begin(waiting.popleft())
        run.epoch()
    return run.results


class _Run:
    """The cells that are trained at present, and the results of those that were."""

    def __init__(
        self, store: Store, reporter: LanesReporter, under_way: Callable[[Cell], CellUnderWay]
    ) -> None:
        self.lanes: list[CellUnderWay] = []
        self.results: dict[str, Result] = {}
        self._store = store
        self._reporter = reporter
        self._under_way = under_way
        self._group_size: int | None = None

    def begin(self, cell: Cell) -> None:
        """Give a cell a lane, unless it has a result or nothing is left to train."""
        existing = self._store.final_result(cell.id)
        if existing is not None:
            self._end(cell, existing)
            return
        lane = self._under_way(cell)
        self.lanes.append(lane)
        self._attempt(lane, lane.begin)

    def epoch(self) -> None:
        """An epoch of each lane, after which those that have ended are gone."""
        lanes = list(self.lanes)
        if not lanes:
            return
        for lane, outcome in zip(lanes, self._outcomes(lanes), strict=True):
            self._take(lane, outcome)

    def _outcomes(self, lanes: Sequence[CellUnderWay]) -> list[Outcome]:
        size = self._size(lanes)
        groups = [lanes[start : start + size] for start in range(0, len(lanes), size)]
        return [outcome for group in groups for outcome in self._of_group(group)]

    def _size(self, lanes: Sequence[CellUnderWay]) -> int:
        """How many lanes are a group; found when the first ones are under way, of which there are
        never more."""
        if self._group_size is None:
            try:
                self._group_size = group_size([lane.trainer for lane in lanes])
            except Exception:
                self._group_size = 1
        return self._group_size

    def _of_group(self, lanes: Sequence[CellUnderWay]) -> list[Outcome]:
        trainers = [lane.trainer for lane in lanes]
        epochs = [lane.progress.epochs for lane in lanes]
        try:
            return run_epochs(trainers, epochs, grouped=len(lanes) > 1)
        except Exception:
            # whose fault it was shows one after another; if it was that of the group itself, such
            # as its memory, all go on
            self._group_size = 1
            return [_again(lane) for lane in lanes]

    def _take(self, lane: CellUnderWay, outcome: Outcome) -> None:
        def add() -> None:
            if isinstance(outcome, Exception):
                raise outcome
            lane.add(outcome)
            if self._reporter.epoch(lane.cell, outcome):
                self.lanes.remove(lane)

        self._attempt(lane, add)

    def _attempt(self, lane: CellUnderWay, advance: Callable[[], None]) -> None:
        """Advance a lane; it ends here if that was the last thing to do, or fails."""
        try:
            advance()
            result = lane.result() if lane in self.lanes else None
        except StoreUnavailable:
            raise
        except Exception as problem:
            result = lane.failure(problem)
        if result is None:
            return
        self.lanes.remove(lane)
        lane.finish(result)
        self._end(lane.cell, result)

    def _end(self, cell: Cell, result: Result) -> None:
        self.results[cell.id] = result
        self._reporter.ended(cell)


def _again(lane: CellUnderWay) -> Outcome:
    """The epoch that a lane is in the midst of, from its beginning."""
    try:
        lane.begin()
        return lane.trainer.run_epoch(lane.progress.epochs)
    except Exception as problem:
        return problem
