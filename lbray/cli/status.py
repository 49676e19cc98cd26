"""`lbray status` and `lbray watch`: how a sweep stands, from its events."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from lbray.cli.completion import experiments
from lbray.cli.options import experiment_name, store_option

if TYPE_CHECKING:
    from lbray.monitor import Board
    from lbray.store import EventLog, Store

_POLL_S = 1.0


@click.command()
@click.argument("experiment", shell_complete=experiments)
@store_option
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def status(experiment: str, store: str, as_json: bool) -> int:
    """Say how the sweep of EXPERIMENT (its name or its YAML file) stands, and why cells failed.

    As its events tell it: from any terminal, while it runs or afterwards. A sweep that no longer
    renews its claim to be alive was killed.
    """
    from lbray.monitor import Board, duration, headline
    from lbray.store import Store

    artefacts = Store(store)
    experiment = experiment_name(experiment, artefacts)
    artefacts.experiment_cell_ids(experiment)
    board, log = Board(), artefacts.event_log(experiment)
    _advance(board, log, artefacts)
    if board.sweeps:
        _advance(board, log, artefacts)  # now it is known whom to look for
    if as_json:
        click.echo(json.dumps(board.to_json(), indent=2))
        return 0
    click.echo(f"{experiment}: {headline(board)}, {len(board.missing)} missing")
    if board.updated is not None:
        ago = (datetime.now(UTC) - board.updated).total_seconds()
        click.echo(f"last heard of {duration(ago)} ago")
    for run in board.running.values():
        click.echo(f"running  {run.label}: epoch {run.epochs} of {run.max_epochs}")
    for kind in ("failed", "pruned"):
        for cell, reason in board.outcomes[kind].items():
            click.echo(f"{kind}  {cell}  {_label(artefacts, cell)}: {reason}")
    return 0


def _advance(board: Board, log: EventLog, store: Store) -> list[dict[str, Any]]:
    """Apply the events since the last call, and bury the sweeps that the board had before and that
    are dead without a word; returns the events."""
    from lbray.store import lives

    dead = {sweep for sweep in board.sweeps if not lives(store.files, sweep)}
    events = log.read()  # after the look: a sweep says that it ends while it lives
    for event in events:
        board.apply(event)
    board.bury(dead)
    return events


def _label(store: Store, cell_id: str) -> str:
    from lbray.errors import DamagedArtefact

    try:
        return store.cell(cell_id).cell().label
    except DamagedArtefact:
        return "(its files are gone or damaged)"


@click.command()
@click.argument("experiment", shell_complete=experiments)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Each event as a line of JSON.")
def watch(experiment: str, store: str, as_json: bool) -> int:
    """Follow the sweep of EXPERIMENT (its name or its YAML file) until it ends.

    From any terminal, also before the first sweep begins and, if one is killed, until another takes
    its place and ends; at once if the last one has ended.
    """
    from rich.console import Console

    from lbray.monitor import Board, Display, headline
    from lbray.store import Store

    artefacts = Store(store).patient()
    experiment = experiment_name(experiment, artefacts)
    board, log = Board(), artefacts.event_log(experiment)
    console = Console(stderr=True, quiet=as_json)
    with Display(board, console) as display:
        while True:
            before = board.state
            for event in _advance(board, log, artefacts):
                if as_json:
                    click.echo(json.dumps(event))
                display.show(event)
            if board.state == "killed" != before:
                told = f"{experiment}: {headline(board)}, waiting for another sweep"
                console.print(told, highlight=False, markup=False, soft_wrap=True)
            if board.state in ("finished", "interrupted"):
                break
            time.sleep(_POLL_S)
            display.refresh()
    click.echo(f"{experiment}: {headline(board)}", err=True)
    return 0
