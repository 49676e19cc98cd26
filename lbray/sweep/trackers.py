"""What else hears of each epoch, through Ray Tune's callbacks: an option, never the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from ray import tune

from lbray.errors import InputError
from lbray.store import Store

_OPEN = 64
"""Runs that a trial has open at a time, each with a thread and a file of its own."""


class TensorBoard(tune.logger.LoggerCallback):  # type: ignore[misc]
    """A TensorBoard run per cell, below ``tensorboard/EXPERIMENT`` in a local store.

    Args:
        folder: where the runs go.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._writers: dict[str, dict[str, Any]] = {}

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Tune saves its callbacks with its state, from which nothing is ever restored here."""
        return tune.Callback, ()

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """Write an epoch's metrics."""
        from torch.utils.tensorboard import SummaryWriter

        cell = result.get("cell")
        if cell is None or "epochs" not in result:
            return
        writers = self._writers.setdefault(trial.trial_id, {})
        writer = writers.pop(cell, None) or SummaryWriter(f"{self._folder}/{cell}")
        writers[cell] = writer  # the last one now
        if len(writers) > _OPEN:  # were the first one not at its end, another file would follow
            writers.pop(next(iter(writers))).close()
        for name, value in result.items():
            if "/" in name and isinstance(value, (int, float)):
                writer.add_scalar(name, value, result["epochs"])

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """Close the runs of a trial."""
        for writer in self._writers.pop(trial.trial_id, {}).values():
            writer.close()


def _tensorboard(experiment: str, store: Store) -> tune.Callback:
    if not store.files.is_local:
        raise InputError(
            f"--tracker is tensorboard, which writes into a local store, but the store is "
            f"'{store.location}'; leave it out, or give mlflow or wandb."
        )
    return TensorBoard(store.files.path(f"tensorboard/{experiment}"))


def _mlflow(experiment: str, store: Store) -> tune.Callback:
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    return MLflowLoggerCallback(experiment_name=experiment)


def _wandb(experiment: str, store: Store) -> tune.Callback:
    from lbray.sweep.weights_and_biases import WeightsAndBiases

    return WeightsAndBiases(project=experiment)


_TRACKERS: dict[str, Callable[[str, Store], tune.Callback]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}


def trackers(
    names: Sequence[str], experiment: str, store: Store, executor: str = "actor"
) -> list[tune.Callback]:
    """Callbacks by name: ``tensorboard``, ``mlflow``, ``wandb``; each finds its server and its
    credentials as it always does, by its environment (``wandb`` by that in which Ray was started).

    TensorBoard is told in any case, if it is installed and the store is local, but with ``none``.

    Raises:
        InputError: a name is unknown, not installed, does not work here (for want of credentials, a
            server), cannot write beside this store, or has a run for each trial where a trial of
            the executor has several cells at a time.
    """
    wanted = dict.fromkeys(name for name in names if name != "none")
    if "none" not in names and find_spec("tensorboard") and store.files.is_local:
        wanted["tensorboard"] = None
    made = []
    for name in wanted:
        if name not in _TRACKERS:
            raise InputError.unknown("tracker", name, [*_TRACKERS, "none"])
        if find_spec(name) is None:
            raise InputError(f"--tracker is {name}, which is not installed: pip install {name}.")
        if executor == "fused" and name != "tensorboard":
            raise InputError(
                f"--tracker is {name}, which has a run for each process, but --executor is fused, "
                "by which a process trains several cells together; use actor, or tensorboard."
            )
        try:
            tracker = _TRACKERS[name](experiment, store)
            tracker.setup()  # as Tune will, when it is too late for a sentence
        except InputError:
            raise
        except Exception as problem:  # of a library that need not be here
            why = str(problem).strip().partition("\n")[0].rstrip(".")
            raise InputError(f"--tracker is {name}, which does not work here: {why}.") from None
        made.append(tracker)
    return made
