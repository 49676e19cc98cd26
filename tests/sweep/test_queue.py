"""What a trial is told of its cells."""

from __future__ import annotations

from ray.tune.search import Searcher
from small_cells import small_cell

from lbray.sweep.queue import Queue
from lbray.sweep.trial import cells_of, pack


def test_each_trial_gets_the_number_of_the_next_group():
    a, b, c = (small_cell(seed=seed, loss="magnet", **{"lambda": 0.5}) for seed in range(3))
    groups = [(a, b), (c,)]
    queue = Queue(groups)
    first, second = queue.suggest("one"), queue.suggest("two")
    assert queue.suggest("three") == Searcher.FINISHED
    packed = [pack(group) for group in groups]
    assert cells_of(first, packed) == [a, b]
    assert cells_of(second, packed) == [c]


def test_a_config_is_small_and_shows_what_tells_a_single_cell_from_another():
    group = tuple(small_cell(seed=seed) for seed in range(50))
    queue = Queue([group, group[:1]])
    assert len(queue.suggest("one")) == 1
    shown = queue.suggest("two")
    assert (shown["cell"], shown["loss"], shown["lambda"]) == (group[0].id, "baseline", 0.0)
    assert (shown["seed"], shown["dataset"], shown["backbone"]) == (0, "digits", "cnn")
