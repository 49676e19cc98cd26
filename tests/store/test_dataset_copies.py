"""A dataset that was pushed is taken from the store by each machine, once, and never damaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_cells import small_cell

from lbray import data
from lbray.data import Dataset
from lbray.errors import DamagedArtefact, InputError
from lbray.store import Store
from lbray.training import run_cell


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a machine that has no dataset yet."""
    monkeypatch.setenv("LBRAY_CACHE", str(tmp_path / "node"))
    return tmp_path / "node"


@pytest.fixture
def flowers() -> Dataset:
    random = torch.Generator().manual_seed(0)

    def images(count: int) -> torch.Tensor:
        return torch.randint(0, 256, (count, 1, 8, 8), generator=random, dtype=torch.uint8)

    labels = torch.arange(40) % 2
    return Dataset(
        "folder:flowers", ("a", "b"), images(40), labels, images(20), labels[:20], "my disk"
    )


def test_a_copy_is_the_dataset(store: Store, flowers: Dataset):
    assert store.datasets.provide("folder:flowers") is None
    assert not store.datasets.has("folder:flowers")
    assert store.datasets.push(flowers) > flowers.train_images.numel()
    assert store.datasets.has("folder:flowers")
    copy = data.load("folder:flowers", copy=store.datasets.provide("folder:flowers"))
    assert (copy.name, copy.classes) == (flowers.name, flowers.classes)
    for part in ("train_images", "train_labels", "test_images", "test_labels"):
        assert torch.equal(getattr(copy, part), getattr(flowers, part))
    assert copy.source == "a copy of my disk"


def test_a_machine_fetches_it_once(store: Store, flowers: Dataset, node: Path):
    store.datasets.push(flowers)
    store.datasets.provide(flowers.name)
    kept = {path.name: path.stat().st_mtime_ns for path in node.iterdir()}
    store.files.delete(f"datasets/{flowers.fingerprint}.safetensors")
    assert store.datasets.provide(flowers.name) == flowers.fingerprint
    assert {path.name: path.stat().st_mtime_ns for path in node.iterdir()} == kept


def test_processes_of_a_machine_fetch_it_once(tmp_path: Path, flowers: Dataset):
    store = Store(str(tmp_path / "store"))
    store.datasets.push(flowers)
    program = (
        "import sys; from lbray.store import Store; from lbray.store.files import Files\n"
        "read = Files.read\n"
        "def told(self, name):\n"
        "    name.endswith('.safetensors') and print('fetched')\n"
        "    return read(self, name)\n"
        "Files.read = told; Store(sys.argv[1]).datasets.provide('folder:flowers')"
    )
    words = [sys.executable, "-c", program, store.location]
    processes = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert "".join(said).split() == ["fetched"]


def test_a_copy_that_was_altered_here_is_fetched_again(store: Store, flowers: Dataset, node: Path):
    store.datasets.push(flowers)
    store.datasets.provide(flowers.name)
    (path,) = node.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert data.load("x", copy=store.datasets.provide(flowers.name)).fingerprint == (
        flowers.fingerprint
    )


def test_a_copy_that_was_altered_in_the_store_is_refused(store: Store, flowers: Dataset):
    store.datasets.push(flowers)
    name = f"datasets/{flowers.fingerprint}.safetensors"
    store.files.write(name, store.files.read(name)[:-1] + b"x")
    with pytest.raises(InputError, match=r"copy of the dataset .* is damaged; push it again"):
        store.datasets.provide(flowers.name)
    store.datasets.push(flowers)
    assert store.datasets.provide(flowers.name) == flowers.fingerprint
    store.files.delete(name)


def test_a_copy_of_another_dataset_is_refused(store: Store, flowers: Dataset):
    """Whole and with its checksum, but not what the record says."""
    store.datasets.push(data.load("digits"))
    store.datasets.push(flowers)
    for file in store.files.list("datasets"):
        record = store.files.read(f"datasets/{file}")
        if file.endswith(".json") and b"folder:flowers" in record:
            other = data.load("digits").fingerprint
            store.files.write(
                f"datasets/{file}", record.replace(flowers.fingerprint.encode(), other.encode())
            )
    with pytest.raises(InputError, match="damaged"):
        store.datasets.provide(flowers.name)


@pytest.mark.parametrize("record", [b"", b"[]", b'{"fingerprint": "../../x", "sha256": "0"}'])
def test_a_record_that_is_none_is_refused(store: Store, flowers: Dataset, record: bytes):
    store.datasets.push(flowers)
    (name,) = [each for each in store.files.list("datasets") if each.endswith(".json")]
    store.files.write(f"datasets/{name}", record)
    with pytest.raises((DamagedArtefact, InputError), match=r"not a dataset's copy|fingerprint"):
        store.datasets.provide(flowers.name)


def test_a_cell_is_trained_on_the_copy(store: Store, flowers: Dataset):
    store.datasets.push(flowers)
    cell = small_cell(
        dataset="folder:flowers", backbone="cnn", max_epochs=1, train_size=None, test_size=None
    )
    result = run_cell(cell, store)
    assert result.done, result.reason
    assert result.provenance["dataset"] == flowers.fingerprint
    assert result.provenance["dataset_source"] == "a copy of my disk"
