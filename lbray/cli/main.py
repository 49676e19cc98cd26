"""The group of commands, and what an error becomes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from lbray import __version__
from lbray.cli.analyze import analyze
from lbray.cli.audit import audit
from lbray.cli.data import data
from lbray.cli.doctor import doctor
from lbray.cli.losses import losses
from lbray.cli.run import run
from lbray.cli.status import status, watch
from lbray.cli.sweep import sweep
from lbray.errors import LbrayError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lbray")
def lbray() -> None:
    """What does a loss function do to a network's latent space?

    Declare a grid of trainings in a YAML file, run it with `sweep`, read it with `analyze`.
    """


for command in (sweep, run, status, watch, analyze, audit, data, losses, doctor):
    lbray.add_command(command)


def main() -> None:
    """Run the command line and exit with its code. SIGTERM, which a machine gets before it is taken
    away, is as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # MODULE:ATTRIBUTE of the user's own is looked for here, after what lbray itself imports
    sys.path += [str(Path(__file__).parents[2]), str(Path.cwd())]
    try:
        code = lbray.main(prog_name="lbray", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as problem:
        problem.show()
        code = 2
    except LbrayError as problem:
        click.echo(f"lbray: {problem}", err=True)
        code = 2
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code or 0)
