"""`lbray audit`: whether a printed table can be true."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from analysis.audit import Check

_WIDTH = 100


@click.command()
@click.argument("table", type=click.Path(dir_okay=False, path_type=Path), metavar="TABLE.csv")
@click.option(
    "--runs",
    type=click.IntRange(2, 10),
    default=5,
    show_default=True,
    help="Over how many runs its means are said to be.",
)
def audit(table: Path, runs: int) -> int:
    """Check the numbers of a printed TABLE.csv against one another.

    Micro-F1 against accuracy, relative changes recomputed within rounding, means and standard
    deviations of whole numbers. docs/analysis.md describes the columns.
    """
    from analysis import printed
    from analysis.audit import audit as audited

    checks = audited(printed.read(table), runs)
    if not checks:
        click.echo("Nothing to check: no accuracy with an F1, no printed change, no epochs.")
    click.echo("\n\n".join(map(_text, checks)), nl=bool(checks))
    return 0


def _text(check: Check) -> str:
    heading = f"{check.name}: {len(check.findings)} of {check.examined} do not hold"
    meaning = textwrap.fill(check.meaning, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    findings = [
        textwrap.fill(each, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
        for each in check.findings
    ]
    return "\n".join([heading, meaning, *findings])
