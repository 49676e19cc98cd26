from __future__ import annotations

import threading
from pathlib import Path

from lbray.store import Store


def test_what_is_appended_is_read_once_and_in_order(store: Store):
    writer, reader = store.event_log("grid"), store.event_log("grid")
    assert reader.read() == []
    added = [writer.append("cell_started", cell=str(number)) for number in range(3)]
    writer.flush()
    assert reader.read() == added
    assert reader.read() == []
    last = writer.append("sweep_finished")
    writer.flush()
    assert reader.read() == [last]
    assert store.event_log("grid").read() == [*added, last]
    assert store.event_log("other").read() == []


def test_a_line_that_is_not_whole_yet_is_read_when_it_is(store: Store):
    log = store.event_log("grid")
    path = Path(store.files.path("experiments/grid.events.jsonl"))
    whole = log.append("sweep_started")
    with path.open("a") as file:
        file.write('{"time": "2026-01-01T00:00:00+00:00", ')
    assert log.read() == [whole]
    with path.open("a") as file:
        file.write('"event": "epoch"}\n')
    assert [event["event"] for event in log.read()] == ["epoch"]


def test_what_is_no_event_is_left_out(store: Store):
    log = store.event_log("grid")
    for line in ("nonsense", "[]", "3", '{"event": "x"}', "\x00", '{"time": "x", "event": "y"}'):
        store.files.append("experiments/grid.events.jsonl", line)
    kept = log.append("sweep_started")
    assert log.read() == [kept]


def test_several_writers_do_not_cut_each_others_lines(store: Store):
    def write(name: str) -> None:
        log = store.event_log("grid")
        for number in range(50):
            log.append("epoch", cell=name, number=number, padding="x" * 2000)
        log.flush()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = store.event_log("grid").read()
    for name in "abc":
        assert [event["number"] for event in events if event["cell"] == name] == list(range(50))
