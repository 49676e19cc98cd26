"""A store on a server of S3 or Google Cloud Storage, with the road to it open, closed and cut."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bucket import Bucket
from gs_server import gs_bucket
from s3_server import Road, s3_bucket
from small_cells import small_cell

from lbray.errors import InputError, StoreUnavailable
from lbray.store import Claims, Lease, Store
from lbray.store.files import Files
from lbray.training import run_cell


@pytest.fixture(scope="module", params=[s3_bucket, gs_bucket], ids=["s3", "gs"])
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    with request.param() as made:
        yield made


@pytest.fixture
def road(bucket: Bucket) -> Iterator[Road]:
    road = Road(bucket.port)
    yield road
    road.close()


@pytest.fixture
def location(bucket: Bucket, road: Road, request: pytest.FixtureRequest) -> str:
    return bucket.uri(re.sub(r"\W", "-", request.node.name), road.port)


def test_files_are_written_read_listed_and_deleted(location: str):
    files = Files(location)
    files.check_writable(10**18)
    files.write("cells/a/x.json", b"1")
    files.write("cells/a/x.json", b"22")
    assert (files.read("cells/a/x.json"), files.read("cells/a/y.json")) == (b"22", None)
    assert (files.list("cells/a"), files.list("cells/b")) == (["x.json"], [])
    files.delete("cells/a/x.json")
    files.delete("cells/a/x.json")
    assert files.list("cells/a") == []
    files.write("cells/b/c/x.json", b"1")
    files.delete_folder("cells/b")
    files.delete_folder("cells/b")
    assert files.list("cells/b/c") == []


def test_a_cell_ends_as_it_does_in_a_folder(location: str, store: Store):
    cell, there = small_cell(max_epochs=2), Store(location)
    result = run_cell(cell, there)
    assert [result, None] == there.results([cell.id, "0123456789abcdef"])
    assert there.cell(cell.id).best(result.weights_sha256)
    assert there.cell(cell.id).resumes() == []
    assert result.weights_sha256 == run_cell(cell, store).weights_sha256


def test_events_are_followed_while_they_are_written(location: str):
    writer, reader = Store(location).event_log("grid"), Store(location).event_log("grid")
    assert reader.read() == []
    events = [writer.append("epoch", number=number) for number in range(3)]
    writer.flush()
    assert reader.read() == events
    last = writer.append("sweep_finished")
    writer.flush()
    assert reader.read() == [last]


def test_a_cell_is_claimed_by_one_of_many(location: str):
    with Lease(Files(location)) as one, Lease(Files(location)) as other:
        assert one.claim("a") is None
        assert "process" in (other.claim("a") or "")
        one.release("a")
        assert other.claim("a") is None
    assert Files(location).list("sweeps") + Files(location).list("claims") == []


@pytest.mark.parametrize("left", [[], ["sweeps/0123.json"]], ids=["no lease", "a lease"])
def test_what_a_dead_sweep_has_is_free_and_swept_away(location: str, left: list[str]):
    """Its worker, which does not know of it, gives up."""
    files = Files(location)
    orphan = Claims(files, "0123")
    for name in [*left, "scratch-0123/x"]:
        files.mark(name)
    for cell in ("a", "b"):
        assert orphan.claim(cell) is None
    with Lease(files) as next_one:
        assert files.list("claims") == []
        assert orphan.claim("c") is None
        assert next_one.claim("c") is None
        with pytest.raises(StoreUnavailable, match="another sweep has taken its cells"):
            orphan.verify("c")
        assert files.list("claims") == [f"c-{next_one.id}.json"]
    assert [*files.list("sweeps"), *files.list("claims"), *files.list("scratch-0123")] == []


def test_a_store_that_is_away_for_a_while_is_waited_for(location: str, road: Road):
    files = Files(location, patience_s=60)
    files.write("x", b"1")
    road.close()
    threading.Timer(3, road.open).start()
    files.write("x", b"2")
    assert files.read("x") == b"2"


def test_a_store_that_stays_away_is_named_with_the_reason(location: str, road: Road):
    files = Files(location)
    files.write("x", b"1")
    road.close()
    with pytest.raises(StoreUnavailable, match=r"the store '.*bucket/.*' cannot be used: "):
        files.write("x", b"2")
    with pytest.raises(StoreUnavailable):
        files.read("x")


def test_an_upload_that_is_cut_is_never_taken_for_a_file(location: str, road: Road):
    files = Files(location)
    content = bytes(25 * 2**20)  # in several parts
    road.bytes_left = 17 * 2**20
    with pytest.raises(StoreUnavailable):
        files.write("cells/a/best.safetensors", content)
    road.open()
    assert files.read("cells/a/best.safetensors") is None
    assert files.list("cells/a") == []
    files.write("cells/a/best.safetensors", content)
    assert files.read("cells/a/best.safetensors") == content


def test_a_bucket_that_is_not_there_is_refused_at_once(bucket: Bucket):
    files = Files(replace(bucket, name="elsewhere").uri("store"), patience_s=600)
    missing = "NO_SUCH_BUCKET|bucket does not exist"
    with pytest.raises(InputError, match=rf"cannot be written there: .*({missing})"):
        files.check_writable()
    with pytest.raises(StoreUnavailable, match=missing):
        files.write("x", b"1")


def test_with_credentials_that_are_not_known_a_store_is_refused_at_once():
    with s3_bucket(INITIAL_NO_AUTH_ACTION_COUNT="2") as strict:
        files = Files(strict.uri("store"), patience_s=600)
        with pytest.raises(InputError, match=r"cannot be written there: .*INVALID_ACCESS_KEY"):
            files.check_writable()
        with pytest.raises(StoreUnavailable):
            files.read("x")


@pytest.mark.parametrize("content", [None, "{}"], ids=["absent", "empty"])
def test_with_a_key_that_is_none_a_store_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
):
    key = tmp_path / "key.json"
    if content is not None:
        key.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    files = Files("gs://bucket/store", patience_s=600)
    with pytest.raises(InputError, match=r"cannot be written there: .*access token"):
        files.check_writable()
    with pytest.raises(StoreUnavailable):
        files.read("x")


def test_others_may_write_into_a_folder_that_is_offered(location: str):
    files = Files(location)
    files.offer_folder("scratch-0123")
    path = files.path("scratch-0123/sweep/trial")
    files.filesystem.create_dir(path)
    with files.filesystem.open_output_stream(f"{path}/x") as stream:
        stream.write(b"1")
    assert files.read("scratch-0123/sweep/trial/x") == b"1"
    files.delete_folder("scratch-0123")
    assert files.list("scratch-0123") == []


def test_a_file_that_is_replaced_while_it_is_read_is_there(location: str):
    """Such as a lease: were it not, the sweep would be taken for dead."""
    files, ended = Files(location), threading.Event()
    files.write("x", b"0")

    def replace_it() -> None:
        while not ended.is_set():
            Files(location).write("x", b"0")

    replacing = threading.Thread(target=replace_it)
    replacing.start()
    try:
        assert {files.read("x") for _ in range(200)} == {b"0"}
    finally:
        ended.set()
        replacing.join()


@pytest.mark.parametrize(
    "location",
    [
        "s3://AKIA123:s3cr3t@bucket/store",
        "s3://AKIA123:s3c/r3t@bucket/store",
        "s3://bucket/store?region=x&secret_key=s3cr3t",
        "gs://bucket/store?Token=s3cr3t",
    ],
)
def test_a_secret_in_a_location_is_refused_and_not_repeated(location: str):
    with pytest.raises(InputError, match="with a password or key in it, but must be") as refused:
        Files(location)
    for secret in ("s3cr3t", "s3c/r3t", "AKIA123"):
        assert secret not in str(refused.value)


def test_events_that_could_not_be_written_are_written_later(road: Road, location: str):
    log, reader = Store(location).event_log("grid"), Store(location).event_log("grid")
    first = log.append("sweep_started")
    road.close()
    with pytest.raises(StoreUnavailable):
        log.flush()
    second = log.append("epoch")
    road.open()
    log.flush()
    assert reader.read() == [first, second]


def test_a_signal_does_not_cut_a_file(location: str, monkeypatch: pytest.MonkeyPatch):
    """The stream of an object, once it is open, makes an object of whatever came when it closes."""
    files = Files(location)
    files.write("cells/a/result.json", b"sound")
    put = Files._put

    def slowly(self: Files, path: str, content: bytes) -> None:
        time.sleep(0.5)
        put(self, path, content)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Files, "_put", slowly)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            files.write("cells/a/result.json", b"newer")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert files.read("cells/a/result.json") == b"newer"


def test_events_of_a_long_sweep_are_few_objects(location: str):
    writer, reader = Store(location).event_log("grid"), Store(location).event_log("grid")
    read, added = [], []
    for number in range(9):
        added += [writer.append("epoch", number=number, part=part) for part in range(50)]
        writer.flush()
        read += reader.read()
    assert read == added
    assert len(Files(location).list("experiments/grid.events")) == 3
    assert Store(location).event_log("grid").read() == added


def test_events_of_several_writers_are_read_in_the_order_of_their_times(location: str):
    one, other = Store(location).event_log("grid"), Store(location).event_log("grid")
    added = []
    for number in range(6):
        added.append((one, other)[number % 2].append("epoch", number=number))
        time.sleep(0.002)
    one.flush()
    other.flush()
    assert Store(location).event_log("grid").read() == added


def test_the_last_flush_waits_for_one_under_way(location: str, monkeypatch: pytest.MonkeyPatch):
    log, started = Store(location).event_log("grid"), threading.Event()
    write = Files.write

    def slowly(self: Files, name: str, content: bytes) -> None:
        started.set()
        time.sleep(0.5)
        write(self, name, content)

    monkeypatch.setattr(Files, "write", slowly)
    added = log.append("cell_done")
    threading.Thread(target=log.flush).start()
    assert started.wait(10)
    log.flush()
    assert Store(location).event_log("grid").read() == [added]
