"""Tensors and a JSON state in one safetensors file that carries its own checksum.

safetensors executes nothing when it is read; the checksum tells a flipped bit from a result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from lbray import json_text
from lbray.errors import DamagedArtefact

_ENTRY = "lbray"


def pack(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> bytes:
    """The bytes of a file with these tensors (moved to the CPU) and this JSON-ready state."""
    # one contiguous, unshared copy each: safetensors refuses views into the same storage
    cpu = {
        name: tensor.detach().cpu().contiguous().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps(state, sort_keys=True)
    # one entry: safetensors writes several in any order, and equal content shall be equal bytes
    entry = json.dumps([_digest(cpu, text), text])
    return bytes(safetensors.torch.save(cpu, {_ENTRY: entry}))


def unpack(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state of a packed file.

    Raises:
        DamagedArtefact: it is not such a file, or not as it was written.
    """
    try:
        tensors = safetensors.torch.load(content)
        header_bytes = int.from_bytes(content[:8], "little")
        header = json_text.parse(content[8 : 8 + header_bytes])
        digest, text = json_text.parse(header["__metadata__"][_ENTRY])
        state = json_text.parse(text)
        intact = digest == _digest(tensors, text)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as problem:
        raise DamagedArtefact(f"not a readable tensor file ({problem})") from None
    if not intact or not isinstance(state, dict):
        raise DamagedArtefact("its content does not match its checksum")
    return tensors, state


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    digest = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
