"""Check-ups of a cluster's nodes: each looks at itself, in a tiny task of its own."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lbray.errors import InputError
from lbray.planning import Checkup, Placement, checkup
from lbray.sweep.ray_session import ray_session

_PATIENCE_S = 300.0
_HEAD_STARTS_S = 60.0
_PATIENCE_WITH_A_WORKER_S = 1500.0
"""A machine of a cloud takes minutes to start, and to install what runs on it."""
_POLL_S = 0.5


def checkups(
    address: str,
    store: str | None = None,
    data_root: Path | None = None,
    datasets: Sequence[str] = (),
    bring_worker: bool = False,
) -> list[Checkup]:
    """A check-up by each node that a cluster has now.

    Args:
        address: of the cluster, as `ray.init` takes it; or of its dashboard (``http://…``), where
            a job then does the same.
        store: see `lbray.planning.checkup`, as all that follows.
        data_root: where datasets lie on the nodes.
        datasets: names of those that must be there.
        bring_worker: where no node can run cells yet, have one started first.

    Raises:
        InputError: the cluster does not answer, is of another version of Ray or Python, or no
            worker came.
    """
    root = None if data_root is None else str(data_root)
    if address.startswith(("http://", "https://")):
        return _by_job(address, store, root, datasets, bring_worker)
    with ray_session(Placement("actor", "cpu", 1), address):
        if bring_worker:
            _bring_worker()
        nodes = [node for node in ray.nodes() if node["Alive"]]
        look = ray.remote(num_cpus=0, max_retries=0)(_look)
        waiting = [
            look.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(store, root, list(datasets))
            for node in nodes
        ]
        told = [_told(node, task) for node, task in zip(nodes, waiting, strict=True)]
    return [each for each in told if each is not None]


def _bring_worker() -> None:
    """Return when a node has a core, which the autoscaler brings if none has."""
    try:
        ray.get(ray.remote(num_cpus=1)(_nothing).remote(), timeout=_PATIENCE_WITH_A_WORKER_S)
    except ray.exceptions.GetTimeoutError:
        raise InputError(
            f"no worker came in {_PATIENCE_WITH_A_WORKER_S / 60:.0f} minutes; 'ray status' on the "
            "head says why: mostly a quota, or no capacity."
        ) from None


def _nothing() -> None:
    """Needs a core, and is done."""


def _look(store: str | None, data_root: str | None, datasets: list[str]) -> dict[str, Any]:
    return asdict(checkup(store, None if data_root is None else Path(data_root), datasets))


def _told(node: Mapping[str, Any], task: Any) -> Checkup | None:
    """What a node says of itself; None if it has gone meanwhile, as idle ones do."""
    try:
        return Checkup(**ray.get(task, timeout=_PATIENCE_S))
    except (ray.exceptions.RayError, TypeError) as problem:
        if not any(each["Alive"] for each in ray.nodes() if each["NodeID"] == node["NodeID"]):
            return None
        last_line = str(problem).strip().splitlines()[-1]
        raise InputError(
            f"the node {node['NodeManagerAddress']} cannot run lbray's tasks ({last_line}); set it "
            "up as the head is, from the same tree and the same constraints.txt."
        ) from None


def _by_job(
    address: str,
    store: str | None,
    data_root: str | None,
    datasets: Sequence[str],
    bring_worker: bool,
) -> list[Checkup]:
    words = ["lbray", "doctor", "--address", "auto", "--json"]
    if store is not None:
        words += ["--store", store]
    if data_root is not None:
        words += ["--data-root", data_root]
    for name in datasets:
        words += ["--dataset", name]
    if bring_worker:
        words.append("--bring-worker")
    patience = _PATIENCE_S + (_PATIENCE_WITH_A_WORKER_S if bring_worker else 0)
    try:
        from ray.job_submission import JobStatus, JobSubmissionClient

        client = JobSubmissionClient(address)
        job = _submitted(client, shlex.join(words))
        deadline = time.monotonic() + patience
        ended = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED)
        while client.get_job_status(job) not in ended and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        lines = client.get_job_logs(job).splitlines()
    except (ImportError, ConnectionError, RuntimeError, ray.exceptions.RayError) as problem:
        raise InputError(
            f"--address is '{address}', where no job can be submitted: "
            f"{str(problem).splitlines()[0].rstrip('.')}; 'ray dashboard' opens the way to a "
            "cluster's, and 'lbray[cluster]' has what it takes here."
        ) from None
    told = [line for line in lines if line.startswith('[{"host"')]
    if not told:
        last_line = lines[-1] if lines else "it said nothing"
        raise InputError(
            f"--address is '{address}', whose head cannot run 'lbray doctor' ({last_line})."
        )
    return [Checkup(**each) for each in json.loads(told[-1])]


def _submitted(client: Any, command: str) -> str:
    """The id of a job; a head that has just begun takes none in its first seconds."""
    deadline = time.monotonic() + _HEAD_STARTS_S
    while True:
        try:
            return str(client.submit_job(entrypoint=command))
        except RuntimeError as problem:
            if "try again later" not in str(problem) or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
