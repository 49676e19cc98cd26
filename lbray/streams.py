"""Random streams: every random number of a cell comes from (seed, purpose, epoch).

Loss and λ are not part of the key, so cells that share a seed share their initial weights,
batch order and dropout masks, and are true pairs for paired statistics. Neither are the
executor, the number of workers or the order in which cells run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Purpose = Literal["init", "shuffle", "dropout", "refresh", "network", "before_epoch", "loss"]
"""Initial weights, batch order, dropout masks, what a loss draws before an epoch (clusters). The
last three are torch's default generators, for what modules that are not ours may draw: a network in
its forward passes, a loss before an epoch and in its steps. They are apart, so that what a loss
draws does not change what the network does."""


def stream_seed(seed: int, purpose: Purpose, epoch: int = 0) -> int:
    """A 63-bit seed for one stream, by hashing its key with SHA-256."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(
    seed: int, purpose: Purpose, epoch: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator at the start of the stream (seed, purpose, epoch)."""
    return torch.Generator(device).manual_seed(stream_seed(seed, purpose, epoch))


@contextmanager
def scope(seed: int, purpose: Purpose, epoch: int = 0) -> Iterator[None]:
    """Run a block with torch's default generators at the stream's start, then restore them.

    For code that draws from the default generators whatever it is given: the initialisers of
    `torch.nn`, and modules and losses that are not ours.
    """
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, purpose, epoch))
        yield


class Resumable:
    """A `scope` to enter again and again: each block goes on where the one before it ended.

    For several cells that are trained in turns.

    Args:
        seed: of the cell.
        purpose: what is drawn.
        epoch: from 0.
        device: whose default generator is meant, beside the CPU's.
    """

    def __init__(
        self, seed: int, purpose: Purpose, epoch: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        self._seed = stream_seed(seed, purpose, epoch)
        device = torch.device(device)
        self._cuda = device if device.type == "cuda" else None
        self._own: list[torch.Tensor] | None = None
        self._others: list[torch.Tensor] = []

    def __enter__(self) -> None:
        self._others = self._states()
        if self._own is None:
            torch.manual_seed(self._seed)
        else:
            self._put(self._own)

    def __exit__(self, *_: object) -> None:
        self._own = self._states()
        self._put(self._others)

    def _states(self) -> list[torch.Tensor]:
        states = [torch.get_rng_state()]
        return states if self._cuda is None else [*states, torch.cuda.get_rng_state(self._cuda)]

    def _put(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self._cuda is not None:
            torch.cuda.set_rng_state(states[1], self._cuda)
