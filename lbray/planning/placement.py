"""Who runs the cells: an actor each, several in one process, or a group of workers that share every
batch of one."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from lbray.errors import InputError
from lbray.spec import Cell

MOST_LANES = 64
_LANES = 8
"""Cells that are trained together where nobody says how many."""
_TURNS = 8
"""A process with lanes has at most so many times their number of cells to train: at its end lanes
stand empty, and a process of its own for few cells would be at its end all the time."""

ACTOR_START_S = 4.0
"""Seconds before an actor's first cell; its later ones begin at once."""
GROUP_START_S = 12.0
"""Seconds before a worker group's first cell, on two cores; its later ones begin at once."""
_GROUP_EFFICIENCY = 0.8
"""What a worker of a group does, against one alone: the rest is spent waiting for the others."""
_START_SHARE = 0.1
"""Short cells share a worker group until its start takes at most this share of its time."""


@dataclass(frozen=True)
class Machine:
    """The devices that there are: this machine's, or a cluster's together.

    Attributes:
        device: ``cpu`` or ``cuda``.
        count: how many devices: cores, or GPUs.
        cores: how many cores.
        largest: of a cluster, the most that one node has: cores and GPUs.
    """

    device: str
    count: int
    cores: int
    largest: tuple[int, int] | None = None

    @classmethod
    def detect(cls) -> Machine:
        """This machine: its GPUs if it has any, else the cores that this process may use."""
        cores = len(os.sched_getaffinity(0))
        return cls.of(cores, torch.cuda.device_count())

    @classmethod
    def of(cls, cores: int, gpus: int) -> Machine:
        """A machine with so many cores and GPUs."""
        return cls("cuda", gpus, cores) if gpus else cls("cpu", cores, cores)

    def grown(self, wishes: Wishes) -> Machine:
        """As a cluster that starts nodes by demand will be, once it has what is asked for.

        Raises:
            InputError: it has no device yet, and nothing says how many to ask for.
        """
        if not self.count and wishes.at_once is None:
            raise InputError(
                "--actors is missing, but the cluster has no device yet to be counted; "
                "give --actors N, with --gpus-per-cell 1 if they are GPUs."
            )
        workers = (wishes.at_once or 0) * (wishes.workers_per_cell or 1)
        cores = max(self.cores, workers * wishes.threads)
        if self.device == "cpu" and wishes.gpus_per_cell is None:
            return Machine.of(cores, 0)
        gpus = self.count if self.device == "cuda" else 0
        return Machine.of(cores, max(gpus, _gpus_for(workers, wishes.gpus_per_cell or 1)))

    def lacks(self, placement: Placement) -> str | None:
        """What no node of a cluster has now that a worker needs, so that cells wait for a node to
        join; None if one has it."""
        cores, gpus = self.largest or (placement.threads, placement.gpus)
        if placement.gpus > gpus:
            return f"{placement.gpus:g} GPU{'s' if placement.gpus > 1 else ''}"
        return f"{placement.threads} cores" if placement.threads > cores else None


@dataclass(frozen=True)
class Wishes:
    """What the user asks for; None where lbray shall choose.

    Attributes:
        executor: ``auto``, ``actor``, ``ddp`` or ``fused``.
        at_once: cells, or worker groups, at a time.
        workers_per_cell: processes that share each batch of a cell, with a device each.
        gpus_per_cell: GPUs per worker; a fraction lets cells share one.
        threads: per worker; on the CPU each counts as a device.
        lanes: cells that one process trains together.
    """

    executor: str = "auto"
    at_once: int | None = None
    workers_per_cell: int | None = None
    gpus_per_cell: float | None = None
    threads: int = 1
    lanes: int | None = None


