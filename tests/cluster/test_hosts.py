"""Several hosts, from `ray up` over ssh to a cell whose workers sit on two of them, one cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hosts import LAPTOP, Host, hosts, lacking, lend_environment
from laptop import Laptop
from narrator import Narrator
from processes import command_of, descendants
from s3_server import CREDENTIALS, s3_bucket
from sweeps import Watched, experiment, numbers, run, wait_until

from lbray.planning import Placement
from lbray.store import Store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
PORT = 8271
GRID = """
settings: {dataset: digits, seed: 0, max_epochs: 20, patience: 20, train_size: 600}
blocks:
  - {loss: magnet, lambda: 0.5}
"""


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Host]]:
    if lacking():
        pytest.fail(f"this machine cannot have hosts: it lacks {lacking()}")
    with hosts(["lb-head", "lb-one", "lb-two"], tmp_path / "hosts", tmp_path / "key") as made:
        yield made


@pytest.fixture
def bucket(three: list[Host]) -> Iterator[str]:
    """A store on an S3 server that the hosts reach by the network."""
    with s3_bucket(LAPTOP) as made:
        yield made.uri("lbray")


def cluster_file(tmp_path: Path, three: list[Host]) -> Path:
    """clusters/on-premise.yaml with these hosts, a core each, the store's credentials, and the
    environment lent to them (that its setup commands install it is another proof)."""
    config = yaml.safe_load((ROOT / "clusters/on-premise.yaml").read_text())
    head, *workers = three
    config["provider"] |= {"head_ip": head.address, "worker_ips": [w.address for w in workers]}
    config["auth"] = {"ssh_user": "root", "ssh_private_key": str(tmp_path / "key")}
    kept = [each for each in config["setup_commands"] if "~/venv" not in each]
    config["setup_commands"] = lend_environment() + kept
    credentials = " ".join(f"{name}={value}" for name, value in CREDENTIALS.items())
    for kind, options in (("head", ""), ("worker", " --num-cpus=1")):
        config[f"{kind}_start_ray_commands"] = [
            each.replace("ray start", f"{credentials} ray start{options}")
            for each in config[f"{kind}_start_ray_commands"]
        ]
    path = tmp_path / "on-premise.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def runs_ray(host: Host) -> bool:
    """Whether a host still runs a part of Ray."""
    return any("raylet" in command_of(pid) for pid in descendants(host.process.pid))


def trains(host: Host) -> bool:
    """Whether a worker of a group is at work on a host."""
    return any("RayTrainWorker" in command_of(pid) for pid in descendants(host.process.pid))


def test_a_cell_of_two_hosts_outlasts_one_that_is_cut_off(
    tmp_path: Path, three: list[Host], bucket: str, narrator: Narrator
):
    _, one, two = three
    declared = experiment(tmp_path, GRID)
    narrator.say("three hosts with sshd: " + ", ".join(f"{h.name} {h.address}" for h in three))

    # the newer autoscaler of Ray 2.60 takes the head for a worker, as docs/cluster.md tells
    laptop = Laptop(
        ROOT, narrator, RAY_TMPDIR=str(tmp_path / "ray"), RAY_UP_enable_autoscaler_v2="0"
    )
    file = str(cluster_file(tmp_path, three))
    laptop.call("ray", "up", "--yes", "--no-config-cache", file)
    tunnel = laptop.begin("ray", "dashboard", "--port", str(PORT), file)
    try:
        _sweep(tmp_path, laptop, bucket, narrator, one, two)
    finally:
        tunnel.terminate()
        tunnel.wait()
    laptop.call("ray", "down", "--yes", file)
    wait_until(lambda: not any(runs_ray(host) for host in three), 60)
    results, undisturbed = Store(bucket), Store(str(tmp_path / "undisturbed"))
    run(declared, undisturbed, Placement("ddp", "cpu", 1, workers_per_cell=2))
    assert numbers(results, declared) == numbers(undisturbed, declared)
    narrator.say("each result is equal, to the bit, to that of two workers on one host in peace")


def _sweep(
    tmp_path: Path, laptop: Laptop, store: str, narrator: Narrator, one: Host, two: Host
) -> None:
    address = f"http://127.0.0.1:{PORT}"
    doctor = ("lbray", "doctor", "--address", address, "--store", store, "--dataset", "digits")

    def all_there() -> bool:
        try:
            said = laptop.call(*doctor)
        except AssertionError:  # the tunnel, or the head, is not ready yet
            return False
        return all(f"{name}: python" in said for name in ("lb-head", "lb-one", "lb-two"))

    wait_until(all_there, 300)
    sweep = ("lbray", "sweep", str(tmp_path / "grid.yaml"), "--address", "auto", "--store", store)
    submit = ("ray", "job", "submit", "--address", address, "--no-wait", "--submission-id", "grid")
    laptop.call(*submit, "--", *sweep, "--workers-per-cell", "2", "--actors", "1")
    watched = Watched(experiment(tmp_path, GRID), Store(store))
    watched.wait_for_epochs(3)
    watched.remember()
    assert trains(one)
    assert trains(two)
    narrator.say("a cell is trained by a worker on lb-one and one on lb-two")
    two.cut()
    narrator.say("lb-two is cut off the network")
    job = ("--address", address, "grid")
    wait_until(lambda: not trains(one), 240)
    narrator.say("the group on lb-one has ended; no cell can be trained on one host alone")
    two.restore()
    narrator.say("lb-two is back on the network")
    wait_until(lambda: trains(one) and trains(two), 400)
    narrator.say("a group on both hosts goes on")
    ends = ("succeeded", "failed", "stopped")
    wait_until(lambda: any(end in laptop.call("ray", "job", "status", *job) for end in ends), 500)
    assert "all 1 cells done" in laptop.call("ray", "job", "logs", *job)
    watched.assert_kept()
