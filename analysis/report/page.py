"""The report's page: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

import matplotlib
from matplotlib.figure import Figure

from analysis.report.explorer import ExplorerGroup, explorer_data
from analysis.tables import Table


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure in the page.

    Attributes:
        name: of its files, without a suffix.
        title: what it shows, in a few words.
        caption: how to read it.
        figure: the figure itself.
        wide: whether it takes the whole width.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    wide: bool = False


@dataclass(frozen=True)
class Findings:
    """What the tables say, in plain sentences, and what they do not allow one to say."""

    sentences: tuple[str, ...]
    caveats: tuple[str, ...]


def page(
    title: str,
    description: str,
    findings: Findings,
    groups: Sequence[ExplorerGroup],
    pictures: Sequence[Picture],
    tables: Sequence[Table],
    footer: str,
) -> str:
    """The page as HTML. Every text is escaped: names of classes, cells and folders are the user's.

    Args:
        title: of the page.
        description: a line below it.
        findings: shown first.
        groups: for the latent explorer; without one there is none in the page.
        pictures: embedded.
        tables: sortable.
        footer: how the page was made.
    """
    sections = {"Summary": ("summary", _findings(findings))}
    if groups:
        sections["Latent explorer"] = ("explorer", _resource("explorer.html"))
    if pictures:
        shown = "\n".join(_picture(picture) for picture in pictures)
        sections["Figures"] = ("figures", f'<div class="figures">\n{shown}\n</div>')
    sections["Tables"] = ("tables", "\n".join(_table(table) for table in tables))
    return Template(_resource("template.html")).substitute(
        title=escape(title),
        description=escape(description),
        css=_resource("report.css"),
        contents="".join(
            f'<li><a href="#{key}">{escape(name)}</a></li>' for name, (key, _) in sections.items()
        ),
        sections="\n".join(
            f'<section id="{key}" class="{key}-section"><h2>{escape(name)}</h2>\n{body}\n</section>'
            for name, (key, body) in sections.items()
        ),
        footer=escape(footer),
        explorer_data=explorer_data(groups),
        tables_js=_resource("tables.js"),
        explorer_js=_resource("explorer.js") if groups else "",
    )


def _resource(name: str) -> str:
    return files("analysis.report").joinpath(name).read_text(encoding="utf-8")


def _findings(findings: Findings) -> str:
    said = _items(findings.sentences)
    if not findings.caveats:
        return said
    return f'{said}\n<div class="caveats"><h3>Caveats</h3>{_items(findings.caveats)}</div>'


def _items(sentences: Sequence[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(each)}</li>" for each in sentences)}</ul>'


def _picture(picture: Picture) -> str:
    width, height = picture.figure.get_size_inches()
    buffer = io.BytesIO()
    with matplotlib.rc_context({"savefig.facecolor": "white"}):
        picture.figure.savefig(
            buffer, format="webp", dpi=150, pil_kwargs={"lossless": True, "method": 2}
        )
    source = base64.b64encode(buffer.getvalue()).decode("ascii")
    kind = ' class="wide"' if picture.wide else ""
    return (
        f'<figure{kind}><div class="plate"><img alt="{escape(picture.title)}" '
        f'width="{round(96 * width)}" height="{round(96 * height)}" '
        f'src="data:image/webp;base64,{source}"></div>'
        f"<figcaption><b>{escape(picture.title)}.</b> {escape(picture.caption)}</figcaption>"
        "</figure>"
    )


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{escape(name)}</button></th>'
        for name in table.header
    )
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    notes = "".join(f'<p class="notes">{escape(note)}</p>' for note in table.notes)
    return (
        f'<h3>{escape(table.title)}</h3>\n<div class="scroll"><table class="sortable">'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n{notes}"
    )
