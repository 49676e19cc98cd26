"""What `ray up` and `kubectl apply` are given is valid, and names only what exists here."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from lbray.cli.main import lbray

ROOT = Path(__file__).parents[2]
FILES = ("cluster.yaml", "clusters/gcp.yaml", "clusters/on-premise.yaml")
RAYJOB = "clusters/kuberay-rayjob.yaml"
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


def load(file: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / file).read_text())


def commands(config: dict[str, Any]) -> list[str]:
    return [command for kind in COMMANDS for command in config[kind]]


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(ROOT)
    return request.param


def test_ray_accepts_it(file: str):
    validate_config(prepare_config(load(file)))


def test_ray_would_refuse_a_key_that_it_does_not_know(file: str):
    config = load(file)
    config["setup_comands"] = []
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config(config))


def test_the_head_runs_no_cells(file: str):
    config = load(file)
    (start,) = [each for each in config["head_start_ray_commands"] if "--head" in each]
    assert "--num-cpus=0 --num-gpus=0" in start
    for name, node in config.get("available_node_types", {}).items():
        if name == config["head_node_type"]:
            assert (node["resources"], node["max_workers"]) == ({"CPU": 0}, 0)


def test_workers_come_by_demand_spot_first_and_on_demand_in_smaller_number(file: str):
    config = load(file)
    if config["provider"]["type"] == "local":  # there is nothing to choose from: all are taken
        (node,) = prepare_config(config)["available_node_types"].values()
        assert node["min_workers"] == len(config["provider"]["worker_ips"])
        return
    spot, on_demand = (config["available_node_types"][name] for name in ("spot", "on_demand"))
    assert spot["min_workers"] == on_demand["min_workers"] == 0
    assert spot["priority"] > on_demand["priority"]
    assert spot["max_workers"] > on_demand["max_workers"]
    assert spot["resources"] == on_demand["resources"]
    assert spot["resources"]["GPU"] > 0
    text = {name: json.dumps(node) for name, node in config["available_node_types"].items()}
    assert re.search("spot", text["spot"], re.IGNORECASE)
    assert not re.search("spot", text["on_demand"], re.IGNORECASE)


def test_the_dashboard_listens_on_the_head_alone(file: str):
    starts = load(file)["head_start_ray_commands"] + load(file)["worker_start_ray_commands"]
    hosts = re.findall(r"--dashboard-host[= ](\S+)", "\n".join(starts))
    assert hosts == ["127.0.0.1"]
    assert "0.0.0.0" not in (ROOT / file).read_text()


@pytest.mark.parametrize("key", ["file_mounts", "rsync_exclude", "setup_commands"])
def test_one_proof_of_a_setup_is_for_all(key: str):
    assert load(FILES[0])[key] == load(FILES[1])[key] == load(FILES[2])[key]


def test_what_is_carried_exists_and_is_enough_to_install(file: str, tmp_path: Path):
    mounts = load(file)["file_mounts"]
    for there, here in mounts.items():
        if here.startswith("~"):
            continue
        target = tmp_path / there.removeprefix("~/lbray/")
        assert (ROOT / here).exists()
        if (ROOT / here).is_dir():
            for source in (ROOT / here).rglob("*.py"):
                copied = target / source.relative_to(ROOT / here)
                copied.parent.mkdir(parents=True, exist_ok=True)
                copied.write_bytes(source.read_bytes())
        else:
            target.write_bytes((ROOT / here).read_bytes())
    program = (
        "from setuptools import build_meta as b; print(b.prepare_metadata_for_build_wheel('.'))"
    )
    built = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    asked = next(re.finditer(r"lbray'\[(\w+)\]'", "\n".join(load(file)["setup_commands"])))
    metadata = next(tmp_path.glob("*.dist-info")) / "METADATA"
    assert f"Provides-Extra: {asked[1]}" in metadata.read_text()


def test_commands_are_sound_shell_and_ray_knows_their_options(file: str):
    config = load(file)
    for command in commands(config):
        subprocess.run(["bash", "-n", "-c", command], check=True)
    starts = re.findall(r"\bray (start [^;&|]*)", "\n".join(commands(config)))
    assert len(starts) == 2
    for start in starts:
        _known(ray_cli, shlex.split(start))


def test_every_path_in_a_command_is_carried_or_made(file: str):
    config = load(file)
    made = {"~/venv/bin/python", "~/venv", "~/datasets", "~/.bashrc", "~/ray_bootstrap_config.yaml"}
    known = {*config["file_mounts"], *made, "~/lbray"}
    for command in commands(config):
        for path in re.findall(r"~/[\w./-]+", command):
            assert path in known, command


def test_everything_installed_is_pinned(file: str):
    pinned = (ROOT / "constraints.txt").read_text().lower().replace("_", "-")
    for command in commands(load(file)):
        if "pip install" in command:
            assert "--constraint ~/lbray/constraints.txt" in command
            last = command.split()[-1]
            assert last.startswith("~/lbray") or f"\n{last}==" in pinned
    assert f"\nray=={_pins()['ray']}\n" in pinned


def test_the_rayjob_has_the_fields_of_its_definition():
    jsonschema.validate(load(RAYJOB), _RAYJOB)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda job: job["spec"].update(entryPoint="lbray"),
        lambda job: job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].pop("groupName"),
        lambda job: job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].update(maxReplicas="8"),
        lambda job: job["spec"]["rayClusterSpec"]["autoscalerOptions"].update(version="v3"),
    ],
    ids=["unknown field", "missing field", "wrong type", "wrong value"],
)
def test_a_rayjob_with_other_fields_would_be_refused(break_it):
    job = copy.deepcopy(load(RAYJOB))
    break_it(job)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, _RAYJOB)


def test_the_rayjob_runs_a_command_of_ours_on_the_pinned_ray():
    spec = load(RAYJOB)["spec"]
    words = shlex.split(spec["entrypoint"])
    assert words[0] == "lbray"
    _known(lbray, words[1:])
    assert (ROOT / words[2]).is_file()
    cluster = spec["rayClusterSpec"]
    dockerfile = (ROOT / "clusters/Dockerfile").read_text()
    base = re.search(r"^FROM \S+:([\d.]+)-", dockerfile, re.MULTILINE)
    assert cluster["rayVersion"] == base[1] == _pins()["ray"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for sources in re.findall(r"^COPY --chown=\S+ (.+) \S+$", dockerfile, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists()


def test_commands_of_the_document_exist_and_so_do_their_options():
    text = (ROOT / "docs/cluster.md").read_text().replace("\\\n", " ")
    told = re.findall(r"^\$ (?:\w+=\S+ )?((?:ray|lbray) .+)", text, re.MULTILINE)
    assert len(told) > 15
    for command in told:
        ours, _, submitted = command.partition(" -- ")
        for each in filter(None, (ours, submitted)):
            program, *words = shlex.split(each, comments=True)
            _known({"ray": ray_cli, "lbray": lbray}[program], words)
            for word in words:
                if re.match(r"(clusters|experiments)/|cluster\.yaml", word):
                    assert (ROOT / word).is_file(), word


def test_the_replacements_of_the_document_leave_nothing_to_replace(tmp_path: Path):
    text = (ROOT / "docs/cluster.md").read_text()
    replacements = re.findall(r"^\$ (sed -i .+ (clusters/\S+))$", text, re.MULTILINE)
    shutil.copytree(ROOT / "clusters", tmp_path / "clusters")
    assert len(replacements) == 2
    for command, path in replacements:
        assert "MY-" in (tmp_path / path).read_text()
        environment = {**os.environ, "BUCKET": "a-bucket", "PROJECT": "a-project"}
        subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=True)
        assert "MY-" not in (tmp_path / path).read_text()


def test_the_extra_for_clusters_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["optional-dependencies"]["cluster"]:
        assert re.match(r"[\w-]+", requirement)[0] in _pins()


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def _known(group: click.Group, words: list[str]) -> None:
    """See that a command exists and has all the options that it is given."""
    command: click.Command = group
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, word


def _object(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


_TEXT, _COUNT, _FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_CONTAINERS = {
    "type": "array",
    "minItems": 1,
    "items": _object(
        ("name", "image"),
        name=_TEXT,
        image=_TEXT,
        command={"type": "array", "items": _TEXT},
        env={"type": "array", "items": _object(("name",), name=_TEXT, value=_TEXT)},
        resources=_object(requests=_TEXTS, limits=_TEXTS),
        securityContext=_object(runAsUser=_COUNT),
        volumeMounts={
            "type": "array",
            "items": _object(("name", "mountPath"), name=_TEXT, mountPath=_TEXT),
        },
    ),
}
_POD = _object(
    ("spec",),
    metadata={"type": "object"},
    spec=_object(
        ("containers",),
        serviceAccountName=_TEXT,
        terminationGracePeriodSeconds=_COUNT,
        nodeSelector=_TEXTS,
        tolerations={
            "type": "array",
            "items": _object(key=_TEXT, operator=_TEXT, value=_TEXT, effect=_TEXT),
        },
        initContainers=_CONTAINERS,
        containers=_CONTAINERS,
        volumes={
            "type": "array",
            "items": _object(
                ("name",), name=_TEXT, hostPath=_object(("path",), path=_TEXT, type=_TEXT)
            ),
        },
    ),
)
_RAYJOB = _object(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=_object(("name",), name=_TEXT, namespace=_TEXT),
    spec=_object(
        ("rayClusterSpec",),
        activeDeadlineSeconds=_COUNT,
        backoffLimit=_COUNT,
        entrypoint=_TEXT,
        runtimeEnvYAML=_TEXT,
        shutdownAfterJobFinishes=_FLAG,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        suspend=_FLAG,
        ttlSecondsAfterFinished=_COUNT,
        rayClusterSpec=_object(
            ("headGroupSpec",),
            rayVersion=_TEXT,
            enableInTreeAutoscaling=_FLAG,
            autoscalerOptions=_object(
                version={"enum": ["v1", "v2"]},
                idleTimeoutSeconds=_COUNT,
                upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
            ),
            headGroupSpec=_object(("template",), rayStartParams=_TEXTS, template=_POD),
            workerGroupSpecs={
                "type": "array",
                "items": _object(
                    ("groupName", "minReplicas", "maxReplicas", "template"),
                    groupName=_TEXT,
                    replicas=_COUNT,
                    minReplicas=_COUNT,
                    maxReplicas=_COUNT,
                    idleTimeoutSeconds=_COUNT,
                    rayStartParams=_TEXTS,
                    template=_POD,
                ),
            },
        ),
    ),
)
"""The fields that are used, and their neighbours, of KubeRay's RayJob (API reference, ray.io/v1);
a field that is not among them is refused, as a misspelt one should be."""
