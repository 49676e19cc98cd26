"""One training over the processes of a torch.distributed process group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lbray.training.sync_batch_norm import with_sync_batch_norm


@dataclass(frozen=True)
class Workers:
    """The processes that train one cell together, each with its share of every batch.

    Every worker gathers the latents and logits of the whole batch and computes the same loss from
    them, so that W workers with B/W samples each give the loss and the gradients of one with B, to
    floating-point rounding. A loss on each worker's own samples would be another loss.

    Attributes:
        rank: of this process, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> Workers:
        """Those of the default process group; a single one where there is no group."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def leads(self) -> bool:
        """Whether it is this worker that writes artefacts."""
        return self.rank == 0

    def rows(self, size: int) -> slice:
        """This worker's rows of a batch of `size`: consecutive, in rank order, and in numbers that
        differ by one at most."""
        return self._rows_of(self.rank, size)

    def model(self, model: nn.Module) -> nn.Module:
        """A module to call in training: gradients are averaged over the workers, and batch
        normalisation takes its statistics from the whole batch. Parameters are shared with
        `model`, which is changed in place."""
        if self.count == 1:
            return model
        shared = DistributedDataParallel(with_sync_batch_norm(model), init_sync=False)
        shared.broadcast_buffers = False  # like the weights, they are the same everywhere
        return shared

    def gather(self, rows: Tensor, size: int) -> Tensor:
        """A whole batch from each worker's rows of it, with gradients.

        Args:
            rows: this worker's, [n, ...].
            size: of the whole batch.

        Returns:
            [size, ...], the same on every worker. What is computed from it must be the same on
            every worker too, as the backward pass counts on.
        """
        if self.count == 1:
            return rows
        gathered: Tensor = _Gather.apply(rows, self, size)
        return gathered

    def gather_columns(self, rows: Sequence[Tensor], size: int) -> tuple[Tensor, ...]:
        """As `gather` for several matrices of one dtype, each [n, …], which are sent as one: on a
        network it is the number of messages that takes time."""
        if self.count == 1:
            return tuple(rows)
        widths = [each.shape[1] for each in rows]
        gathered = self.gather(torch.cat(tuple(rows), dim=1), size)
        return torch.split(gathered, widths, dim=1)

    def wait_for_each_other(self) -> None:
        """Return when every worker has come here."""
        if self.count > 1:
            dist.barrier()

    def _rows_of(self, rank: int, size: int) -> slice:
        return slice(rank * size // self.count, (rank + 1) * size // self.count)


ALONE = Workers()
"""One process with nobody to share with."""


class _Gather(torch.autograd.Function):
    """Every worker's loss is the same function of the gathered batch, so the sum of their
    gradients is this worker's own times their number; averaging over the workers takes the factor
    out again. Nothing has to be sent in the backward pass."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, workers: Workers, size: int) -> Tensor:
        ctx.workers, ctx.size = workers, size
        longest = -(-size // workers.count)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(workers.count)]
        dist.all_gather(parts, padded)
        lengths = [_length(workers._rows_of(rank, size)) for rank in range(workers.count)]
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.workers.rows(ctx.size)] * ctx.workers.count, None, None


def _length(rows: slice) -> int:
    return int(rows.stop - rows.start)
