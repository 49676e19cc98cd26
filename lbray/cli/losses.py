"""`lbray losses`: what losses there are, and what each does."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from lbray.cli.completion import losses as loss_names

if TYPE_CHECKING:
    from lbray.losses import Description

_WIDTH = 100


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=loss_names)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def losses(names: tuple[str, ...], as_json: bool) -> int:
    """Describe the losses: equation, parameters with their defaults, what to know of each.

    All that have a name, or those given: also pml:CLASS, or MODULE:ATTRIBUTE of your own.
    """
    from dataclasses import asdict

    from lbray import losses as registry

    described = [registry.describe(name) for name in names or registry.names()]
    if as_json:
        objects = {each.name: asdict(each) for each in described}
        click.echo(json.dumps(objects, indent=2, ensure_ascii=False, default=str))
        return 0
    click.echo("\n\n".join(map(_text, described)))
    if not names:
        click.echo(
            "\nBesides: pml:CLASS, a loss of pytorch-metric-learning, and MODULE:ATTRIBUTE, your "
            "own;\nlbray losses NAME describes these too."
        )
    return 0


def _text(loss: Description) -> str:
    lines = [f"{loss.name}: {loss.title}" if loss.title else loss.name]
    if loss.text:
        lines += ["", textwrap.indent(loss.text, "    ")]
    if loss.parameters:
        lines.append("")
    for name, parameter in loss.parameters.items():
        if parameter.filled_in:
            default = "from data and backbone"
        else:
            default = "no default" if parameter.required else json.dumps(parameter.default)
        lines += textwrap.wrap(
            f"{name} ({default}): {parameter.note}" if parameter.note else f"{name} ({default})",
            _WIDTH,
            initial_indent="    ",
            subsequent_indent="        ",
        )
    if loss.default_warmup_epochs:
        lines += ["", f"    warmup_epochs is {loss.default_warmup_epochs} unless it is set."]
    return "\n".join(lines)
