"""A Ray to run on: one of our own on this machine, or a cluster that is there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psutil
import ray
from ray.tune.execution import class_cache

from lbray.errors import InputError
from lbray.planning import Machine, Placement

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables; the display takes their place
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store holds what these would write again
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the sweep, and Ray with it
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a report that a cell is held has no accuracy
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "600",  # an actor that is late for its next trial loses it
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the store is what a sweep resumes from
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # of actors that are being ended anyway
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the same in an actor as here
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # a group's end is noticed at the next check
    "RAY_TRAIN_METRICS_ENABLED": "0",  # they need the dashboard
}
_SECRETS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
}
"""Tune gives its actors the driver's, in a runtime environment, which Ray logs. They need none: a
Ray of our own has the driver's environment, and each node of a cluster has its own credentials."""
_ALONE = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}  # nobody takes this machine away


@contextmanager
def ray_session(placement: Placement, address: str | None = None) -> Iterator[None]:
    """Connected to Ray for the length of a ``with`` block.

    Args:
        placement: what a Ray of our own must have room for. It has no dashboard, and is gone with
            the block.
        address: of a cluster to use instead, as `ray.init` takes it.

    Raises:
        InputError: no cluster answers at the address, or one of another version.
    """
    os.environ.update(_ENVIRONMENT)
    class_cache.ENV_VARS_TO_PROPAGATE -= _SECRETS
    for library in ("ray.tune", "ray.train"):  # whatever goes wrong has its line on the display
        logging.getLogger(library).setLevel(logging.CRITICAL)
    others = _raylets()
    if address is not None:
        _connect(address)
    else:
        os.environ.update(_ALONE)
        ray.init(
            "local",
            num_cpus=placement.at_once * placement.workers_per_cell * placement.threads,
            num_gpus=placement.whole_gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=100 * 2**20,  # nothing of size passes through it
        )
    try:
        yield
    finally:
        _shut_down(_raylets() - others)


def _raylets() -> set[psutil.Process]:
    """Of the nodes that this process has started."""
    return {
        each
        for each in psutil.process_iter(["ppid", "name"])
        if each.info == {"ppid": os.getpid(), "name": "raylet"}
    }


def _shut_down(raylets: set[psutil.Process]) -> None:
    """Disconnect, and end what these nodes have started: Ray does not wait for all of its workers,
    and one that ends by itself may take seconds."""
    started = []
    for raylet in raylets:
        with suppress(psutil.NoSuchProcess):
            started += raylet.children(recursive=True)
    ray.shutdown()
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _connect(address: str) -> None:
    try:
        ray.init(
            address,
            runtime_env={"env_vars": _ENVIRONMENT},
            log_to_driver=False,
            logging_level="error",
        )
    except (ConnectionError, ValueError) as problem:
        raise InputError(
            f"--address is '{address}', where no Ray cluster answers "
            f"({str(problem).splitlines()[0].rstrip('.')}); one that wants a token is reached with "
            "RAY_AUTH_MODE=token."
        ) from None
    except RuntimeError as problem:
        ray.shutdown()  # it has connected by halves
        if "Version mismatch" not in str(problem):
            raise
        words = " ".join(str(problem).partition("The cluster")[2].split())
        raise InputError(
            f"--address is '{address}', whose Ray or Python is another than here: the cluster "
            f"{words}; install the same constraints.txt on both."
        ) from None


def cluster(address: str) -> Machine:
    """What the cluster at an address has now."""
    with ray_session(Placement("actor", "cpu", 1), address):
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores, gpus = ([int(node.get(kind, 0)) for node in nodes] for kind in ("CPU", "GPU"))
    return replace(Machine.of(sum(cores), sum(gpus)), largest=(max(cores), max(gpus)))
