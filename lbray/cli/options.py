"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from click.core import ParameterSource

from lbray.cli.completion import SUFFIXES
from lbray.errors import InputError

if TYPE_CHECKING:
    from lbray.planning import Plan
    from lbray.store import Store


class Folder(click.Path):
    """A folder, which need not be there; with a ``~`` at its beginning that no shell has replaced,
    as in ``--out=~/report``."""

    def __init__(self, resolve: bool = False) -> None:
        super().__init__(file_okay=False, path_type=Path, resolve_path=resolve)

    def convert(self, value: Any, *context: Any) -> Any:
        """See `click.Path`."""
        return super().convert(Path(value).expanduser(), *context)


store_option = click.option(
    "--store",
    default="results",
    show_default=True,
    envvar="LBRAY_STORE",
    show_envvar=True,
    metavar="URI",
    help="Where artefacts go: a folder, s3://… or gs://….",
)
data_root_option = click.option(
    "--data-root",
    type=Folder(resolve=True),
    envvar="LBRAY_DATA",
    show_envvar=True,
    help="Where datasets lie.  [default: ~/.cache/lbray/datasets]",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a setting in every block; a list makes an axis: --set 'seed=[0, 1]'.",
)


def refuse_given(*options: str, because: str) -> None:
    """Refuse options that do nothing in this call.

    Raises:
        InputError: one of them stands on the command line.
    """
    context = click.get_current_context()
    for option in options:
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            raise InputError(f"--{option.replace('_', '-')} is given, but {because}.")


def experiment_name(name_or_file: str, store: Store) -> str:
    """The name of an experiment that is given by it or by its YAML file.

    Raises:
        InputError: what looks like a file is none, nor the name of an experiment in the store.
    """
    from lbray import spec

    path = Path(name_or_file)
    if path.is_file():
        return spec.load(path).name
    if path.suffix in SUFFIXES or path.name != name_or_file:
        known = store.experiments()
        if name_or_file not in known:
            raise InputError(
                f"experiment is '{name_or_file}', but there is no such file, and the store "
                f"'{store.location}' has no experiment of that name (it has "
                f"{', '.join(known) or 'none yet'})."
            )
    return name_or_file


def say_outdated(planned: Plan) -> None:
    """Warn of cells that count as done though their loss's or backbone's file has changed since."""
    if planned.outdated:
        names = ", ".join(sorted({name for names in planned.outdated.values() for name in names}))
        click.echo(
            f"note: the file of {names} has changed since {len(planned.outdated)} of these cells "
            "were trained; they count as done. To train them anew, give it another name "
            "or use another --store.",
            err=True,
        )


def parse_overrides(overrides: tuple[str, ...], named: str = "--set") -> dict[str, Any]:
    """Turn ``KEY=VALUE`` words into settings; values are YAML.

    Args:
        overrides: the words.
        named: what messages call a word.

    Raises:
        InputError: a word has no ``=``, or its value is not YAML.
    """
    # imported late: reading `--help` should not wait for torch
    from lbray.spec.yaml_loader import ExperimentLoader

    settings = {}
    for word in overrides:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InputError(f"{named} is '{word}', but must be KEY=VALUE, such as seed=3.")
        if key.strip() in settings:
            raise InputError(f"{named} is '{word}', but {key.strip()} is given already.")
        try:
            settings[key.strip()] = yaml.load(value, Loader=ExperimentLoader)
        except (yaml.YAMLError, ValueError):
            raise InputError(
                f"{named} is '{word}', of which '{value}' is not a YAML value."
            ) from None
    return settings
