"""Two sweeps on one store, in processes of their own."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from small_cells import small_cell

from lbray.errors import StoreUnavailable
from lbray.store import Claims, Lease, Result, Store, claims
from lbray.store.store import PATIENCE_S

CELLS = [f"{number:016x}" for number in range(60)]


def take_all(location: str, done: str, barrier) -> None:
    """Claim cells in the order of their ids until each has been done by somebody."""
    files = Store(location).files
    with Lease(files) as lease:
        barrier.wait()
        left = list(CELLS)
        while left:
            for cell in list(left):
                if lease.claim(cell) is None:
                    if files.read(f"{done}/{cell}") is None:
                        files.append(f"{done}/{cell}", f"{os.getpid()}")
                    left.remove(cell)
                    lease.release(cell)


@pytest.mark.parametrize("sweeps", [2, 3])
def test_no_cell_is_run_twice_and_none_is_lost(store: Store, sweeps: int):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(sweeps)
    processes = [
        context.Process(target=take_all, args=(store.location, "done", barrier))
        for _ in range(sweeps)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert store.files.list("done") == CELLS
    assert all(len(store.files.read(f"done/{cell}").splitlines()) == 1 for cell in CELLS)
    assert store.files.list("sweeps") == []


def this_process() -> str:
    return f"process {os.getpid()} on {os.uname().nodename}"


def change_lease(lease: Lease, store: Store, **changes: object) -> None:
    name = f"sweeps/{lease.id}.json"
    content = json.loads(store.files.read(name)) | changes
    store.files.write(name, json.dumps(content).encode())


def test_a_claim_is_seen_by_others_until_it_is_released(store: Store):
    with Lease(store.files) as first, Lease(store.files) as second:
        assert first.claim(CELLS[0]) is None
        assert first.claim(CELLS[0]) is None
        assert second.claim(CELLS[0]) == this_process()
        assert list(second.holders(CELLS)) == [CELLS[0]]
        assert first.holders(CELLS) == {}
        first.release(CELLS[0])
        assert second.claim(CELLS[0]) is None


def test_many_cells_are_claimed_but_those_of_others(store: Store):
    with Lease(store.files) as lease, Lease(store.files) as other:
        for cell in (CELLS[3], CELLS[50]):
            other.claim(cell)
        assert list(lease.claim_all(CELLS)) == [CELLS[3], CELLS[50]]
        assert lease.claim_all(CELLS) == dict.fromkeys([CELLS[3], CELLS[50]], this_process())
        ours = {*CELLS} - {CELLS[3], CELLS[50]}
        assert {*other.holders(CELLS)} == ours
        other.verify(CELLS[3])


def test_any_process_claims_on_a_sweeps_behalf(store: Store):
    with Lease(store.files) as lease, Lease(store.files) as other:
        assert Claims(store.files, lease.id).claim(CELLS[0]) is None
        assert other.claim(CELLS[0]) is not None
        assert lease.claim(CELLS[0]) is None


def _hold(location: str, ready) -> None:
    with Lease(Store(location).files) as lease:
        lease.claim(CELLS[0])
        Store(location).files.write(f"{claims.scratch(lease.id)}/left", b"")
        ready.set()
        time.sleep(60)


@pytest.mark.parametrize("beside", [True, False])
def test_what_a_killed_sweep_held_is_free_at_once_and_swept_away(store: Store, beside: bool):
    """By a sweep that ran beside it, or by the next one."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_hold, args=(store.location, ready))
    process.start()
    assert ready.wait(20)
    with Lease(store.files) as lease:
        assert lease.claim(CELLS[0]) is not None
        if beside:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert lease.claim(CELLS[0]) is None
    if not beside:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with Lease(store.files) as lease:
            assert lease.claim(CELLS[0]) is None
            assert store.files.list("sweeps") == [f"{lease.id}.json"]
            assert store.files.list("claims") == [f"{CELLS[0]}-{lease.id}.json"]
    assert not store.files.list("sweeps") + store.files.list("claims")
    assert not list(Path(store.location).glob("scratch-*"))


@pytest.mark.parametrize("lease_left", [True, False])
def test_a_sweep_killed_as_it_finished_a_cell_leaves_nothing_in_the_end(
    store: Store, lease_left: bool
):
    """Nobody claims such a cell again; nor may one be killed that clears up after another."""
    ended, going_on = store.cell(CELLS[0]), store.cell(CELLS[1])
    ended.finish(Result(id=CELLS[0], status="done"))
    for cell in (ended, going_on):
        cell.write_resume(1, {}, {})
        store.files.mark(f"claims/{cell.id}-0123.json")
    if lease_left:
        store.files.write("sweeps/0123.json", b"{}")
    with Lease(store.files):
        assert store.files.list("claims") == []
    assert ended.resumes() == []
    assert going_on.resumes() == [1]
    assert store.files.list("sweeps") == []


