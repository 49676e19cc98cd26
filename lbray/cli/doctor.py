"""`lbray doctor`: whether everything that a sweep needs is there, before it starts."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lbray.cli.completion import datasets as dataset_names
from lbray.cli.completion import experiment_files
from lbray.cli.options import data_root_option


@click.command()
@click.argument(
    "experiment",
    required=False,
    type=click.Path(path_type=Path),
    shell_complete=experiment_files,
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Of a Ray cluster ('auto': the one here), or of its dashboard (http://…).",
)
@click.option(
    "--bring-worker",
    is_flag=True,
    help="Where a cluster has no worker yet, have one started (minutes), to look at it too.",
)
@click.option(
    "--cluster",
    "cluster_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also see whether a cluster can be made from this file, and ask its cloud.",
)
@click.option(
    "--store",
    envvar="LBRAY_STORE",
    show_envvar=True,
    metavar="URI",
    help="Try to use this store.",
)
@data_root_option
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="NAME",
    shell_complete=dataset_names,
    help="One that must be there.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON list, a machine each.")
def doctor(
    experiment: Path | None,
    address: str | None,
    bring_worker: bool,
    cluster_file: Path | None,
    store: str | None,
    data_root: Path | None,
    datasets: tuple[str, ...],
    as_json: bool,
) -> int:
    """Say what is there for a sweep, and in a sentence each what is in the way.

    Here; with --address, on every node of a cluster too. The datasets of EXPERIMENT (a YAML file)
    must be there.
    """
    from dataclasses import asdict

    from lbray import spec
    from lbray.errors import InputError
    from lbray.planning import checkup, cloud_problems

    if bring_worker and address is None:
        raise InputError("--bring-worker is given, but no cluster: give --address, too.")
    if experiment is not None:
        datasets = (*datasets, *{cell.dataset: None for cell in spec.load(experiment).cells()})
    problems = [] if cluster_file is None else cloud_problems(cluster_file)
    if address is None:
        machines = [checkup(store, data_root, datasets)]
    else:
        from lbray.sweep import checkups

        here = checkup()
        machines = checkups(address, store, data_root, datasets, bring_worker)
        problems += [each for machine in machines for each in here.differences(machine)]
    problems += [each for machine in machines for each in machine.problems]
    if as_json:
        click.echo(json.dumps([asdict(machine) for machine in machines], ensure_ascii=False))
    else:
        for machine in machines:
            versions = ", ".join(f"{kind} {text}" for kind, text in machine.versions.items())
            click.echo(f"{machine.host}: {versions}")
            gpus = ", ".join(machine.gpus) or "no GPU"
            click.echo(f"  devices: {machine.cores} cores, {gpus}")
            if machine.store is not None:
                click.echo(f"  store: {machine.store}")
            for name, where in machine.datasets.items():
                click.echo(f"  data: {name}, {where}")
        if not problems:
            click.echo("nothing is in the way")
    for problem in dict.fromkeys(problems):
        click.echo(f"lbray: {problem}", err=True)
    return 2 if problems else 0
