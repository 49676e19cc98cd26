"""Patience with a store that does not answer: to ask again, at growing intervals."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from pyarrow import ArrowException

from lbray.errors import StoreUnavailable

T = TypeVar("T")

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 20.0
CREDENTIALS = (
    "credentials by environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "GOOGLE_APPLICATION_CREDENTIALS) or by a profile"
)
"""How the clients of object stores are given theirs."""
_DENIED = re.compile(
    r"ACCESS_DENIED|PERMISSION_DENIED|UNAUTHENTICATED|SIGNATURE|INVALID_ACCESS_KEY"
    r"|INVALID_CLIENT_TOKEN|MISSING_AUTHENTICATION|UNRECOGNIZED_CLIENT|HTTP status 40[13]",
    re.IGNORECASE,
)
"""What an object store says to credentials that may not use it, or to none."""
_FINAL = re.compile(
    rf"{_DENIED.pattern}|NO_SUCH_BUCKET|BucketNotFound|bucket does not exist"
    r"|Status\((INVALID_ARGUMENT|UNKNOWN)",
    re.IGNORECASE,
)
"""What an object store says that it will say again."""
FAILURES = (OSError, ArrowException)
"""How file systems fail: GCS's not as `OSError` where it has no valid credentials."""
_log = logging.getLogger("lbray.store")


class Patience:
    """Does what a store is asked to do, again and again while it does not answer.

    The time is counted from when the store last answered, over all that was asked meanwhile.

    Args:
        location: of the store, for messages.
        seconds: how long it may be away.
    """

    def __init__(self, location: str, seconds: float) -> None:
        self._location = location
        self._seconds = seconds
        self._away_since: float | None = None

    def __call__(self, operation: Callable[[], T]) -> T:
        """What the operation returns.

        Raises:
            StoreUnavailable: the store refused, or was away for too long.
        """
        wait = _FIRST_WAIT_S
        while True:
            try:
                result = operation()
            except FAILURES as problem:
                self._bear(problem, wait)
            else:
                self._away_since = None
                return result
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, _LONGEST_WAIT_S)

    def _bear(self, problem: Exception, wait: float) -> None:
        now = time.monotonic()
        away_since = self._away_since  # which another thread may set anew at any time
        first = away_since is None
        away_since = now if away_since is None else away_since
        self._away_since = away_since
        why = reason(problem)
        if _FINAL.search(str(problem)) or now + wait > away_since + self._seconds:
            raise StoreUnavailable(
                f"the store '{self._location}' cannot be used: {why}."
            ) from problem
        if first:
            _log.warning(
                "the store '%s' does not answer (%s); it is asked again for %.0f s",
                self._location,
                why,
                self._seconds,
            )


def reason(problem: Exception) -> str:
    """What a file system said, in one line, and what helps where it wants other credentials."""
    said = getattr(problem, "strerror", None) or str(problem).splitlines()[0]
    said = str(said).partition(" error_info=")[0].rstrip(".")
    return f"{said}; give it {CREDENTIALS}" if _DENIED.search(said) else said
