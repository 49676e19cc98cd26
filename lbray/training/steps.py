"""The steps of one epoch of one cell: all of them but the network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lbray import losses, streams
from lbray.errors import Diverged
from lbray.spec import Cell
from lbray.training.balance import LearnedBalance


class Steps:
    """An epoch under way, whose latents, logits and gradients are computed by whoever drives it.

    To iterate gives the batches. For each, in turn: `total`, its backward pass, `step`. Then
    `metrics`.

    Args:
        cell: the settings.
        epoch: counted from 0.
        lam: λ in this epoch; 0 leaves the loss out.
        labels: of all training images, int64 [N].
        loss: None for the baseline.
        balance: if the cell's is learned.
        optimizer: of the model's parameters and of all that the loss learns.
    """

    def __init__(
        self,
        cell: Cell,
        epoch: int,
        lam: float,
        labels: Tensor,
        loss: losses.LatentLoss | None,
        balance: LearnedBalance | None,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self._cell = cell
        self._epoch = epoch
        self._lam = lam
        self._all_labels = labels
        self._loss = loss
        self._balance = balance
        self._optimizer = optimizer
        self._batch = labels.new_empty(0)
        self._sizes: list[int] = []
        self._parts: list[Tensor] = []
        self._correct = torch.zeros((), device=labels.device)
        self._measures: dict[str, Tensor] = {}

    def __iter__(self) -> Iterator[Tensor]:
        """A permutation of the training images, in batches [B] of their numbers; a lone last image
        joins the batch before it, because neither batch normalisation nor a distance can do with
        one."""
        count, size = len(self._all_labels), self._cell.batch_size
        order = torch.randperm(
            count, generator=streams.generator(self._cell.seed, "shuffle", self._epoch)
        )
        order = order.to(self._all_labels.device)
        start = 0
        while start < count:
            end = start + size if count - start - size > 1 else count
            self._batch = order[start:end]
            yield self._batch
            start = end

    def total(self, latents: Tensor, logits: Tensor) -> Tensor:
        """The loss to descend, a scalar; there are no gradients then.

        Args:
            latents: [B, d] of the batch, float32.
            logits: [B, num_classes] of the batch, float32.
        """
        labels = self._all_labels[self._batch]
        cross_entropy = functional.cross_entropy(logits, labels)
        if self._lam and self._loss is not None:
            distance = self._loss(latents, labels)
            total: Tensor
            if self._balance is None:
                total = self._lam * distance + (1 - self._lam) * cross_entropy
            else:
                total = self._balance(distance, cross_entropy)
            self._measures = self._measures or self._loss.measures(latents.detach(), labels)
        else:
            distance, total = torch.zeros_like(cross_entropy), cross_entropy
        self._sizes.append(len(labels))
        self._parts.append(torch.stack([total, cross_entropy, distance]).detach())
        self._correct += (logits.detach().argmax(dim=1) == labels).sum()
        self._optimizer.zero_grad()
        return total

    def step(self) -> None:
        """Move the parameters by their gradients."""
        self._optimizer.step()

    def metrics(self) -> dict[str, float]:
        """λ (a learned one as it is now), the means per image of the total, the cross-entropy and
        the distance loss, the accuracy in training, and what the loss measures.

        Raises:
            Diverged: the loss of some step was NaN or infinite.
        """
        host = torch.stack(self._parts).double().cpu()
        self._check_finite(host)
        weights = torch.tensor(self._sizes, dtype=torch.float64)
        total, cross_entropy, distance = (weights @ host / weights.sum()).tolist()
        lam, of_distance = self._lam, {"train/dist": distance}
        if lam == 0:  # the distance loss was not evaluated
            of_distance = {}
        elif self._balance is not None:
            lam = self._balance.share()
        return {
            "lambda": lam,
            "train/loss": total,
            "train/ce": cross_entropy,
            **of_distance,
            "train/acc": float(self._correct) / len(self._all_labels),
            **{name: float(value) for name, value in self._measures.items()},
        }

    def _check_finite(self, parts: Tensor) -> None:
        finite = torch.isfinite(parts).all(dim=1)
        if not finite.all():
            step = int(finite.int().argmin())
            total, cross_entropy, distance = parts[step].tolist()
            raise Diverged(
                f"the loss is {total} at epoch {self._epoch + 1}, step {step + 1} (cross-entropy "
                f"{cross_entropy:g}, {self._cell.loss_label} {distance:g}); "
                "a smaller learning_rate or lambda may help"
            )
