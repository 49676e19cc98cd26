"""`lbray doctor` finds what is in the way before a sweep begins, one sentence each."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lbray.cli import main
from lbray.planning import checkup, cloud_problems

AWS = """
cluster_name: x
provider: {{type: aws, region: {region}}}
available_node_types:
  worker: {{resources: {{}}, node_config: {{InstanceType: {kind}}}}}
"""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lbray", "doctor", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_it_says_what_is_there(call, tmp_path: Path):
    code, out, err = call("--store", "results", "--dataset", "digits")
    assert (code, err) == (0, "")
    assert "python 3." in out
    assert "ray 2." in out
    assert f"store: {tmp_path}/results can be read and written" in out
    assert "data: digits, bundled with scikit-learn" in out
    assert not (tmp_path / "results").exists()


def test_a_dataset_that_a_sweep_downloads_is_not_in_the_way(call, tmp_path: Path):
    code, out, _ = call("--dataset", "cifar10", "--data-root", str(tmp_path))
    assert code == 0
    assert "data: cifar10, neither here nor in the store; a sweep downloads it" in out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x89PNG\r\n\x1a\n", "but must be a YAML file for 'ray up'"),
        (b"provider: {type: aws}\navailable_node_types:\n", "credentials for AWS"),
        (b"provider: {type: aws}\navailable_node_types: {a: }\n", "credentials for AWS"),
        (b"provider: {type: aws}\navailable_node_types: {a: {node_config: }}\n", "credentials"),
    ],
)
@pytest.mark.usefixtures("no_aws")
def test_a_cluster_file_with_nothing_where_something_should_be(
    call, tmp_path: Path, content: bytes, sentence: str
):
    (tmp_path / "cluster.yaml").write_bytes(content)
    code, _, err = call("--cluster", "cluster.yaml")
    assert (code, "Traceback" in err) == (2, False)
    assert sentence in err


def test_it_says_so_to_programs_too(call):
    code, out, _ = call("--json", "--dataset", "digits")
    (machine,) = json.loads(out)
    assert (code, machine["problems"]) == (0, [])
    assert set(machine["datasets"]) == {"digits"}


def test_the_datasets_of_an_experiment_must_be_there(call, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(
        "settings: {dataset: [digits, 'folder:nowhere'], backbone: cnn, seed: 0}\n"
        "blocks: [{loss: baseline}]\n"
    )
    code, _, err = call("mine.yaml", "--store", "results")
    assert code == 2
    assert err.count("\n") == 1
    assert "dataset is 'folder:nowhere', which is neither there nor in the store" in err
    assert "lbray data push folder:nowhere --store results" in err


def test_a_store_that_cannot_be_written_is_found(call, tmp_path: Path):
    (tmp_path / "file").write_text("")
    code, out, err = call("--store", "file/results")
    assert code == 2
    assert "store is" in err
    assert err.count("\n") == 1
    assert "store:" not in out


def test_no_cluster_at_an_address_is_found(call):
    code, _, err = call("--address", "http://127.0.0.1:9")
    assert code == 2
    assert "--address is 'http://127.0.0.1:9', where no job can be submitted" in err


def test_a_worker_is_brought_to_a_cluster_only(call):
    code, _, err = call("--bring-worker")
    assert code == 2
    assert err == "lbray: --bring-worker is given, but no cluster: give --address, too.\n"


@pytest.mark.parametrize(
    ("kind", "text", "differs"),
    [
        ("ray", "2.50.0", True),
        ("python", "3.9.1", False),
        ("lbray", "0.0.1 (code 00000000)", True),
        ("torch", "2.0.0", False),
    ],
)
def test_another_version_on_a_node_is_found(kind: str, text: str, differs: bool):
    here = checkup()
    there = replace(here, host="node", versions={**here.versions, kind: text})
    sentences = here.differences(there)
    assert len(sentences) == differs
    if differs:
        assert f"{kind} is {text} on node, but {here.versions[kind]} here" in sentences[0]


@pytest.mark.parametrize("content", ["", "[]", "{provider: {}}", "a: [", "\t"])
def test_a_file_that_is_no_cluster_is_refused(call, tmp_path: Path, content: str):
    (tmp_path / "x.yaml").write_text(content)
    code, _, err = call("--cluster", "x.yaml")
    assert code == 2
    assert "--cluster is 'x.yaml', but must be a YAML file for 'ray up'" in err


@pytest.mark.parametrize(
    "text", ["provider: {type: local, head_ip: MY-HEAD}", "kind: RayJob\nspec: MY-HEAD"]
)
def test_what_is_to_be_replaced_is_found(tmp_path: Path, text: str):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert cloud_problems(path) == [f"{path} still has MY-HEAD, which is to be replaced by yours."]


def test_no_credentials_are_found(tmp_path: Path, no_aws: None):
    path = tmp_path / "x.yaml"
    path.write_text(AWS.format(region="us-west-2", kind="g6.xlarge"))
    (sentence,) = cloud_problems(path)
    assert "there are no credentials for AWS here" in sentence


def test_a_region_without_the_instance_type_is_found(
    tmp_path: Path, no_aws: None, monkeypatch: pytest.MonkeyPatch
):
    import moto

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    path = tmp_path / "x.yaml"
    with moto.mock_aws():
        path.write_text(AWS.format(region="us-west-2", kind="g6.xlarge"))
        assert cloud_problems(path) == []
        path.write_text(AWS.format(region="us-west-2", kind="g99.xlarge"))
        assert cloud_problems(path) == [
            "InstanceType is g99.xlarge, which the region us-west-2 does not have; choose another "
            "type or region."
        ]
