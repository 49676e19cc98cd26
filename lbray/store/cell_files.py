"""The files of one cell."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from torch import Tensor

from lbray import json_text
from lbray.errors import DamagedArtefact, InputError
from lbray.spec import SCHEMA, Cell
from lbray.store import tensor_file
from lbray.store.files import ABANDONED_S, Files
from lbray.store.result import Result

_RESUME = re.compile(r"resume-(0|[1-9][0-9]{0,8})\.safetensors")


class CellFiles:
    """``cells/<id>/``: spec.json, history.jsonl, best and resume-<epochs>.safetensors, result.json;
    and ``outputs-<split>.safetensors``, ``map-<kind>.safetensors`` and ``scores.json``, an
    analysis's memory."""

    def __init__(self, files: Files, cell_id: str) -> None:
        self.id = cell_id
        self._files = files
        self._folder = f"cells/{cell_id}"

    def begin(self, cell: Cell) -> None:
        """Make the folder the cell's: write its spec, clear what a killed writer left."""
        self._files.sweep_temporaries(self._folder)
        spec = {"schema": SCHEMA, "id": cell.id, "settings": cell.settings}
        self._write("spec.json", json.dumps(spec, indent=2).encode())

    def cell(self) -> Cell:
        """The cell that was trained here.

        Raises:
            DamagedArtefact: there is no spec, or it is another cell's.
        """
        content = self._read("spec.json")
        try:
            cell = Cell.resolved(json_text.parse(content or b"")["settings"])
        except (InputError, ValueError, KeyError, TypeError) as problem:
            raise self._damaged("spec.json", f"not a spec ({problem})") from None
        if cell.id != self.id:
            raise self._damaged("spec.json", f"it describes the cell {cell.id}")
        return cell

    def result(self) -> Result | None:
        """The result, or None where the cell has none.

        Raises:
            DamagedArtefact: there is a result, but not a readable one of this cell.
        """
        content = self._read("result.json")
        if content is None:
            return None
        try:
            result = Result.parse(content)
        except DamagedArtefact as problem:
            raise self._damaged("result.json", str(problem)) from None
        if result.id != self.id:
            raise self._damaged("result.json", f"it is the cell {result.id}'s")
        return result

    def finish(self, result: Result) -> None:
        """Write the result, which ends the cell, and drop what only a continuation needs; a pruned
        cell may have one."""
        self._write("result.json", result.model_dump_json(indent=2).encode())
        self._drop_resume_after(result)

    def tidy(self) -> None:
        """Drop what a writer leaves that is killed just after it wrote the result."""
        with suppress(DamagedArtefact):
            self._drop_resume_after(self.result())

    def _drop_resume_after(self, result: Result | None) -> None:
        if result is not None and result.ended:
            for epochs in self.resumes():
                self.drop_resume(epochs)

    def give_up(self, cell: Cell, status: Literal["failed", "pruned"], reason: str) -> Result:
        """Write the result of a cell that nobody trains any more; it may never have begun."""
        result = Result(id=cell.id, status=status, reason=reason)
        self.begin(cell)
        self.finish(result)
        return result

    def reopen(self) -> None:
        """Forget the result, so that the cell runs again."""
        self._files.delete(f"{self._folder}/result.json")

    def write_history(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Replace the history: one object per epoch."""
        self._write("history.jsonl", "".join(f"{json.dumps(e)}\n" for e in epochs).encode())

    def history(self) -> list[dict[str, Any]]:
        """One object per epoch; none if nothing was trained.

        Raises:
            DamagedArtefact: a line is not JSON.
        """
        content = self._read("history.jsonl") or b""
        try:
            return [json_text.parse(line) for line in content.splitlines()]
        except ValueError as problem:
            raise self._damaged("history.jsonl", str(problem)) from None

    def write_best(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> str:
        """Store the best epoch's weights; returns the file's SHA-256."""
        content = tensor_file.pack(weights, state)
        self._write("best.safetensors", content)
        return hashlib.sha256(content).hexdigest()

    def best(self, sha256: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The best epoch's weights and the state stored with them.

        Args:
            sha256: the file's checksum as `Result` has it, to be held against.

        Raises:
            DamagedArtefact: the file is missing, altered, or not the one of that checksum.
        """
        content = self._read("best.safetensors")
        if content is None:
            raise self._damaged("best.safetensors", "it is missing")
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise self._damaged("best.safetensors", "it does not match its checksum")
        return self._unpack("best.safetensors", content)

    def write_resume(
        self, epochs: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        """Store all that a continuation needs after so many epochs."""
        self._write(_resume(epochs), tensor_file.pack(tensors, state))

    def resumes(self) -> list[int]:
        """After how many epochs a continuation is stored, the latest first."""
        found = map(_RESUME.fullmatch, self._files.list(self._folder))
        return sorted((int(each[1]) for each in found if each is not None), reverse=True)

    def resume(self, epochs: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a continuation after so many epochs needs.

        Raises:
            DamagedArtefact: the file is missing, truncated or altered.
        """
        content = self._read(_resume(epochs))
        if content is None:
            raise self._damaged(_resume(epochs), "it is missing")
        return self._unpack(_resume(epochs), content)

    def drop_resume(self, epochs: int) -> None:
        """Remove what a continuation after so many epochs needs, if it is there."""
        self._files.delete(f"{self._folder}/{_resume(epochs)}")

    def scores(self, key: Mapping[str, Any]) -> dict[str, float]:
        """What an analysis measured and kept under this key; nothing if it has not yet.

        Args:
            key: JSON-ready; all that the scores depend on.
        """
        try:
            kept = json_text.parse(self._read("scores.json") or b"{}")
            if kept.get("key") != dict(key):
                return {}
            return {
                name: math.nan if score is None else float(score)
                for name, score in kept["scores"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}

    def write_scores(self, key: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """Keep what was measured, so that it need not be measured again.

        JSON has no NaN: a measure that is not defined here is kept as null.
        """
        written = {name: score if math.isfinite(score) else None for name, score in scores.items()}
        kept = {"key": dict(key), "scores": written}
        self._keep("scores.json", json.dumps(kept, indent=2).encode())

    def outputs(self, split: str, key: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """What the best weights gave on a split; None if that was not kept under this key, or is
        damaged.

        Args:
            split: ``test`` or ``validation``.
            key: JSON-ready; all that the outputs depend on.
        """
        return self._kept(f"outputs-{split}.safetensors", key)

    def write_outputs(
        self, split: str, key: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        """Keep what the best weights gave on a split, so that they need not be run again."""
        self._keep(f"outputs-{split}.safetensors", tensor_file.pack(tensors, key))

    def map(self, kind: str, key: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """A map of the latents; None if it was not kept under this key, or is damaged.

        Args:
            kind: of map, such as ``tsne``.
            key: JSON-ready; all that the map depends on.
        """
        return self._kept(f"map-{kind}.safetensors", key)

    def write_map(self, kind: str, key: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Keep a map of the latents, so that it need not be made again."""
        self._keep(f"map-{kind}.safetensors", tensor_file.pack(tensors, key))

    def _kept(self, name: str, key: Mapping[str, Any]) -> dict[str, Tensor] | None:
        content = self._read(name)
        if content is None:
            return None
        try:
            tensors, state = tensor_file.unpack(content)
        except DamagedArtefact:
            return None
        return tensors if state == dict(key) else None

    def _read(self, name: str) -> bytes | None:
        return self._files.read(f"{self._folder}/{name}")

    def _write(self, name: str, content: bytes) -> None:
        self._files.write(f"{self._folder}/{name}", content)

    def _keep(self, name: str, content: bytes) -> None:
        self._files.sweep_temporaries(self._folder, ABANDONED_S)
        self._write(name, content)

    def _unpack(self, name: str, content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
        try:
            return tensor_file.unpack(content)
        except DamagedArtefact as problem:
            raise self._damaged(name, str(problem)) from None

    def _damaged(self, name: str, what: str) -> DamagedArtefact:
        return DamagedArtefact(f"{self._files.location}/{self._folder}/{name}: {what}.")


def _resume(epochs: int) -> str:
    return f"resume-{epochs}.safetensors"
