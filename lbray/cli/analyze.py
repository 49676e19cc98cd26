"""`lbray analyze`: stored cells to tables and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lbray.cli.completion import experiments
from lbray.cli.options import (
    Folder,
    data_root_option,
    experiment_name,
    refuse_given,
    store_option,
)

if TYPE_CHECKING:
    from analysis.report import MapChoice


@click.command()
@click.argument("experiment", shell_complete=experiments)
@store_option
@data_root_option
@click.option("--out", type=Folder(), help="Also write files here.")
@click.option(
    "--maps",
    type=click.Choice(["chosen", "all", "none"]),
    default="chosen",
    show_default=True,
    help="Networks in the report's explorer: the baseline and each loss at its chosen λ, or every "
    "treatment; one seed each.",
)
@click.option(
    "--paper-mode", is_flag=True, help="t-SNE with scikit-learn's defaults, as in the paper."
)
def analyze(
    experiment: str,
    store: str,
    data_root: Path | None,
    out: Path | None,
    maps: MapChoice,
    paper_mode: bool,
) -> int:
    """Print the tables of EXPERIMENT (its name, or its YAML file) from its stored cells.

    With --out, write them as text, Markdown, LaTeX and CSV too, every figure as PDF and PNG, and
    report.html: one page with the findings, an explorer of the latents, the figures and tables.
    """
    import analysis
    from analysis import tables as render
    from analysis.paper_layout import paper_tables
    from analysis.report import LARGE, ReportSettings, write_report
    from lbray.errors import InputError
    from lbray.store import Store

    if out is None:
        refuse_given("maps", "paper_mode", because="no report is written without --out FOLDER")
    artefacts = Store(store)
    name = experiment_name(experiment, artefacts)
    frame = analysis.load(artefacts, name)
    if frame.empty:
        raise InputError(
            f"experiment is '{name}', of which the store '{store}' has no finished cell yet "
            f"({len(analysis.left_out(frame))} missing or failed); run lbray sweep first."
        )
    frame = analysis.with_structure(frame, artefacts, data_root, _say)
    if frame.empty:
        *_, why = analysis.left_out(frame).values()
        raise InputError(
            f"experiment is '{name}', of which no cell's weights can be used; the last one's "
            f"reason: {why}"
        )
    frame = analysis.with_similarity(frame, artefacts, data_root, _say)
    frame = analysis.with_epochs_to_baseline(frame, artefacts)
    summary = analysis.summarise(frame)
    made = render.tables(
        summary,
        analysis.left_out(frame),
        analysis.choices(frame),
        analysis.compare(frame),
        analysis.untouched(frame),
    )
    made += paper_tables(analysis.beside_paper(summary))
    click.echo(render.as_text(made), nl=False)
    if out is not None:
        try:
            paths = render.write(out, made, frame, summary)
            page, *figures = write_report(
                out,
                artefacts,
                name,
                frame,
                summary,
                made,
                ReportSettings(maps, paper_mode),
                data_root,
                _say,
            )
        except OSError as problem:
            raise InputError(
                f"--out is '{out}', which cannot be written: {problem.strerror}."
            ) from None
        click.echo(f"wrote {', '.join(map(str, paths))}", err=True)
        click.echo(f"wrote {len(figures)} files in {out / 'figures'}", err=True)
        size = page.stat().st_size
        click.echo(f"wrote {page} ({size / 1e6:.1f} MB): open it in a browser", err=True)
        if size > LARGE:
            click.echo(
                f"warning: {page} is larger than {LARGE / 1e6:.0f} MB, and slow to open and send; "
                "map fewer networks (--maps chosen or none) or test fewer images (test_size).",
                err=True,
            )
    return 0


def _say(line: str) -> None:
    click.echo(line, err=True)