def test_a_sweep_that_ends_gives_back_what_it_has(store: Store):
    with Lease(store.files) as other:
        other.claim(CELLS[1])
        with Lease(store.files) as lease:
            lease.claim(CELLS[0])
        assert store.files.list("sweeps") == [f"{other.id}.json"]
        assert store.files.list("claims") == [f"{CELLS[1]}-{other.id}.json"]


def test_a_sweep_on_another_machine_is_alive_until_its_lease_runs_out(store: Store):
    with Lease(store.files) as there, Lease(store.files) as here:
        there.claim(CELLS[0])
        change_lease(there, store, machine="another", pid=1, began="0")
        assert here.claim(CELLS[0]) == f"process 1 on {os.uname().nodename}"
        change_lease(there, store, expires=time.time() - 1)
        assert here.claim(CELLS[0]) is None


def test_a_sweep_whose_process_is_seen_to_live_keeps_its_cells(store: Store):
    """Such as on a laptop that was asleep for longer than a lease."""
    with Lease(store.files) as asleep, Lease(store.files) as other:
        asleep.claim(CELLS[0])
        change_lease(asleep, store, expires=time.time() - 1)
        assert other.claim(CELLS[0]) is not None


def test_a_sweep_that_was_taken_for_dead_learns_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claims, "_RENEW_S", 0.5)
    with Lease(store.files) as cut_off, Lease(store.files) as other:
        cut_off.claim(CELLS[0])
        change_lease(cut_off, store, machine="another", expires=0)
        assert other.claim(CELLS[0]) is None
        deadline = time.monotonic() + 20
        while cut_off.failure is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "another sweep has taken its cells" in cut_off.failure
        assert other.failure is None


def test_a_lease_is_renewed(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claims, "_RENEW_S", 0.02)
    with Lease(store.files) as lease:
        path = Path(store.location) / "sweeps" / f"{lease.id}.json"
        first = json.loads(path.read_text())["expires"]
        deadline = time.monotonic() + 20
        while json.loads(path.read_text())["expires"] <= first:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"pid": 1}', b'{"expires": "x", "pid": "y"}'])
def test_an_unreadable_lease_is_nobodys(store: Store, content: bytes):
    with Lease(store.files) as lease:
        store.files.write("sweeps/0123.json", content)
        store.files.write(f"claims/{CELLS[0]}-0123.json", b"{}")
        assert lease.claim(CELLS[0]) is None


def test_a_cell_that_another_sweep_took_is_known_to_be_lost(store: Store):
    with Lease(store.files) as cut_off, Lease(store.files) as other:
        cut_off.claim(CELLS[0])
        cut_off.claim(CELLS[1])
        cut_off.verify(CELLS[0])
        change_lease(cut_off, store, machine="another", expires=0)
        assert other.claim(CELLS[0]) is None
        for cell in CELLS[:2]:
            with pytest.raises(StoreUnavailable, match="another sweep has taken its cells"):
                cut_off.verify(cell)
        other.verify(CELLS[0])


def test_a_lease_outlasts_the_patience_of_its_sweep():
    assert claims.LEASE_S > PATIENCE_S + claims._RENEW_S + 120


def test_a_lease_is_as_long_as_the_one_before(store: Store, monkeypatch: pytest.MonkeyPatch):
    """Else who reads it while it is replaced could read a part of it."""
    lengths = set()
    for now in (1.75e9, 1.75e9 + 0.1, 1.75e9 + 1 / 3):
        monkeypatch.setattr(claims.time, "time", lambda now=now: now)
        with Lease(store.files) as lease:
            lengths.add(len(store.files.read(f"sweeps/{lease.id}.json")))
    assert len(lengths) == 1


def test_what_is_no_lease_and_no_claim_is_left_alone(store: Store):
    """Such as what NFS and file managers leave."""
    strays = ["sweeps/.nfs0001", f"claims/{CELLS[0]}-0123.json~", "sweeps/README"]
    for stray in strays:
        path = Path(store.location, stray)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    with Lease(store.files) as lease:
        assert lease.claim(CELLS[0]) is None
        assert lease.others() == []
    assert all(Path(store.location, stray).exists() for stray in strays)


def test_a_cell_can_begin_while_another_sweep_claims_it(store: Store):
    cell = small_cell()
    stop = threading.Event()

    def begin() -> None:
        while not stop.is_set():
            store.cell(cell.id).begin(cell)

    beginning = threading.Thread(target=begin)
    with Lease(store.files) as lease:
        beginning.start()
        try:
            for _ in range(300):
                assert lease.claim(cell.id) is None
                lease.release(cell.id)
        finally:
            stop.set()
            beginning.join()
