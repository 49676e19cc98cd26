from __future__ import annotations

import pickle

import pytest
import torch

from lbray.errors import DamagedArtefact
from lbray.store.tensor_file import pack, unpack

TENSORS = {
    "conv": torch.randn(4, 3, 2, 2).contiguous(memory_format=torch.channels_last),
    "half": torch.randn(5).bfloat16(),
    "steps": torch.tensor(7),
    "transposed": torch.randn(3, 2).T,
}


def test_tensors_and_state_come_back_as_they_were():
    tensors, state = unpack(pack(TENSORS, {"epoch": 3, "history": [{"val/acc": 0.5}]}))
    assert state == {"epoch": 3, "history": [{"val/acc": 0.5}]}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor)


def test_views_of_one_storage_are_stored_each_on_its_own():
    weight = torch.randn(2, 2)
    tensors, _ = unpack(pack({"a": weight, "b": weight}, {}))
    assert torch.equal(tensors["a"], tensors["b"])


def test_a_flipped_bit_anywhere_is_noticed():
    content = pack(TENSORS, {"epoch": 3})
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 4
        with pytest.raises(DamagedArtefact):
            unpack(bytes(damaged))


@pytest.mark.parametrize("length", [0, 5, 8, 100, -1])
def test_a_truncated_file_is_noticed(length: int):
    with pytest.raises(DamagedArtefact):
        unpack(pack(TENSORS, {})[:length])


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(_Bomb()),
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (12).to_bytes(8, "little") + b"[1, 2, 3, 4]",
    ],
    ids=["a pickle", "a huge header", "no metadata", "a list"],
)
def test_files_of_another_kind_are_refused(content: bytes):
    with pytest.raises(DamagedArtefact):
        unpack(content)
