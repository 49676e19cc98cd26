"""Weights & Biases by Ray's callback, but for its key and for a run's end."""

from __future__ import annotations

import os
from typing import Any

from ray.air.integrations.wandb import WANDB_ENV_VAR, WandbLoggerCallback, _WandbLoggingActor


class RunWriter(_WandbLoggingActor):  # type: ignore[misc]
    """What writes a run. Ray kills it as soon as `run` returns, but `wandb.finish` does not wait
    for the process that writes an offline run's file: all that was logged could be lost."""

    def run(self) -> None:
        """Write what comes through the queue, to the last byte."""
        super().run()
        self._wandb.teardown()


class WeightsAndBiases(WandbLoggerCallback):  # type: ignore[misc]
    """Ray's callback puts the key into a runtime environment, which Ray logs. This one does not:
    the processes that log have it from the environment that Ray was started in, or by a login."""

    _logger_actor_cls = RunWriter

    def _start_logging_actor(self, *arguments: Any, **options: Any) -> None:
        key = os.environ.pop(WANDB_ENV_VAR, None)
        try:
            super()._start_logging_actor(*arguments, **options)
        finally:
            if key is not None:
                os.environ[WANDB_ENV_VAR] = key
