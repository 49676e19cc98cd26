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
    from analysis import left_out, load, summarise, with_structure
    from analysis import tables as render
    from lbray import spec
    from lbray.errors import InputError
    from lbray.store import Store

    name = spec.load(experiment).name if Path(experiment).is_file() else experiment
    artefacts = Store(store)
    frame = load(artefacts, name)
    if frame.empty:
        raise InputError(
            f"experiment is '{name}', of which the store '{store}' has no finished cell yet "
            f"({len(left_out(frame))} missing or failed); run lbray sweep first."
        )
    frame = with_structure(frame, artefacts, data_root, _progress)
    if frame.empty:
        raise InputError(f"experiment is '{name}', of which no cell's weights can be used.")
    summary = summarise(frame)
    made = render.tables(summary, left_out(frame))
    click.echo(render.as_text(made), nl=False)
    if out is not None:
        try:
            paths = render.write(out, made, frame, summary)
        except OSError as problem:
            raise InputError(
                f"--out is '{out}', which cannot be written: {problem.strerror}."
            ) from None
        click.echo(f"wrote {', '.join(map(str, paths))}", err=True)
    return 0


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rmeasuring latents: {done}/{total}", err=True, nl=done == total)
