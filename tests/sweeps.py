"""Real sweeps, in this process or in one of their own, and what they leave behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from pyarrow.fs import FileInfo, FileSelector

from lbray import spec
from lbray.planning import Placement, plan, preflight
from lbray.store import Store
from lbray.sweep import Outcome, sweep

GRID = """
settings: {dataset: digits, seed: [0, 1], max_epochs: 3, train_size: 600, test_size: 200}
blocks:
  - loss: baseline
  - {loss: [magnet, latent_boost], lambda: 0.5}
"""
"""Six cells of a second or so."""

LONG = GRID.replace("max_epochs: 3", "max_epochs: 12")
"""Six cells that last long enough to be disturbed."""

_MARK = "LBRAY_TEST_MARK"
_PROGRAM = """
import signal
from lbray.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where tests run in the background
main()
"""


def four_cells(workers: int) -> str:
    """Four cells that last some seconds if so many workers share each: a batch that is shared waits
    for messages, so those of one worker are smaller."""
    sizes = ", batch_size: 16" if workers == 1 else ""
    return f"""
settings: {{dataset: digits, seed: [0, 1], max_epochs: 16, patience: 16{sizes}}}
blocks:
  - loss: baseline
  - {{loss: magnet, lambda: 0.5}}
"""


def experiment(folder: Path, text: str = GRID, name: str = "grid") -> spec.Experiment:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return spec.load(path)


def run(
    declared: spec.Experiment, store: Store, placement: Placement, **options: object
) -> Outcome:
    planned = plan(declared.cells(), store)
    preflight(planned, store, None, placement.at_once)
    return sweep(declared, planned, store, placement, **options)


def actors(at_once: int) -> Placement:
    return Placement("actor", "cpu", at_once)


def numbers(store: Store, declared: spec.Experiment) -> dict[str, object]:
    """Everything that a cell's settings decide, per cell."""

    def without_time(metrics: dict[str, float]) -> dict[str, float]:
        return {name: value for name, value in metrics.items() if not name.startswith("time/")}

    return {
        cell.id: (
            without_time(store.result(cell.id).metrics),
            [without_time(epoch) for epoch in store.cell(cell.id).history()],
            store.result(cell.id).weights_sha256,
        )
        for cell in declared.cells()
    }


def wait_until(
    condition: Callable[[], object], seconds: float = 240, drivers: Sequence[Driver] = ()
) -> None:
    """Return when something has come about; drivers that are given must live until then."""
    deadline = time.monotonic() + seconds
    while not condition():
        for driver in drivers:
            assert driver.process.poll() is None, driver.ended()
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def wait_for_a_held_cell(store: Store, drivers: Sequence[Driver] = ()) -> None:
    """Return when a sweep has told that it met with another's claim; drivers that are given must
    live until then."""
    events = store.event_log("grid")
    wait_until(lambda: any(e["event"] == "cell_held" for e in events.read()), drivers=drivers)


class Driver:
    """``lbray …`` in a process of its own, whose descendants can be found."""

    def __init__(self, *words: str, cwd: Path, **environment: str) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words],
            cwd=cwd,
            env={**os.environ, **environment, _MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self, seconds: float = 500) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        out, messages = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, messages

    def descendants(self, title: str = "") -> list[int]:
        """Living processes that inherited the driver's environment, by their title."""
        return [
            pid for pid, command in self._marked() if title in command and pid != self.process.pid
        ]

    def _marked(self) -> Iterator[tuple[int, str]]:
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes():
                    yield int(entry.name), (entry / "cmdline").read_bytes().decode(errors="ignore")


def contents(store: Store) -> dict[str, FileInfo]:
    """The files and folders of a store, by their names in it."""
    files, root = store.files.filesystem, store.files.path("cells").removesuffix("cells")
    found = files.get_file_info(FileSelector(root, allow_not_found=True, recursive=True))
    return {each.path.removeprefix(root): each for each in found}


