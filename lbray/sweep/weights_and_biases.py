"""Weights & Biases by Ray's callback, but for its key."""

from __future__ import annotations

import os
from typing import Any

from ray.air.integrations.wandb import WANDB_ENV_VAR, WandbLoggerCallback


class WeightsAndBiases(WandbLoggerCallback):  # type: ignore[misc]
    """Ray's callback puts the key into a runtime environment, which Ray logs. This one does not:
    the processes that log have it from the environment that Ray was started in, or by a login."""

    def _start_logging_actor(self, *arguments: Any, **options: Any) -> None:
        key = os.environ.pop(WANDB_ENV_VAR, None)
        try:
            super()._start_logging_actor(*arguments, **options)
        finally:
            if key is not None:
                os.environ[WANDB_ENV_VAR] = key
