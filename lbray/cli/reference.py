"""The reference of the command line as Markdown: what `--help` says of each command."""

from __future__ import annotations

from collections.abc import Iterator

import click

WIDTH = 100


def markdown(command: click.Command, name: str = "lbray") -> str:
    """A section for a command and for each one below it."""
    return "\n\n".join(
        f"## `{path}`\n\n```\n{each.get_help(context)}\n```"
        for path, each, context in _commands(command, name)
    )


def _commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, **command.context_settings
    )
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            each = command.get_command(context, below)
            if each is not None:
                yield from _commands(each, below, context)
