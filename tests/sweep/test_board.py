from __future__ import annotations

import io

from rich.console import Console
from small_cells import small_cell

from lbray.planning import plan
from lbray.store import Result, Store
from lbray.sweep.board import Board
from lbray.sweep.display import Display


def done(cell, accuracy: float) -> Result:
    metrics = {"val/acc": accuracy, "epochs/best": 2, "epochs/stopped": 3}
    return Result(id=cell.id, status="done", metrics=metrics)


def board_of_five(store: Store) -> tuple[Board, list, list[float]]:
    cells = [small_cell(loss="magnet", seed=seed, **{"lambda": 0.5}) for seed in range(5)]
    store.cell(cells[0].id).finish(done(cells[0], 0.6))
    board = Board.of(plan(cells, store), at_once=2)
    clock = [0.0]
    board._clock = lambda: clock[0]
    return board, cells, clock


def test_earlier_results_count(store: Store):
    board, cells, _ = board_of_five(store)
    assert (board.total, board.done, board.failed) == (5, 1, 0)
    assert board.best["magnet"] == (0.6, cells[0])


def test_time_left_follows_from_the_cells_that_are_finished(store: Store):
    board, cells, clock = board_of_five(store)
    assert board.seconds_left() is None
    board.start(cells[1])
    board.start(cells[2])
    board.epoch(cells[1], {"time/epoch_s": 4.0})
    assert board.seconds_left() == (2 * 12 + 2 * 12) / 2
    clock[0] = 10.0
    board.finish(cells[1], done(cells[1], 0.7))
    board.start(cells[3])
    clock[0] = 12.0
    assert board.seconds_left() == (1 * 10 + 0 + 8) / 2


def test_the_best_of_a_loss_is_by_validation_and_failures_count_apart(store: Store):
    board, cells, _ = board_of_five(store)
    board.start(cells[1])
    board.finish(cells[1], done(cells[1], 0.5))
    board.finish(cells[2], Result(id=cells[2].id, status="failed", reason="x"))
    assert board.best["magnet"] == (0.6, cells[0])
    board.finish(cells[3], done(cells[3], 0.9))
    assert board.best["magnet"] == (0.9, cells[3])
    assert (board.done, board.failed) == (3, 1)


def test_away_from_a_terminal_there_is_a_line_per_cell(store: Store):
    board, cells, _ = board_of_five(store)
    page = io.StringIO()
    with Display(board, Console(file=page, width=80)) as display:
        board.start(cells[1])
        display.refresh()
        display.finished(
            cells[1], done(cells[1], 0.75), board.finish(cells[1], done(cells[1], 0.75))
        )
        failed = Result(id=cells[2].id, status="failed", reason="the loss is nan")
        board.finish(cells[2], failed)
        display.finished(cells[2], failed, 0.0)
    lines = page.getvalue().splitlines()
    assert lines[0].startswith(
        "[2/5] digits cnn magnet λ=0.5 seed=1: validation 75.00% at epoch 2 of 3"
    )
    assert lines[1].startswith("[3/5] digits cnn magnet λ=0.5 seed=2: FAILED: the loss is nan")
    assert len(lines) == 2
