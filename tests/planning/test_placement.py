from __future__ import annotations

import pytest
from small_cells import small_cell

from lbray.errors import InputError
from lbray.planning import Machine, Placement, Wishes, place

CORES = Machine.of(cores=4, gpus=0)
GPUS = Machine.of(cores=16, gpus=8)


def cells(count: int, **settings):
    return [small_cell(seed=seed, **settings) for seed in range(count)]


def test_with_a_cell_for_every_device_each_has_a_process():
    placement, _ = place(cells(24), CORES, Wishes(), seconds=100.0)
    assert (placement.executor, placement.device, placement.at_once) == ("actor", "cpu", 4)
    placement, _ = place(cells(24), GPUS, Wishes(), seconds=100.0)
    assert (placement.executor, placement.device) == ("actor", "cuda")
    assert (placement.at_once, placement.gpus) == (8, 1.0)


def test_a_few_long_cells_share_the_devices_and_a_few_short_ones_do_not():
    long, why = place(cells(2), GPUS, Wishes(), seconds=3600.0)
    assert (long.executor, long.workers_per_cell, long.at_once) == ("ddp", 4, 2)
    assert "3604 s with a process per cell, 1137 s with 4" in why
    short, _ = place(cells(2), GPUS, Wishes(), seconds=5.0)
    assert short.executor == "actor"
    unknown, why = place(cells(2), GPUS, Wishes())
    assert unknown.executor == "actor"
    assert "nothing is known" in why


@pytest.mark.parametrize(
    ("workers_per_cell", "gpus", "whole"),
    [(1, 0.25, 2), (1, 0.4, 4), (2, 1, 16), (1, 2, 16), (1, 0, 0)],
)
def test_as_many_gpus_are_asked_for_as_all_workers_need(workers_per_cell, gpus, whole):
    placement = Placement("actor", "cuda", 8, workers_per_cell=workers_per_cell, gpus=gpus)
    assert placement.whole_gpus == whole


def test_a_group_has_no_more_workers_than_a_batch_has_images():
    many = Machine.of(cores=64, gpus=0)
    placement, _ = place(cells(1, batch_size=8), many, Wishes(), seconds=1e5)
    assert (placement.executor, placement.workers_per_cell) == ("ddp", 8)


def test_short_cells_share_a_group_until_its_start_is_a_tenth_of_its_time():
    wishes = Wishes(workers_per_cell=2)
    placement, _ = place(cells(60), CORES, wishes, seconds=16.0)  # 10 s in a group of two
    assert (placement.executor, placement.at_once) == ("ddp", 2)
    assert placement.cells_per_group == 12
    assert placement.sweep_seconds(60, 16.0) == 3 * 12 + 30 * 10
    few, _ = place(cells(6), CORES, wishes, seconds=1.0)
    assert few.cells_per_group == 3, "no more than leave every group something to do"
    long, _ = place(cells(40), CORES, wishes, seconds=3600.0)
    assert long.cells_per_group == 1


def test_actors_take_as_long_as_the_longest_row_of_cells():
    placement, _ = place(cells(9), CORES, Wishes(), seconds=10.0)
    assert placement.sweep_seconds(9, 10.0) == 4 + 3 * 10


def test_lanes_are_had_where_they_are_asked_for():
    placement, why = place(cells(40), CORES, Wishes(executor="fused", lanes=2, at_once=1))
    assert (placement.executor, placement.device, placement.lanes) == ("fused", "cpu", 2)
    assert (placement.cells_per_group, why) == (16, "as asked for")
    assert placement.sweep_seconds(40, 10.0) == 4 + 40 * 10
    assert place([], CORES, Wishes(executor="fused"))[0].lanes == 8
    placement, _ = place(cells(200), GPUS, Wishes(executor="fused"))
    assert (placement.cells_per_group, placement.cells_at_once) == (25, 64)
    assert str(placement) == "executor fused: 8 at a time on cuda, each with 8 lanes"


def test_threads_and_fractions_of_a_gpu_change_how_many_run_at_once():
    assert place(cells(9), CORES, Wishes(threads=2))[0].at_once == 2
    assert place(cells(99), GPUS, Wishes(gpus_per_cell=0.25))[0].at_once == 32
    assert place(cells(99), GPUS, Wishes(gpus_per_cell=2))[0].at_once == 4
    assert place(cells(99), CORES, Wishes(at_once=7))[0].at_once == 7


