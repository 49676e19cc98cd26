"""Real process groups: what several workers compute together is what one computes alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from small_cells import StopAfter, assert_continued, small_cell
from torch import Tensor, nn

from lbray import backbones, losses
from lbray.store import Store
from lbray.training import run_cell
from lbray.training.sync_batch_norm import with_sync_batch_norm
from lbray.training.workers import ALONE, Workers

LOSSES = ["contrastive", "triplet", "n_pair", "magnet", "latent_boost"]
CLASSES, DIMENSIONS = 4, 6


def in_group(count: int, folder: Path, work: Callable[[Workers], object]) -> list[object]:
    """What `work` returns in each process of a gloo group."""
    folder.mkdir(parents=True, exist_ok=True)
    processes.start_processes(
        _member, (count, folder, work), nprocs=count, start_method="fork", join=True
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


def _member(rank: int, count: int, folder: Path, work: Callable[[Workers], object]) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=count
    )
    dist.barrier()  # who leaves while others still connect fails them
    torch.save(work(Workers.current()), folder / f"{rank}.pt")
    dist.destroy_process_group()


class Network(nn.Module):
    """Latents and logits by one linear layer each, with batch normalisation in between."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Conv2d(1, DIMENSIONS, 3)
        self.norm = nn.BatchNorm2d(DIMENSIONS) if norm else nn.Identity()
        self.head = nn.Linear(DIMENSIONS, CLASSES)
        self.double()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        latents = self.norm(self.trunk(images)).tanh().mean(dim=(2, 3))
        return latents, self.head(latents)


class Proxies(nn.Module):
    """A loss with parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.arange(24.0).view(CLASSES, DIMENSIONS).sin().double())

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (latents - self.proxies[labels]).square().sum(dim=1).mean()


def loss_and_gradients(
    workers: Workers, *, loss_name: str, size: int, norm: bool = False
) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    images = torch.randn(size, 1, 6, 6, generator=random).double()
    labels = torch.randint(CLASSES, (size,), generator=random)
    network = Network(norm)
    loss = Proxies() if loss_name == "proxies" else losses.build(loss_name)
    shared = workers.model(network)
    latents, logits = shared(images[workers.rows(size)])
    latents, logits = workers.gather(latents, size), workers.gather(logits, size)
    total = 0.5 * loss(latents, labels) + nn.functional.cross_entropy(logits, labels)
    total.backward()
    parameters = [*network.named_parameters(), *loss.named_parameters()]
    gradients = {name: parameter.grad for name, parameter in parameters}
    return {"loss": total.detach(), **gradients, **dict(network.named_buffers())}


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("loss_name", [*LOSSES, "proxies"])
def test_a_shared_batch_has_the_loss_and_the_gradients_of_a_whole_one(
    count: int, loss_name: str, tmp_path: Path
):
    for size in (32, 30, 3):  # 30 is not a multiple of 4, and 3 leaves one of four without a row
        work = partial(loss_and_gradients, loss_name=loss_name, size=size)
        alone = work(ALONE)
        for member in in_group(count, tmp_path / str(size), work):
            torch.testing.assert_close(member, alone, rtol=1e-9, atol=1e-12)


def test_batch_normalisation_takes_the_whole_batch(tmp_path: Path):
    work = partial(loss_and_gradients, loss_name="magnet", size=31, norm=True)
    alone = work(ALONE)
    assert alone["norm.num_batches_tracked"] == 1
    for member in in_group(2, tmp_path, work):
        torch.testing.assert_close(member, alone, rtol=1e-9, atol=1e-12)


def test_synchronised_batch_normalisation_keeps_the_names_of_weights():
    plain, synchronised = Network(norm=True), with_sync_batch_norm(Network(norm=True))
    assert type(plain.norm) is not type(synchronised.norm)
    plain.load_state_dict(synchronised.state_dict())


def dropped(workers: Workers) -> Tensor:
    dropout = backbones.Dropout(0.5)
    dropout.generator = torch.Generator().manual_seed(2)
    dropout.rows = workers.rows(5), 5
    first = dropout(torch.ones(5, 3)[workers.rows(5)])
    return torch.cat([workers.gather(first, 5), workers.gather(dropout(first), 5)])


def test_a_shared_batch_has_the_dropout_masks_of_a_whole_one(tmp_path: Path):
    for member in in_group(2, tmp_path, dropped):
        assert torch.equal(member, dropped(ALONE))


def trained(workers: Workers, *, cell, location: str):
    result = run_cell(cell, Store(location))
    return result.status, result.reason, result.weights_sha256


def interrupted(workers: Workers, *, cell, location: str, epochs: int) -> None:
    assert run_cell(cell, Store(location), reporter=StopAfter(epochs)) is None


def assert_same_history(cell, store: Store, expected: Store) -> None:
    epochs, reference = store.cell(cell.id).history(), expected.cell(cell.id).history()
    assert len(epochs) == len(reference) == cell.max_epochs
    for epoch, wanted in zip(epochs, reference, strict=True):
        assert epoch.keys() == wanted.keys()
        for name in epoch.keys() - {"time/epoch_s"}:
            assert epoch[name] == pytest.approx(wanted[name], rel=1e-4, abs=1e-6), name
    metrics, wanted = store.result(cell.id).metrics, expected.result(cell.id).metrics
    for name in metrics.keys() - {"time/train_s"}:
        assert metrics[name] == pytest.approx(wanted[name], rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize(
    ("loss_name", "settings"),
    [
        *[(name, {}) for name in [*LOSSES, "pml:ProxyAnchorLoss"]],
        *[(name, {"loss_params": {"clusters": 3}}) for name in ("magnet", "latent_boost")],
        ("contrastive", {"lambda_schedule": "learned"}),
        ("triplet", {"lambda_schedule": "linear"}),
    ],
    ids=str,
)
def test_two_workers_have_the_history_of_one(
    loss_name: str, settings: dict[str, object], tmp_path: Path
):
    # 603 images, less the validation share, leave a last batch that is odd
    cell = small_cell(loss=loss_name, train_size=603, warmup_epochs=1, **{"lambda": 0.5} | settings)
    alone, shared = Store(str(tmp_path / "alone")), Store(str(tmp_path / "shared"))
    run_cell(cell, alone)
    work = partial(trained, cell=cell, location=shared.location)
    members = in_group(2, tmp_path / "group", work)
    assert members[0] == members[1]
    assert members[0][:2] == ("done", None)
    assert shared.result(cell.id).provenance["workers"] == 2
    assert_same_history(cell, shared, alone)


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_what_some_workers_began_others_can_finish(first: int, then: int, tmp_path: Path):
    cell = small_cell(loss="magnet", **{"lambda": 0.5})
    alone, shared = Store(str(tmp_path / "alone")), Store(str(tmp_path / "shared"))
    run_cell(cell, alone)
    begin = partial(interrupted, cell=cell, location=shared.location, epochs=2)
    in_group(first, tmp_path / "first", begin)
    begun = shared.cell(cell.id).history()
    assert len(begun) == 2 < cell.max_epochs
    in_group(then, tmp_path / "then", partial(trained, cell=cell, location=shared.location))
    assert_continued(shared, cell, begun)
    assert shared.result(cell.id).provenance["workers"] == then
    assert_same_history(cell, shared, alone)
