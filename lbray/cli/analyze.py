"""`lbray analyze`: stored cells to tables."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lbray.cli.options import data_root_option, store_option


@click.command()
@click.argument("experiment")
@store_option
@data_root_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Also write files here."
)
def analyze(experiment: str, store: str, data_root: Path | None, out: Path | None) -> int:
    """Print the tables of EXPERIMENT (its name, or its YAML file) from its stored cells alone.

    With --out, write them as text, Markdown, LaTeX and CSV too.
    """
    from analysis import load, summarise, with_structure
    from analysis import tables as render
    from lbray import spec
    from lbray.errors import InputError
    from lbray.store import Store

    name = spec.load(experiment).name if Path(experiment).is_file() else experiment
    artefacts = Store(store)
    cells = load(artefacts, name)
    if cells.frame.empty:
        raise InputError(
            f"experiment is '{name}', of which the store '{store}' has no finished cell yet "
            f"({len(cells.left_out)} missing or failed); run lbray sweep first."
        )
    cells = with_structure(cells, artefacts, data_root, _progress)
    if cells.frame.empty:
        raise InputError(f"experiment is '{name}', of which no cell's weights can be used.")
    summary = summarise(cells.frame)
    made = render.tables(summary, cells.left_out)
    click.echo(render.as_text(made), nl=False)
    if out is not None:
        try:
            paths = render.write(out, made, cells.frame, summary)
        except OSError as problem:
            raise InputError(
                f"--out is '{out}', which cannot be written: {problem.strerror}."
            ) from None
        click.echo(f"wrote {', '.join(map(str, paths))}", err=True)
    return 0


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rmeasuring latents: {done}/{total}", err=True, nl=done == total)
