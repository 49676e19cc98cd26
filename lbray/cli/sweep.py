"""`lbray sweep`: run an experiment's missing cells."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lbray.cli.completion import experiment_files
from lbray.cli.options import (
    data_root_option,
    parse_overrides,
    refuse_given,
    say_outdated,
    set_option,
    store_option,
)

if TYPE_CHECKING:
    from lbray.planning import Estimate, Placement, Plan
    from lbray.spec import Cell, Experiment
    from lbray.store import Store
    from lbray.sweep import Outcome


@click.command()
@click.argument("experiment", type=click.Path(path_type=Path), shell_complete=experiment_files)
@store_option
@data_root_option
@set_option
@click.option(
    "--executor",
    type=click.Choice(["auto", "actor", "ddp", "fused"]),
    default="auto",
    show_default=True,
    help="A process per cell, groups of workers that share each batch of one, or processes that "
    "train several together.",
)
@click.option(
    "--actors",
    type=click.IntRange(1),
    help="Processes, or with ddp groups, at a time.  [default: one per device]",
)
@click.option("--workers-per-cell", type=click.IntRange(1), help="Workers that share each batch.")
@click.option(
    "--lanes", type=int, help="Cells that a process trains together, with fused.  [default: 8]"
)
@click.option(
    "--gpus-per-cell",
    type=click.FloatRange(0, min_open=True),
    metavar="GPUS",
    help="Per worker; below 1, cells share a GPU.  [default: 1]",
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads per worker."
)
@click.option(
    "--address", metavar="ADDRESS", help="Run on this Ray cluster ('auto': the one here)."
)
@click.option("--max-cells", type=click.IntRange(1), help="Run at most so many cells.")
@click.option(
    "--max-hours",
    type=click.FloatRange(0, min_open=True),
    help="Stop after so long; the same command continues.",
)
@click.option(
    "--scheduler",
    metavar="NAME",
    help="For exploring: asha or median ends poor cells early, pbt moves λ; no table has them.",
)
@click.option(
    "--tracker",
    "trackers",
    multiple=True,
    metavar="NAME",
    help="Also report to this: mlflow or wandb. TensorBoard hears of each epoch in any case, if it "
    "is installed and the store is a folder, but with none.",
)
@click.option("--retry-failed", is_flag=True, help="Run cells again that are recorded as failed.")
@click.option("--dry-run", is_flag=True, help="Say what would run, and start nothing.")
@click.option(
    "--price-per-hour",
    type=click.FloatRange(0),
    help="Of one device; --dry-run then says what the sweep costs.",
)
def sweep(experiment: Path, store: str, overrides: tuple[str, ...], **options: Any) -> int:
    """Run the cells of EXPERIMENT that have no result yet.

    The same command again continues where this one ended, however it ended.
    """
    from lbray import spec
    from lbray.planning import plan
    from lbray.store import Store

    declared = spec.load(experiment, parse_overrides(overrides))
    artefacts = Store(store)
    scheduled = options["scheduler"] is not None
    if not options["dry_run"]:
        refuse_given("price_per_hour", because="only --dry-run says what a sweep costs")
    planned = plan(
        declared.cells(),
        artefacts,
        retry_failed=options["retry_failed"],
        keep_pruned=scheduled,
    )
    click.echo(
        f"{declared.name}: {len(planned.cells)} cells, {len(planned.done)} done, "
        f"{len(planned.failed)} failed, {len(planned.missing)} to run; store {store}",
        err=True,
    )
    say_outdated(planned)
    planned = planned.first(options["max_cells"])
    if options["dry_run"]:
        return _dry_run(declared, planned, artefacts, options)
    outcome = _run(declared, planned, artefacts, options)
    context = click.get_current_context()
    again, unpruned = _again(context, store), _again(context, store, without="scheduler")
    return _report(outcome, again, unpruned, declared.name, store)


def _run(declared: Experiment, planned: Plan, artefacts: Store, options: dict[str, Any]) -> Outcome:
    from lbray.sweep import Limits, sweep, trackers

    placement, why, _ = _place(planned, artefacts, options)
    if planned.missing:
        click.echo(f"{placement} ({why})", err=True)
    return sweep(
        declared,
        planned,
        artefacts,
        placement,
        data_root=options["data_root"],
        address=options["address"],
        limits=Limits(options["max_hours"], options["scheduler"]),
        trackers=trackers(options["trackers"], declared.name, artefacts, placement.executor),
    )


def _place(
    planned: Plan, artefacts: Store, options: dict[str, Any]
) -> tuple[Placement, str, Estimate | None]:
    """Who runs the cells and why, after all that can be known before; an estimate if it was needed
    for that, or is asked for."""
    from lbray.errors import InputError
    from lbray.planning import Machine, Wishes, estimate, place, preflight
    from lbray.sweep import cluster, scheduler
    from lbray.training import epoch_seconds

    address, data_root = options["address"], options["data_root"]
    wishes = Wishes(
        options["executor"],
        options["actors"],
        options["workers_per_cell"],
        options["gpus_per_cell"],
        options["threads"],
        options["lanes"],
    )
    here = Machine.detect()
    there = here if address is None else cluster(address)
    machine = there if address is None else there.grown(wishes)
    placement, why = place(planned.missing, machine, wishes)
    if planned.missing and (lacking := there.lacks(placement)):
        click.echo(f"no node has {lacking} now: cells wait until one joins that has", err=True)
    if options["scheduler"] is not None:
        scheduler(options["scheduler"], planned.missing, placement.executor)
    found = preflight(planned, artefacts, data_root, placement.cells_at_once)
    for dataset in found.datasets:
        click.echo(f"data: {dataset.name}, {dataset.source}", err=True)
    if placement.workers_per_cell > 1 and found.unshareable is not None:
        given = "--executor is ddp"
        if wishes.workers_per_cell is not None:
            given = f"--workers-per-cell is {wishes.workers_per_cell}"
        raise InputError(f"{given}, but {found.unshareable}; use --executor actor.")
    few = len(planned.missing) < placement.at_once and wishes.executor == "auto"
    if not (options["dry_run"] or few or placement.executor == "ddp"):
        return placement, why, None

    def measure(cell: Cell) -> float:
        return epoch_seconds(cell, artefacts, data_root, machine.device, options["threads"])

    estimated = estimate(
        planned,
        placement,
        measure if machine.device == here.device else None,
        abroad=options["dry_run"],
    )
    trial_per_cell = options["scheduler"] is not None or bool(options["trackers"])
    seconds = None if trial_per_cell or estimated is None else estimated.per_cell
    placed, because = place(planned.missing, machine, wishes, seconds)
    if placed.workers_per_cell > 1 and found.unshareable is not None:
        return placement, found.unshareable, estimated
    return placed, because, estimated


def _dry_run(declared: Experiment, planned: Plan, artefacts: Store, options: dict[str, Any]) -> int:
    from lbray.monitor import duration
    from lbray.sweep import trackers

    placement, why, estimated = _place(planned, artefacts, options)
    trackers(options["trackers"], declared.name, artefacts, placement.executor)
    for name, count in _reused(declared.name, planned, artefacts).items():
        click.echo(f"of those done, {count} are shared with the experiment {name}", err=True)
    cells = planned.missing
    if cells:
        click.echo(f"{placement} ({why})", err=True)
    if estimated is None:
        click.echo(
            "no estimate: there is no such device here, and no finished cell tells the rate",
            err=True,
        )
    elif estimated.per_cell is not None:
        each = placement.cell_seconds(estimated.per_cell) * placement.devices_per_cell
        hours, cost = len(cells) * each / 3600, options["price_per_hour"]
        wall = placement.sweep_seconds(len(cells), estimated.per_cell)
        rates = [f"by finished cells for {estimated.stored} of {estimated.kinds} kinds of cells"]
        if tried := estimated.kinds - estimated.stored:
            rates.append(f"for the other {tried} by a few batches, as if no cell stopped early")
        click.echo(
            f"about {duration(wall)}, {hours:.3g} device-hours"
            + (f", {hours * cost:.2f} at {cost:g} per hour" if cost is not None else "")
            + f" ({'; '.join(rates)})",
            err=True,
        )
        if estimated.by_baselines:
            click.echo("rather more: of a distance loss only baselines tell", err=True)
        if 0 < placement.gpus < 1:
            click.echo("rather more: cells that share a GPU slow one another", err=True)
        if options["max_hours"] is not None and wall > 3600 * options["max_hours"]:
            click.echo(f"--max-hours ends it after {options['max_hours']:g} h", err=True)
    for cell in cells:
        click.echo(f"{cell.id}  {cell.label}")
    return 0


def _again(context: click.Context, store: str, without: str | None = None) -> str:
    """The command that was given, to be given again: with the store wherever it was named, and
    without --retry-failed, as what fails anew would be tried for ever, or another option."""
    words = ["lbray", "sweep"]
    for parameter in context.command.params:
        name, value = str(parameter.name), context.params[str(parameter.name)]
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif name == "store":
            words += ["--store", store]
        elif given and name not in ("retry_failed", without):
            values = value if parameter.multiple else [value]
            words += [word for each in values for word in (parameter.opts[0], str(each))]
    return shlex.join(words)


def _reused(name: str, planned: Plan, artefacts: Store) -> dict[str, int]:
    """How many of the cells that are done each other experiment has too."""
    done = {cell.id for cell in planned.done}
    shared = {
        other: len(done.intersection(artefacts.experiment_cell_ids(other)))
        for other in artefacts.experiments()
        if other != name
    }
    return {other: count for other, count in shared.items() if count}


def _report(outcome: Outcome, again: str, unpruned: str, name: str, store: str) -> int:
    """The last line, and the exit code."""
    failed, pruned = outcome.count("failed"), outcome.count("pruned")
    if outcome.unavailable is not None:
        click.echo(
            f"stopped with {outcome.missing} cells to go: {outcome.unavailable} When that is "
            f"mended, the same command continues: {again}",
            err=True,
        )
        return 130
    if outcome.interrupted:
        click.echo(
            f"interrupted with {outcome.missing} cells to go; the same command continues: {again}",
            err=True,
        )
        return 130
    if failed:
        click.echo(
            f"{failed} of {outcome.total} cells failed (lbray status {name} --store {store} says "
            f"why); to run them again: {again} --retry-failed",
            err=True,
        )
        return 1
    if outcome.missing:
        click.echo(f"{outcome.missing} cells to go; the same command continues: {again}", err=True)
    elif pruned:
        click.echo(
            f"{pruned} of {outcome.total} cells were pruned, and no table will have them; to train "
            f"them to their end: {unpruned}",
            err=True,
        )
    else:
        click.echo(
            f"all {outcome.total} cells done: lbray analyze {name} --store {store}", err=True
        )
    return 0