@pytest.mark.parametrize(
    ("machine", "wishes", "sentence"),
    [
        (
            CORES,
            Wishes(workers_per_cell=5),
            "--workers-per-cell is 5, but must be at most 4, with 4 cores.",
        ),
        (
            CORES,
            Wishes(workers_per_cell=3, threads=2),
            "--workers-per-cell is 3, but must be at most 2, with 4 cores and --threads 2.",
        ),
        (
            GPUS,
            Wishes(workers_per_cell=9),
            "--workers-per-cell is 9, but must be at most 8, with 8 GPUs.",
        ),
        (
            GPUS,
            Wishes(workers_per_cell=2, gpus_per_cell=0.5),
            "--gpus-per-cell is 0.5, but must be a whole number with workers that share batches",
        ),
        (
            GPUS,
            Wishes(executor="ddp", gpus_per_cell=0.5),
            "--gpus-per-cell is 0.5, but must be a whole number with workers that share batches",
        ),
        (
            Machine.of(cores=1, gpus=0),
            Wishes(executor="ddp"),
            "--executor is ddp, by which two workers or more share each batch, but there is room",
        ),
        (GPUS, Wishes(at_once=9), "--actors is 9, but must be at most 8, with 8 GPUs."),
        (
            GPUS,
            Wishes(at_once=33, gpus_per_cell=0.25),
            "--actors is 33, but must be at most 32, with 8 GPUs.",
        ),
        (
            GPUS,
            Wishes(at_once=3, workers_per_cell=4),
            "--actors is 3, but must be at most 2, with 8 GPUs.",
        ),
        (
            GPUS,
            Wishes(threads=17),
            "--threads is 17, but must be at most 16, the cores.",
        ),
        (
            GPUS,
            Wishes(executor="fused", workers_per_cell=2),
            "--workers-per-cell is 2, but must be 1 with --executor fused",
        ),
        *[
            (CORES, Wishes(executor=executor, lanes=lanes), f"--lanes is {lanes}, but {allowed}")
            for executor, lanes, allowed in (
                ("fused", 0, "must be a whole number from 1 to 64."),
                ("fused", 65, "must be a whole number from 1 to 64."),
                ("actor", 3, "--executor is actor; it must be fused then."),
                ("auto", 3, "--executor is auto; it must be fused then."),
            )
        ],
        (GPUS, Wishes(gpus_per_cell=1.5), "--gpus-per-cell is 1.5, but must be a fraction of one"),
        (GPUS, Wishes(gpus_per_cell=9), "--gpus-per-cell is 9, but must be a fraction of one"),
        (
            CORES,
            Wishes(gpus_per_cell=1),
            "--gpus-per-cell is 1, but there is no GPU here; leave it out.",
        ),
        (CORES, Wishes(threads=5), "--threads is 5, but must be at most 4, the cores."),
        (
            CORES,
            Wishes(executor="actor", workers_per_cell=2),
            "--workers-per-cell is 2, but --executor actor has one process per cell",
        ),
    ],
)
def test_what_the_machine_cannot_give_is_refused(machine: Machine, wishes: Wishes, sentence: str):
    with pytest.raises(InputError) as refused:
        place(cells(3), machine, wishes)
    assert str(refused.value).startswith(sentence)


def test_more_workers_than_samples_in_a_batch_are_refused():
    with pytest.raises(InputError, match="at most the batch_size, 2"):
        place(cells(1, batch_size=2), CORES, Wishes(workers_per_cell=3))


NOTHING = Machine.of(cores=0, gpus=0)


@pytest.mark.parametrize(
    ("there", "wishes", "then"),
    [
        (NOTHING, Wishes(at_once=3), Machine("cpu", 3, 3)),
        (NOTHING, Wishes(at_once=3, threads=2), Machine("cpu", 6, 6)),
        (NOTHING, Wishes(at_once=8, gpus_per_cell=1), Machine("cuda", 8, 8)),
        (NOTHING, Wishes(at_once=8, gpus_per_cell=0.25), Machine("cuda", 2, 8)),
        (NOTHING, Wishes(at_once=2, workers_per_cell=4, gpus_per_cell=1), Machine("cuda", 8, 8)),
        (CORES, Wishes(), CORES),
        (CORES, Wishes(at_once=9), Machine("cpu", 9, 9)),
        (GPUS, Wishes(at_once=2), GPUS),
        (GPUS, Wishes(at_once=12), Machine("cuda", 12, 16)),
    ],
)
def test_a_cluster_that_starts_nodes_by_demand_has_what_is_asked_for(there, wishes, then):
    assert there.grown(wishes) == then
    placement, _ = place(cells(24), then, wishes)
    assert placement.device == then.device
    if wishes.at_once is not None:
        assert placement.at_once == wishes.at_once


@pytest.mark.parametrize(
    ("wishes", "lacking"),
    [
        (Wishes(gpus_per_cell=2), "2 GPUs"),
        (Wishes(threads=6), "6 cores"),
        (Wishes(gpus_per_cell=0.5, threads=4), None),
    ],
)
def test_it_is_told_what_no_node_has(wishes: Wishes, lacking: str | None):
    cluster = Machine("cuda", 8, 32, largest=(4, 1))
    assert cluster.lacks(place(cells(8), cluster, wishes)[0]) == lacking
    assert GPUS.lacks(place(cells(8), GPUS, wishes)[0]) is None


def test_an_empty_cluster_must_be_told_how_much_to_ask_for():
    with pytest.raises(InputError, match="--actors N, with --gpus-per-cell 1 if they are GPUs"):
        NOTHING.grown(Wishes())
