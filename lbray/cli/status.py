"""`lbray status`: what the store holds of an experiment."""

from __future__ import annotations

import json

import click

from lbray.cli.options import store_option


@click.command()
@click.argument("experiment")
@store_option
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def status(experiment: str, store: str, as_json: bool) -> int:
    """Count the done, failed and missing cells of EXPERIMENT (its name); say why some failed."""
    from lbray.store import Store

    artefacts = Store(store)
    results = {cell: artefacts.result(cell) for cell in artefacts.experiment_cell_ids(experiment)}
    done = [cell for cell, result in results.items() if result is not None and result.done]
    failed = {cell: r.reason for cell, r in results.items() if r is not None and not r.done}
    missing = [cell for cell, result in results.items() if result is None]
    if as_json:
        click.echo(json.dumps({"done": done, "failed": failed, "missing": missing}, indent=2))
        return 0
    click.echo(f"{experiment}: {len(done)} done, {len(failed)} failed, {len(missing)} missing")
    for cell, reason in failed.items():
        click.echo(f"failed  {cell}  {artefacts.cell(cell).cell().label}: {reason}")
    return 0
