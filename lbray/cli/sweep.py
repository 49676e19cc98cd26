"""`lbray sweep`: run an experiment's missing cells."""

from __future__ import annotations

from pathlib import Path

import click

from lbray.cli.options import data_root_option, parse_overrides, set_option, store_option


@click.command()
@click.argument("experiment", type=click.Path(path_type=Path))
@store_option
@data_root_option
@set_option
@click.option("--actors", type=click.IntRange(1), help="Cells at a time.  [default: one per core]")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads per cell."
)
@click.option("--retry-failed", is_flag=True, help="Run cells again that are recorded as failed.")
@click.option("--dry-run", is_flag=True, help="Say what would run, and start nothing.")
def sweep(
    experiment: Path,
    store: str,
    data_root: Path | None,
    overrides: tuple[str, ...],
    actors: int | None,
    threads: int,
    retry_failed: bool,
    dry_run: bool,
) -> int:
    """Run the cells of EXPERIMENT that have no result yet.

    The same command again continues where this one ended, however it ended.
    """
    from lbray import spec
    from lbray.planning import plan, preflight
    from lbray.store import Store
    from lbray.sweep import Machine
    from lbray.sweep import sweep as run_sweep

    declared = spec.load(experiment, parse_overrides(overrides))
    artefacts = Store(store)
    planned = plan(declared.cells(), artefacts, retry_failed=retry_failed)
    machine = Machine.detect(actors, threads)
    click.echo(
        f"{declared.name}: {len(planned.cells)} cells, {len(planned.done)} done, "
        f"{len(planned.failed)} failed, {len(planned.missing)} to run, "
        f"{machine.actors} at a time on {machine.device}; store {store}",
        err=True,
    )
    if dry_run:
        for cell in planned.missing:
            click.echo(f"{cell.id}  {cell.label}")
        return 0
    for dataset in preflight(planned, artefacts, data_root, machine.actors):
        click.echo(f"data: {dataset.name}, from {dataset.source}", err=True)
    outcome = run_sweep(declared, planned, artefacts, machine, data_root=data_root)
    again = f"lbray sweep {experiment} --store {store}"
    if outcome.interrupted:
        click.echo(
            f"interrupted with {outcome.missing} cells to go; the same command continues: {again}",
            err=True,
        )
        return 130
    if outcome.failed:
        click.echo(
            f"{outcome.failed} of {outcome.total} cells failed (lbray status {declared.name} says "
            f"why); to run them again: {again} --retry-failed",
            err=True,
        )
        return 1
    click.echo(
        f"all {outcome.total} cells done: lbray analyze {declared.name} --store {store}", err=True
    )
    return 0
