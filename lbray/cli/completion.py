"""What a shell may complete: names in a local store, YAML files, datasets and losses.

An object store is not asked, since a shell must not wait for a network.
"""

from __future__ import annotations

import os
from glob import escape, glob
from pathlib import Path

import click
from click.shell_completion import CompletionItem

SUFFIXES = (".yaml", ".yml")


def experiment_files(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The YAML files that begin so, and the folders, which may hold some."""
    found = sorted(glob(f"{escape(incomplete)}*"))  # noqa: PTH207 (paths stay as begun)
    files = [CompletionItem(path) for path in found if path.endswith(SUFFIXES)]
    folders = [CompletionItem(f"{path}/") for path in found if Path(path).is_dir()]
    return [*files, *folders]


def experiment_names(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The experiments in the store."""
    store = context.params.get("store") or os.environ.get("LBRAY_STORE", "results")
    records = [] if "://" in store else Path(store).expanduser().glob("experiments/*.json")
    return _beginning(incomplete, sorted(record.stem for record in records))


def experiments(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The experiments in the store, and YAML files."""
    return [
        *experiment_names(context, parameter, incomplete),
        *experiment_files(context, parameter, incomplete),
    ]


def datasets(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The datasets that have a name."""
    from lbray import data

    return _beginning(incomplete, data.names())


def losses(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The losses that have a name."""
    from lbray import losses as registry

    return _beginning(incomplete, registry.names())


def _beginning(incomplete: str, names: list[str] | tuple[str, ...]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