def files_with(word: str, *places: Store | Path) -> list[str]:
    """The files of stores and folders in which a word stands."""
    return [name for each in places for name, text in _files(each) if word.encode() in text]


def _files(place: Store | Path) -> Iterator[tuple[str, bytes]]:
    if isinstance(place, Store):
        names = [name for name, each in contents(place).items() if each.is_file]
        yield from ((name, place.files.read(name) or b"") for name in names)
    else:
        paths = [path for path in place.rglob("*") if path.is_file()]
        yield from ((str(path), path.read_bytes()) for path in paths)


def left_behind(store: Store) -> list[str]:
    """What a store has only while a sweep runs on it."""
    passing = ("*.tmp", "resume-*.safetensors", "scratch-*")
    return [
        path
        for path in contents(store)
        if path.startswith(("claims/", "sweeps/"))
        or any(fnmatch(part, each) for part in path.split("/") for each in passing)
    ]


class Watched:
    """What cells had come to when something was about to happen to them."""

    def __init__(self, declared: spec.Experiment, store: Store) -> None:
        self._cells, self._store, self._name = declared.cells(), store, declared.name
        self._histories: dict[str, list] = {}
        self._results: dict[str, bytes] = {}

    def epochs(self) -> dict[str, int]:
        """Finished epochs of the cells that are being trained."""
        return self._epochs(self._unfinished())

    def _unfinished(self) -> list[str]:
        return [cell.id for cell in self._cells if self._result(cell.id) is None]

    def _epochs(self, cells: list[str]) -> dict[str, int]:
        histories = {cell: self._store.cell(cell).history() for cell in cells}
        return {cell: len(history) for cell, history in histories.items() if history}

    def wait_for_epochs(self, count: int, drivers: Sequence[Driver] = ()) -> None:
        """Return when a cell that is being trained has so many epochs behind it; drivers that are
        given must live until then."""
        wait_until(lambda: max(self.epochs().values(), default=0) >= count, drivers=drivers)

    def wait_for_the_middle(self, driver: Driver) -> None:
        """Return when a cell is finished and another between three epochs and half of them; the
        driver must live until then."""
        wait_until(self._in_the_middle, drivers=[driver])

    def _in_the_middle(self) -> bool:
        unfinished, half = self._unfinished(), self._cells[0].max_epochs // 2
        return len(unfinished) < len(self._cells) and any(
            3 <= count <= half for count in self._epochs(unfinished).values()
        )

    def remember(self) -> None:
        """Take note of how things stand: of several cells one is finished, and one that is not has
        two epochs behind it."""
        for cell in self._cells:
            self._histories[cell.id] = self._store.cell(cell.id).history()
            result = self._result(cell.id)
            if result is not None:
                self._results[cell.id] = result
        assert self._results or len(self._cells) == 1
        assert any(len(self._histories[cell]) >= 2 for cell in self._under_way())

    def _under_way(self) -> set[str]:
        return {cell.id for cell in self._cells} - self._results.keys()

    def begun(self) -> int:
        """How often a cell was begun that was under way: the one that was so most often."""
        events = self._store.event_log(self._name).read()
        begun = Counter(each["cell"] for each in events if each["event"] == "cell_started")
        return max(begun[cell] for cell in self._under_way())

    def assert_kept(self) -> None:
        """Finished cells were not touched; of the others, one epoch was trained anew at most.

        No two runs of an epoch take equally long, so its duration tells which run it is of.
        """
        for cell, result in self._results.items():
            assert self._result(cell) == result
        for cell, before in self._histories.items():
            after = self._store.cell(cell).history()
            kept = [
                old["time/epoch_s"] == new["time/epoch_s"]
                for old, new in zip(before, after, strict=False)
            ]
            assert sum(kept) >= len(before) - 1

    def _result(self, cell_id: str) -> bytes | None:
        return self._store.files.read(f"cells/{cell_id}/result.json")


def assert_nothing_left(driver: Driver, store: Store) -> None:
    assert not left_behind(store)
    wait_until(lambda: not driver.descendants())
