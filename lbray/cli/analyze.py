"""`lbray analyze`: stored cells to tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
    import analysis
    from analysis import tables as render
    from lbray import spec
    from lbray.errors import InputError
    from lbray.store import Store

    name = spec.load(experiment).name if Path(experiment).is_file() else experiment
    artefacts = Store(store)
    frame = analysis.load(artefacts, name)
    if frame.empty:
        raise InputError(
            f"experiment is '{name}', of which the store '{store}' has no finished cell yet "
            f"({len(analysis.left_out(frame))} missing or failed); run lbray sweep first."
        )
    frame = analysis.with_structure(frame, artefacts, data_root, _progress("measuring cells"))
    if frame.empty:
        raise InputError(f"experiment is '{name}', of which no cell's weights can be used.")
    frame = analysis.with_similarity(frame, artefacts, data_root, _progress("comparing latents"))
    frame = analysis.with_epochs_to_baseline(frame, artefacts)
    summary = analysis.summarise(frame)
    made = render.tables(
        summary, analysis.left_out(frame), analysis.choices(frame), analysis.compare(frame)
    )
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


def _progress(what: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{what}: {done}/{total}", err=True, nl=done == total)

    return show
