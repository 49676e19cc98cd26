"""What can be known of a cloud before machines are started there; nothing is changed there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lbray.errors import InputError

_PLACEHOLDER = re.compile(r"\bMY-[A-Z]+\b")


def cloud_problems(path: Path) -> list[str]:
    """A sentence for each thing that would keep the cluster of a file from being made.

    Args:
        path: a YAML file for `ray up`, or a RayJob for `kubectl`.

    Raises:
        InputError: it is none.
    """
    try:
        text = path.read_text()
        cluster = yaml.safe_load(text)
        kind = cluster["provider"]["type"] if "provider" in cluster else cluster["kind"]
    except OSError as problem:
        raise InputError(
            f"--cluster is '{path}', which cannot be read: {problem.strerror}."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise InputError(
            f"--cluster is '{path}', but must be a YAML file for 'ray up', with a provider's type, "
            "or a RayJob."
        ) from None
    unchanged = sorted(set(_PLACEHOLDER.findall(text)))
    problems = [f"{path} still has {word}, which is to be replaced by yours." for word in unchanged]
    return problems + (_CHECKS[kind](cluster) if kind in _CHECKS else [])


def _aws(cluster: dict[str, Any]) -> list[str]:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return [
            "boto3 is not installed, without which Ray starts nothing on AWS: pip install boto3."
        ]
    region = cluster["provider"].get("region")
    types = sorted(
        {
            node["node_config"]["InstanceType"]
            for node in (cluster.get("available_node_types") or {}).values()
            if "InstanceType" in ((node or {}).get("node_config") or {})
        }
    )
    try:
        session = boto3.Session(region_name=region)
        if session.get_credentials() is None:
            return [
                "there are no credentials for AWS here: run 'aws configure', or set AWS_PROFILE."
            ]
        pages = (
            session.client("ec2")
            .get_paginator("describe_instance_type_offerings")
            .paginate(Filters=[{"Name": "instance-type", "Values": types}])
        )
        offered = {
            offer["InstanceType"] for page in pages for offer in page["InstanceTypeOfferings"]
        }
    except (BotoCoreError, ClientError, ValueError) as problem:
        return [f"AWS does not tell what the region '{region}' has: {problem}."]
    return [
        f"InstanceType is {each}, which the region {region} does not have; choose another "
        "type or region."
        for each in types
        if each not in offered
    ]


def _gcp(cluster: dict[str, Any]) -> list[str]:
    try:
        import google.auth
    except ImportError:
        return ["google-auth is not installed: pip install google-api-python-client."]
    try:
        google.auth.default()
    except google.auth.exceptions.DefaultCredentialsError:
        return [
            "there are no credentials for Google Cloud here: run 'gcloud auth application-default "
            "login', or set GOOGLE_APPLICATION_CREDENTIALS."
        ]
    return []


_CHECKS: dict[str, Callable[[dict[str, Any]], list[str]]] = {"aws": _aws, "gcp": _gcp}
