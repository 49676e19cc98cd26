"""A store: the cells of any number of experiments, and which experiment declared which."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from lbray import json_text
from lbray.errors import DamagedArtefact, InputError
from lbray.spec import Cell, Experiment
from lbray.store.cell_files import CellFiles
from lbray.store.dataset_copies import DatasetCopies
from lbray.store.event_log import EventLog
from lbray.store.files import Files
from lbray.store.result import Result

PATIENCE_S = 300.0
"""How long a `Store.patient` waits for an object store that does not answer."""


class Store:
    """Cells by id under ``cells/``, experiments by name under ``experiments/``, copies of datasets
    under ``datasets/``.

    Args:
        location: a local folder, or a URI that `pyarrow.fs` opens (``s3://…``, ``gs://…``).
        patience_s: for how many seconds an object store that does not answer is asked again.

    Raises:
        InputError: the location is not one of these, or holds a password.
    """

    def __init__(self, location: str, patience_s: float = 0.0) -> None:
        self.files = Files(location, patience_s)
        self.location = self.files.location

    def patient(self) -> Store:
        """The same store, for work that should outlast its being away for some minutes."""
        return Store(self.location, PATIENCE_S)

    def cell(self, cell_id: str) -> CellFiles:
        """The files of a cell, whether or not it was ever trained."""
        return CellFiles(self.files, cell_id)

    @property
    def datasets(self) -> DatasetCopies:
        """The copies of datasets that were pushed into this store."""
        return DatasetCopies(self.files)

    def result(self, cell_id: str) -> Result | None:
        """A cell's result; None where there is none that can be used."""
        try:
            return self.cell(cell_id).result()
        except DamagedArtefact:
            return None

    def results(self, cell_ids: Sequence[str]) -> list[Result | None]:
        """As `result`, of many cells."""
        return self.files.several(self.result, cell_ids)

    def final_result(self, cell_id: str) -> Result | None:
        """A cell's result if it is one after which the cell is not trained again, else None."""
        result = self.result(cell_id)
        return result if result is not None and result.ended else None

    def record_experiment(self, experiment: Experiment, cells: Iterable[Cell]) -> None:
        """Write which cells an experiment has, as it is run."""
        record = {
            "name": experiment.name,
            "description": experiment.description,
            "cells": [cell.id for cell in cells],
        }
        self.files.write(_record(experiment.name), json.dumps(record, indent=2).encode())

    def experiment_cell_ids(self, name: str) -> list[str]:
        """The ids of an experiment's cells, as it was last run.

        Raises:
            InputError: the store has no such experiment.
            DamagedArtefact: its record is unreadable.
        """
        return [str(cell_id) for cell_id in self._record(name)["cells"]]

    def experiment_description(self, name: str) -> str:
        """What an experiment is about, in its own words; empty where it has none.

        Raises:
            InputError: the store has no such experiment.
            DamagedArtefact: its record is unreadable.
        """
        return str(self._record(name).get("description", ""))

    def _record(self, name: str) -> dict[str, Any]:
        content = self.files.read(_record(name))
        if content is None:
            known = self.experiments()
            shown = f"{', '.join(known) or 'none yet'} (in the store '{self.location}')"
            raise InputError.unknown("experiment", name, known, shown)
        try:
            record = json_text.parse(content)
            if not isinstance(record["cells"], list):
                raise TypeError("its cells are not a list")
        except (ValueError, KeyError, TypeError) as problem:
            raise DamagedArtefact(f"{_record(name)}: not an experiment ({problem}).") from None
        return dict(record)

    def experiments(self) -> list[str]:
        """The names of the experiments that were run into this store."""
        names = self.files.list("experiments")
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def event_log(self, experiment: str) -> EventLog:
        """The experiment's record of what happened."""
        return EventLog(self.files, experiment)


def _record(name: str) -> str:
    return f"experiments/{name}.json"
