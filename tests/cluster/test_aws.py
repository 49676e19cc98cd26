"""cluster.yaml in the hands of Ray's own code for AWS, with a mock of AWS at the other end."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config

from lbray.planning import cloud_problems

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
TAGS = {
    "ray-node-name": "ray-lbray-worker",
    "ray-node-type": "worker",
    "ray-node-status": "uninitialized",
    "ray-launch-config": "0",
}


def test_workers_of_both_kinds_are_launched_as_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import boto3
    import moto

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("HOME", str(tmp_path))  # where Ray keeps the key that it makes
    (tmp_path / ".ssh").mkdir()
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    with moto.mock_aws():
        iam = boto3.client("iam", "us-west-2")
        trust, policy = (
            (ROOT / "clusters" / f"aws-{name}.json").read_text() for name in ("trust", "policy")
        )
        iam.create_role(RoleName="lbray", AssumeRolePolicyDocument=trust)
        iam.put_role_policy(RoleName="lbray", PolicyName="lbray", PolicyDocument=policy)
        iam.create_instance_profile(InstanceProfileName="lbray")
        iam.add_role_to_instance_profile(InstanceProfileName="lbray", RoleName="lbray")
        assert cloud_problems(ROOT / "cluster.yaml") == []

        kinds = config["available_node_types"]
        said = {name: dict(node["resources"]) for name, node in kinds.items()}
        known = AWSNodeProvider.fillout_available_node_types_resources(
            prepare_config({**config, "available_node_types": _without_resources(config)})
        )
        for name in ("spot", "on_demand"):  # what AWS has is what the file says
            there = known["available_node_types"][name]["resources"]
            assert {kind: there[kind] for kind in ("CPU", "GPU")} == said[name]

        ready = bootstrap_aws(prepare_config(config))
        provider = AWSNodeProvider(ready["provider"], ready["cluster_name"])
        for name, lifecycle in (("spot", "spot"), ("on_demand", None)):
            node = ready["available_node_types"][name]["node_config"]
            made = provider.create_node(node, {**TAGS, "ray-user-node-type": name}, 1)
            (instance,) = made.values()
            assert instance.instance_type == node["InstanceType"]
            assert instance.instance_lifecycle == lifecycle
            assert instance.iam_instance_profile["Arn"].endswith("instance-profile/lbray")
        groups = boto3.client("ec2", "us-west-2").describe_security_groups()["SecurityGroups"]
        (ours,) = [each for each in groups if each["GroupName"].startswith("ray-autoscaler")]
        open_to_all = [
            rule["FromPort"]
            for rule in ours["IpPermissions"]
            if any(each["CidrIp"] == "0.0.0.0/0" for each in rule["IpRanges"])
        ]
        assert open_to_all == [22]


def _without_resources(config: dict) -> dict:
    return {
        name: {**node, "resources": {}} if name != config["head_node_type"] else node
        for name, node in config["available_node_types"].items()
    }
