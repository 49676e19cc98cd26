"""The command line. Results go to stdout, progress and messages to stderr.

Exit codes: 0 done, 1 some cells failed, 2 bad input, 130 interrupted (and resumable).
"""

from lbray.cli.main import main

__all__ = ["main"]