@dataclass(frozen=True)
class Placement:
    """Who runs the cells of a sweep. It never decides about a result, but for rounding.

    Attributes:
        executor: ``actor``, ``ddp`` or ``fused``.
        device: ``cpu`` or ``cuda``.
        at_once: processes with a cell or with lanes, or worker groups, at a time.
        threads: per worker.
        workers_per_cell: processes that share each batch.
        gpus: per worker; 0 on the CPU.
        cells_per_group: how many cells a worker group trains, one after another, or a process with
            lanes, some at a time, before it ends.
        lanes: cells that one process trains together.
    """

    executor: str
    device: str
    at_once: int
    threads: int = 1
    workers_per_cell: int = 1
    gpus: float = 0.0
    cells_per_group: int = 1
    lanes: int = 1

    @property
    def cells_at_once(self) -> int:
        """How many cells are trained at a time."""
        return self.at_once * self.lanes

    @property
    def whole_gpus(self) -> int:
        """How many GPUs all workers have together."""
        workers = self.at_once * self.workers_per_cell
        return _gpus_for(workers, self.gpus) if self.gpus else 0

    @property
    def devices_per_cell(self) -> float:
        """How many GPUs, or cores, a cell has while it is trained; a share, where cells share."""
        return self.workers_per_cell * (self.threads if self.device == "cpu" else self.gpus)

    def sweep_seconds(self, cells: int, seconds: float) -> float:
        """An estimate for a sweep, from one cell's seconds on one device; what lanes gain is known
        only where they run, and counts as nothing.

        Args:
            cells: how many there are to run.
            seconds: of one cell on one device.
        """
        in_a_row = math.ceil(cells / self.at_once)
        if self.executor != "ddp":
            return ACTOR_START_S + in_a_row * seconds
        starts = math.ceil(in_a_row / self.cells_per_group)
        return starts * GROUP_START_S + in_a_row * self.cell_seconds(seconds)

    def cell_seconds(self, seconds: float) -> float:
        """What a cell of so many seconds on one device takes as it is placed."""
        if self.workers_per_cell == 1:
            return seconds
        return seconds / (self.workers_per_cell * _GROUP_EFFICIENCY)

    def __str__(self) -> str:
        if self.executor == "actor":
            return f"executor actor: {self.at_once} at a time on {self.device}"
        if self.executor == "fused":
            return (
                f"executor fused: {self.at_once} at a time on {self.device}, each with "
                f"{self.lanes} lanes"
            )
        packed = f", {self.cells_per_group} cells in a row" if self.cells_per_group > 1 else ""
        return (
            f"executor ddp: {self.at_once} at a time on {self.device}, each on "
            f"{self.workers_per_cell} workers{packed}"
        )


def _gpus_for(workers: int, share: float) -> int:
    """How many GPUs so many workers need, with a share of one each, or with several."""
    return math.ceil(workers / int(1 / share)) if share < 1 else math.ceil(workers * share)


