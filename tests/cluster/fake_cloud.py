"""A cluster here whose nodes the real autoscaler starts and ends, in Ray's fake cloud."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from laptop import PROGRAMS
from processes import descendants, environment_of, processes
from ray.autoscaler._private.monitor import BASE_READONLY_CONFIG

PORTS = {
    "port": 6390,
    "dashboard-port": 8270,
    "dashboard-agent-listen-port": 52390,
    "ray-client-server-port": 10190,
    "min-worker-port": 10200,
    "max-worker-port": 10999,
}
_HEAD_ID = "f" * 51 + "00000"
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}
"""For the environment of all that talk to the cluster."""


@dataclass(frozen=True)
class FakeCloud:
    """The cluster.

    Attributes:
        address: for drivers.
        dashboard: for jobs.
        process: the head's, with the autoscaler below it.
        folder: where Ray writes.
    """

    address: str
    dashboard: str
    process: subprocess.Popen[bytes]
    folder: Path

    def nodes(self) -> dict[int, list[int]]:
        """The processes of each node that the autoscaler has started: its raylet, and those that
        the raylet started."""
        raylets = {}
        for pid, command in processes():
            if (
                "raylet/raylet" in command
                and str(self.folder) in command
                and _HEAD_ID not in environment_of(pid)
            ):
                raylets[pid] = descendants(pid)
        return raylets


@contextlib.contextmanager
def fake_cloud(
    idle_s: float = 12, max_nodes: int = 2, cwd: Path | None = None, **environment: str
) -> Iterator[FakeCloud]:
    """A head that runs no cells, in a folder where its jobs will run too, and nodes of one core
    each by demand."""
    folder = Path(tempfile.mkdtemp(prefix="fc-", dir="/tmp"))  # sockets' paths must be short
    config = {
        **BASE_READONLY_CONFIG,
        "cluster_name": "fake",
        "max_workers": max_nodes,
        "idle_timeout_minutes": idle_s / 60,
        "upscaling_speed": 10.0,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "head_node_id": _HEAD_ID,
            "gcs_address": f"127.0.0.1:{PORTS['port']}",
            "launch_multiple": True,
        },
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "spot": {
                "resources": {"CPU": 1, "object_store_memory": 100 * 2**20},
                "node_config": {},
                "min_workers": 0,
                "max_workers": max_nodes,
            },
        },
    }
    file = folder / "cluster.yaml"
    file.write_text(yaml.safe_dump(config))
    words = [
        "start", "--head", "--block", "--num-cpus=0", "--num-gpus=0",
        "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--disable-usage-stats",
        f"--temp-dir={folder}", f"--autoscaling-config={file}",
        f"--object-store-memory={100 * 2**20}",
        *(f"--{name}={value}" for name, value in PORTS.items()),
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAMS["ray"], *words],
        cwd=cwd,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **TOKEN,
            "RAY_FAKE_CLUSTER": "1",
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD_ID,
            "RAY_CLOUD_INSTANCE_ID": _HEAD_ID,
            "RAY_NODE_TYPE_NAME": "ray.head.default",
            "RAY_enable_autoscaler_v2": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            **environment,
        },
        stdout=(folder / "head.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    cloud = FakeCloud(
        f"127.0.0.1:{PORTS['port']}", f"http://127.0.0.1:{PORTS['dashboard-port']}", process, folder
    )
    try:
        yield cloud
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        for pid, command in list(processes()):
            if str(folder) in command:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
