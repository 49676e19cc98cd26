from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from lbray.monitor import Board, Display

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(kind: str, second: float, **details) -> dict:
    told = {"sweep": "one", **details}
    return {"time": (START + timedelta(seconds=second)).isoformat(), "event": kind, **told}


def who(number: int) -> dict:
    return {
        "cell": str(number),
        "label": f"digits cnn magnet λ=0.5 seed={number}",
        "loss": "magnet",
        "lambda": 0.5,
        "seed": number,
    }


def started(**reported) -> dict:
    told = {
        "executor": "actor",
        "at_once": 2,
        "others": [],
        "cells": [str(number) for number in range(5)],
        "done": {"0": None},
        "failed": {},
        "pruned": {},
        "best": {"magnet": {"accuracy": 0.6, "lam": 0.5, "seed": 0}},
    }
    return event("sweep_started", 0, **(told | reported))


def begun(number: int, second: float) -> dict:
    return event("cell_started", second, **who(number), max_epochs=3)


def epoch(number: int, second: float, **metrics) -> dict:
    metrics = {"train/loss": 1.0, "val/acc": 0.5, "time/epoch_s": 4.0} | metrics
    return event("epoch", second, **who(number), max_epochs=3, epochs=1, metrics=metrics)


def ended(status: str, number: int, second: float, seconds: float, accuracy: float | None = None):
    metrics = {"val/acc": accuracy, "epochs/best": 2, "epochs/stopped": 3}
    reason = None if status == "done" else "the loss is nan"
    return event(
        f"cell_{status}", second, **who(number), seconds=seconds, reason=reason, metrics=metrics
    )


def board_after(*events: dict) -> Board:
    board = Board()
    for each in events:
        board.apply(each)
    return board


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def test_of_two_sweeps_the_end_of_one_is_not_the_end():
    other = {"sweep": "two"}
    board = board_after(
        started(),
        begun(1, 1),
        started(others=["one"], **other),
        {**begun(2, 2), **other},
        {**event("sweep_interrupted", 3), **other},
    )
    assert (board.state, list(board.running)) == ("running", ["1"])
    board.apply(event("sweep_finished", 4))
    assert (board.state, board.running) == ("finished", {})


def test_a_sweep_that_was_killed_does_not_keep_the_next_from_ending():
    board = board_after(started(), begun(1, 1), {**started(), "sweep": "two"})
    assert (board.state, board.running) == ("running", {})
    board.apply({**event("sweep_finished", 4), "sweep": "two"})
    assert board.state == "finished"


def test_before_the_first_sweep_there_is_nothing():
    board = Board()
    assert (board.state, board.finished, board.missing) == ("waiting", 0, [])
    assert board.seconds_left() is None


def test_earlier_results_count():
    board = board_after(started())
    assert board.state == "running"
    assert board.finished == 1
    assert board.missing == ["1", "2", "3", "4"]
    assert board.best["magnet"].accuracy == 0.6


def test_time_left_follows_from_the_cells_that_are_finished():
    board = board_after(started(), begun(1, 0), begun(2, 0))
    assert board.seconds_left(at(0)) is None
    board.apply(epoch(1, 4))
    assert board.seconds_left(at(0)) == (2 * 12 + 2 * 12) / 2
    board.apply(ended("done", 1, 10, seconds=10, accuracy=0.7))
    board.apply(begun(3, 10))
    assert board.seconds_left(at(12)) == (1 * 10 + 0 + 8) / 2


def test_the_best_of_a_loss_is_by_validation_and_failures_count_apart():
    board = board_after(started(), begun(1, 0), ended("done", 1, 5, 5, accuracy=0.5))
    board.apply(ended("failed", 2, 6, 1))
    assert board.best["magnet"].seed == 0
    board.apply(ended("done", 3, 9, 4, accuracy=0.9))
    assert (board.best["magnet"].accuracy, board.best["magnet"].seed) == (0.9, 3)
    assert list(board.outcomes["done"]) == ["0", "1", "3"]
    assert board.outcomes["failed"] == {"2": "the loss is nan"}
    assert board.missing == ["4"]


def test_a_sweep_that_is_begun_again_has_nothing_running_and_forgets_what_is_to_be_retried():
    board = board_after(started(), begun(1, 0), ended("failed", 2, 6, 1))
    assert list(board.running) == ["1"]
    board.apply({**started(), "sweep": "two"})
    assert (board.running, board.outcomes["failed"]) == ({}, {})
    board.apply({**event("sweep_interrupted", 9), "sweep": "two"})
    assert board.state == "interrupted"


def test_an_epoch_of_a_cell_that_another_sweep_began_is_shown_too():
    board = board_after(begun(1, 0), started(), epoch(1, 4))
    assert board.running["1"].epochs == 1


def test_a_cell_that_another_sweep_holds_is_not_running():
    board = board_after(
        started(), begun(1, 0), event("cell_held", 1, **who(1), holder="b on there")
    )
    assert board.running == {}
    assert "1" in board.missing


def test_as_json_it_says_all_of_it():
    board = board_after(started(), begun(1, 0), epoch(1, 4), ended("failed", 2, 6, 1))
    told = board.to_json()
    assert (told["state"], told["done"], told["missing"]) == ("running", ["0"], ["1", "3", "4"])
    assert told["failed"] == {"2": "the loss is nan"}
    assert told["running"]["1"]["val/acc"] == 0.5
    assert told["seconds_left"] is not None


def test_events_of_a_later_version_change_nothing():
    board = board_after(started(), event("moon_rose", 3))
    assert board.finished == 1


@pytest.mark.parametrize("broken", [{"cells": 3}, {"best": []}, {"done": 7}, {"others": None}])
def test_an_event_of_another_form_changes_nothing(broken: dict):
    board = board_after(started(), started(**({"executor": "ddp"} | broken)))
    assert (board.executor, board.finished, len(board.cells)) == ("actor", 1, 5)


def test_a_cell_has_one_outcome_the_last():
    board = board_after(started(), ended("failed", 1, 3, 2.0), ended("done", 1, 9, 2.0, 0.5))
    assert board.finished == 2
    assert not board.outcomes["failed"]


def test_away_from_a_terminal_there_is_a_line_per_cell():
    board = Board()
    page = io.StringIO()
    with Display(board, Console(file=page, width=80)) as display:
        for each in (
            started(),
            begun(1, 0),
            ended("done", 1, 5, 5, accuracy=0.75),
            ended("failed", 2, 6, 1),
            event("cell_held", 7, **who(3), holder="b on there"),
        ):
            board.apply(each)
            display.show(each)
    lines = page.getvalue().splitlines()
    assert lines[0].startswith(
        "[2/5] digits cnn magnet λ=0.5 seed=1: best validation 75.00% at epoch 2 of 3, 5 s; about"
    )
    assert lines[1].startswith("[3/5] digits cnn magnet λ=0.5 seed=2: FAILED: the loss is nan")
    assert "seed=3: is being run by another sweep (b on there)" in lines[2]
    assert len(lines) == 3
