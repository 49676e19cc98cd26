"""The real autoscaler brings nodes by a sweep's demand, replaces those that are lost, and gives
back those that idle. Only the machines are not real: Ray's fake cloud starts each node here."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_cloud import TOKEN, FakeCloud, fake_cloud
from narrator import Narrator
from sweeps import (
    Driver,
    Watched,
    experiment,
    four_cells,
    left_behind,
    numbers,
    run,
    wait_until,
)

from lbray.planning import Placement
from lbray.store import Store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

_NOTICE_S = 1.0


@pytest.fixture
def cloud(bucket: str) -> Iterator[FakeCloud]:
    with fake_cloud() as cloud:
        yield cloud


@pytest.mark.parametrize("workers", [1, 2])
def test_nodes_come_by_demand_are_replaced_and_go(
    tmp_path: Path, cloud: FakeCloud, bucket: str, narrator: Narrator, workers: int
):
    declared = experiment(tmp_path, four_cells(workers))
    store = Store(bucket)
    undisturbed = Store(str(tmp_path / "undisturbed"))
    executor = "actor" if workers == 1 else "ddp"
    run(declared, undisturbed, Placement(executor, "cpu", 1, workers_per_cell=workers))
    watched = Watched(declared, store)
    assert cloud.nodes() == {}
    narrator.say("a head without cores, and no node")

    words = ("--address", cloud.address, "--store", bucket, "--workers-per-cell", str(workers))
    words += ("--actors", str(2 // workers))
    driver = Driver("sweep", "grid.yaml", *words, cwd=tmp_path, **TOKEN)
    narrator.say("lbray sweep grid.yaml", *words)
    wait_until(lambda: len(cloud.nodes()) == 2, 120)
    narrator.say("the sweep's demand has brought 2 nodes")

    watched.wait_for_the_middle(driver)
    watched.remember()
    before = cloud.nodes()
    lost = next(iter(before))
    for kind in (signal.SIGTERM, signal.SIGKILL):  # as a machine that is taken away does
        for pid in [*before[lost], lost]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, kind)
        time.sleep(_NOTICE_S)
    narrator.say("a node is taken away while its cell is trained: SIGTERM to all, then SIGKILL")
    wait_until(lambda: len(cloud.nodes()) == 2 and lost not in cloud.nodes(), 180)
    narrator.say("another node has come in its place")

    code, _, messages = driver.ended(300)
    assert code == 0, messages
    narrator.quote(messages)
    watched.assert_kept()
    assert numbers(store, declared) == numbers(undisturbed, declared)
    narrator.say("each result is equal, to the bit, to that of a training in peace")
    assert not left_behind(store)

    began = time.monotonic()
    wait_until(lambda: not cloud.nodes(), 120)
    narrator.say(f"no node is left {time.monotonic() - began:.0f} s after the sweep")
