"""Every node of a cluster looks at itself; a cluster of another kind is refused in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from lbray.errors import InputError
from lbray.planning import checkup
from lbray.sweep import checkups


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a head without cores, and a node."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def test_each_node_tells_of_itself(address: str, tmp_path: Path):
    (tmp_path / "file").write_text("")
    store = str(tmp_path / "file" / "store")
    told = checkups(address, store, None, ["digits", "folder:nowhere"])
    assert len(told) == 2
    for machine in told:
        assert machine.versions == checkup().versions
        assert machine.datasets == {"digits": "bundled with scikit-learn"}
        assert machine.store is None
        unusable, missing = machine.problems
        assert f"on {machine.host}, store is '{store}'" in unusable
        assert "dataset is 'folder:nowhere'" in missing


def test_a_node_that_has_gone_meanwhile_is_no_problem(
    address: str, monkeypatch: pytest.MonkeyPatch
):
    listed = ray.nodes

    def nodes() -> list[dict]:
        monkeypatch.setattr(ray, "nodes", listed)  # it has gone by the next time
        gone = {"NodeID": "1" * 56, "NodeManagerAddress": "192.0.2.99", "Alive": True}
        return [*listed(), gone]

    monkeypatch.setattr(ray, "nodes", nodes)
    assert len(checkups(address)) == 2


def test_another_version_of_ray_is_refused(address: str, monkeypatch: pytest.MonkeyPatch):
    ours = ray.__version__
    monkeypatch.setattr(ray, "__version__", "2.1.0")
    with pytest.raises(InputError) as refused:
        checkups(address)
    assert "whose Ray or Python is another than here" in str(refused.value)
    assert f"started with: Ray: {ours}" in str(refused.value)
    assert "\n" not in str(refused.value)
