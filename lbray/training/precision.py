"""The arithmetic of the network; losses and weights are float32 in any case."""

from __future__ import annotations

import torch


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which the network computes in `precision` (``float32`` or ``bfloat16``)."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