def place(
    cells: Sequence[Cell], machine: Machine, wishes: Wishes, seconds: float | None = None
) -> tuple[Placement, str]:
    """Choose an executor for cells on a machine.

    ``auto`` takes the one that is sooner done. Actors run one cell per device, and leave devices
    idle where there are fewer cells than these; a group of W workers trains a cell W·0.8 times as
    fast. With a cell for every device, or without an estimate, that is actors. Lanes are had where
    they are asked for.

    Args:
        cells: those to run.
        machine: what there is.
        wishes: what the user asks for.
        seconds: an estimate for one cell on one device.

    Returns:
        The placement, and the reason in a few words.

    Raises:
        InputError: the machine cannot give what is asked for.
    """
    _check_lanes(wishes)
    slots = _slots(machine, wishes)
    _check_workers(cells, machine, wishes, slots)
    _check_at_once(machine, wishes, slots)
    actors = Placement(
        "actor",
        machine.device,
        wishes.at_once or slots,
        wishes.threads,
        gpus=_gpus_per_worker(machine, wishes),
    )
    rows = min((cell.batch_size for cell in cells), default=slots)
    workers = wishes.workers_per_cell or min(max(2, slots // max(1, len(cells))), rows)
    if wishes.executor == "actor":
        return actors, "as asked for"
    if wishes.executor == "fused":
        return _with_lanes(actors, cells, wishes.lanes or _LANES), "as asked for"
    if wishes.executor == "ddp" or (wishes.workers_per_cell or 1) > 1:
        return _groups(actors, cells, slots, min(workers, slots), seconds), "as asked for"
    if len(cells) >= slots or wishes.workers_per_cell == 1:
        return actors, "there is a cell for every device"
    if _shares_gpus(wishes):
        return actors, "cells share GPUs, which workers of one cell cannot"
    if seconds is None:
        return actors, "nothing is known yet of the seconds that a cell takes"
    groups = _groups(actors, cells, slots, workers, seconds)
    alone, shared = (each.sweep_seconds(len(cells), seconds) for each in (actors, groups))
    against = f"by estimate {alone:.0f} s with a process per cell, {shared:.0f} s with {workers}"
    return (groups if shared < alone else actors), against


def _slots(machine: Machine, wishes: Wishes) -> int:
    """How many workers can run at a time."""
    share = wishes.gpus_per_cell
    if machine.device == "cpu" and share is not None:
        raise InputError(f"--gpus-per-cell is {share:g}, but there is no GPU here; leave it out.")
    if wishes.threads > machine.cores:
        raise InputError(
            f"--threads is {wishes.threads}, but must be at most {machine.cores}, the cores."
        )
    if machine.device == "cpu":
        return machine.count // wishes.threads
    if share is None:
        return machine.count
    if not 0 < share <= machine.count or (share > 1 and share % 1):
        raise InputError(
            f"--gpus-per-cell is {share:g}, but must be a fraction of one GPU, or a whole number "
            f"up to {machine.count}."
        )
    return machine.count * int(1 / share) if share < 1 else machine.count // int(share)


def _check_lanes(wishes: Wishes) -> None:
    lanes = wishes.lanes
    if lanes is not None and not 1 <= lanes <= MOST_LANES:
        raise InputError(f"--lanes is {lanes}, but must be a whole number from 1 to {MOST_LANES}.")
    if lanes is not None and wishes.executor != "fused":
        raise InputError(
            f"--lanes is {lanes}, but --executor is {wishes.executor}; it must be fused then."
        )


def _check_workers(cells: Sequence[Cell], machine: Machine, wishes: Wishes, slots: int) -> None:
    workers = wishes.workers_per_cell or 1
    given = f"--workers-per-cell is {workers}"
    if _shares_gpus(wishes) and (workers > 1 or wishes.executor == "ddp"):
        raise InputError(
            f"--gpus-per-cell is {wishes.gpus_per_cell:g}, but must be a whole number with workers "
            "that share batches: each needs a GPU of its own."
        )
    if wishes.executor == "ddp" and wishes.workers_per_cell is None and slots < 2:
        raise InputError(
            f"--executor is ddp, by which two workers or more share each batch, but there is room "
            f"for {slots}; use actor."
        )
    if workers == 1:
        return
    if wishes.executor == "actor":
        raise InputError(f"{given}, but --executor actor has one process per cell; use ddp.")
    if wishes.executor == "fused":
        raise InputError(f"{given}, but must be 1 with --executor fused; use ddp.")
    if workers > slots:
        kind = "GPUs" if machine.device == "cuda" else "cores"
        threads = f" and --threads {wishes.threads}" if wishes.threads > 1 else ""
        raise InputError(
            f"{given}, but must be at most {slots}, with {machine.count} {kind}{threads}."
        )
    smallest = min((cell.batch_size for cell in cells), default=workers)
    if workers > smallest:
        raise InputError(f"{given}, but must be at most the batch_size, {smallest}.")


def _check_at_once(machine: Machine, wishes: Wishes, slots: int) -> None:
    """More processes than cores share these; a GPU that is not there is nobody's."""
    most = slots // (wishes.workers_per_cell or 1)
    if machine.device == "cuda" and (wishes.at_once or 1) > most:
        raise InputError(
            f"--actors is {wishes.at_once}, but must be at most {most}, with {machine.count} GPUs."
        )


def _shares_gpus(wishes: Wishes) -> bool:
    return (wishes.gpus_per_cell or 1) < 1


def _gpus_per_worker(machine: Machine, wishes: Wishes) -> float:
    if machine.device == "cpu":
        return 0.0
    return 1.0 if wishes.gpus_per_cell is None else wishes.gpus_per_cell


def _groups(
    actors: Placement, cells: Sequence[Cell], slots: int, workers: int, seconds: float | None
) -> Placement:
    at_once = max(1, min(actors.at_once, slots // workers))
    placed = replace(actors, executor="ddp", at_once=at_once, workers_per_cell=workers)
    in_a_row = math.ceil(len(cells) / at_once)
    if seconds is None or in_a_row < 2:
        return placed
    enough = GROUP_START_S / (_START_SHARE * placed.cell_seconds(seconds))
    return replace(placed, cells_per_group=min(in_a_row, math.ceil(enough)))


def _with_lanes(actors: Placement, cells: Sequence[Cell], lanes: int) -> Placement:
    in_a_row = max(1, math.ceil(len(cells) / actors.at_once))
    return replace(
        actors, executor="fused", lanes=lanes, cells_per_group=min(in_a_row, _TURNS * lanes)
    )
