"""`lbray run`: train one cell in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lbray.cli.options import data_root_option, parse_overrides, say_outdated, store_option

if TYPE_CHECKING:
    from lbray.spec import Cell
    from lbray.store import Claims, Store


@click.command()
@click.argument("settings", nargs=-1, metavar="KEY=VALUE...")
@store_option
@data_root_option
@click.option("--threads", type=click.IntRange(1), help="Threads.  [default: every core]")
def run(settings: tuple[str, ...], store: str, data_root: Path | None, threads: int | None) -> int:
    """Train one cell here, without Ray, and print its result as JSON.

    The seed is 0 unless it is given. A cell that failed before is tried again.

    For example: lbray run dataset=digits loss=magnet lambda=0.5 seed=0 max_epochs=10

    \b
    With parameters: lbray run dataset=digits lambda=0.5 'loss={name: triplet, margin: 0.2}'
    """
    import torch

    from lbray.planning import plan, preflight, reopen
    from lbray.spec import single
    from lbray.store import Store
    from lbray.training import run_cell

    cell = single({"seed": 0, **parse_overrides(settings, "the setting")})
    artefacts = Store(store)
    planned = plan([cell], artefacts, retry_failed=True)
    preflight(planned, artefacts, data_root, at_once=1)
    click.echo(f"{cell.id}  {cell.label}", err=True)
    say_outdated(planned)
    result = planned.results.get(cell.id)
    if result is not None:
        click.echo(f"it is in {store} already, and not trained again", err=True)
    else:
        torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
        patient = artefacts.patient()
        with _to_itself(cell, patient) as claims:
            reopen([cell], planned, patient)
            result = run_cell(
                cell,
                patient,
                data_root=data_root,
                device="cuda" if torch.cuda.is_available() else "cpu",
                reporter=_Lines(),
                claims=claims,
            )
    assert result is not None, "only a reporter ends a training early, and this one does not"
    click.echo(json.dumps(result.model_dump(), indent=2))
    return 0 if result.done else 1


@contextmanager
def _to_itself(cell: Cell, store: Store) -> Iterator[Claims]:
    """A cell that no sweep trains meanwhile."""
    from lbray.errors import InputError
    from lbray.store import Lease

    with Lease(store.files) as lease:
        holder = lease.claim(cell.id)
        if holder is not None:
            raise InputError(
                f"the cell is {cell.id}, which {holder} is training; wait for it, or give another "
                "--store."
            )
        yield lease


class _Lines:
    """One line per epoch."""

    def epoch(self, metrics: Mapping[str, Any]) -> bool:
        click.echo(
            f"epoch {metrics['epoch'] + 1}: loss {metrics['train/loss']:.4f}, validation "
            f"{metrics['val/acc']:.2%}, {metrics['time/epoch_s']:.1f} s",
            err=True,
        )
        return False
