from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbray.errors import InputError
from lbray.store import Lease, Store
from lbray.store.files import Files


def test_what_is_written_is_read(tmp_path: Path):
    files = Files(str(tmp_path))
    files.write("cells/a/x.json", b"1")
    files.write("cells/a/x.json", b"22")
    assert files.read("cells/a/x.json") == b"22"
    assert files.read("cells/a/y.json") is None
    assert files.list("cells/a") == ["x.json"]
    files.delete("cells/a/x.json")
    files.delete("cells/a/x.json")
    assert files.list("cells/a") == []


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path):
    files = Files(str(tmp_path))
    files.write("x", b"old")
    with pytest.raises(TypeError):
        files.write("x", "not bytes")
    assert files.read("x") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_lines_are_appended_in_order(tmp_path: Path):
    files = Files(str(tmp_path))
    for line in ("one", "two"):
        files.append("log", line)
    assert files.read("log") == b"one\ntwo\n"


def test_leftovers_of_killed_writers_are_not_listed_and_are_swept(tmp_path: Path):
    files = Files(str(tmp_path))
    files.write("cells/a/x", b"1")
    (tmp_path / "cells/a/x.0123.tmp").write_bytes(b"half")
    (tmp_path / "cells/a/a copy of x").write_bytes(b"by hand")
    assert files.list("cells/a") == ["x"]
    files.sweep_temporaries("cells/a", older_than_s=60)
    assert (tmp_path / "cells/a/x.0123.tmp").exists()
    files.sweep_temporaries("cells/a")
    assert not (tmp_path / "cells/a/x.0123.tmp").exists()


@pytest.mark.parametrize("folder", ["cells/0123", "sweeps", "experiments", "datasets"])
def test_what_a_killed_writer_left_long_ago_is_swept_by_the_next(store: Store, folder: str):
    path = Path(store.location) / folder / "x.0123.tmp"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    os.utime(path, (0, 0))
    with Lease(store.files):
        store.cell("0123").write_scores({}, {})
    assert not path.exists()


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//b", ".hidden", ""])
def test_names_cannot_leave_the_store(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="not a name in a store"):
        Files(str(tmp_path)).write(name, b"")


def test_an_unknown_kind_of_store_is_refused():
    with pytest.raises(InputError, match="store is 'ftp://host/x', but must be a folder or a URI"):
        Files("ftp://host/x")


def test_a_store_that_is_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written there"):
        Files(str(tmp_path / "file" / "store")).check_writable()


def test_whether_a_new_store_can_be_written_is_asked_without_making_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two sweeps that begin at once would take away each other's folders, or miss them."""
    files, delete = Files(str(tmp_path / "new" / "store")), Files._delete

    def meanwhile(self: Files, path: str) -> None:
        assert not (tmp_path / "new").exists()
        Files(files.location).write("cells/a", b"another's")
        delete(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(Files, "_delete", meanwhile)
        files.check_writable()
    assert files.read("cells/a") == b"another's"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_store_without_room_is_refused(tmp_path: Path):
    files = Files(str(tmp_path))
    files.check_writable(1000)
    with pytest.raises(
        InputError, match=r"MB free, but the cells to run need 1,000,000,000,000 MB"
    ):
        files.check_writable(10**18)


def test_a_folder_below_a_link_is_a_store_however_it_is_named(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for location in (f"{tmp_path}/link/store", f"file://{tmp_path}/link/store"):
        files = Files(location)
        files.write("cells/a", b"1")
        assert files.read("cells/a") == b"1"


def test_a_line_that_was_cut_off_does_not_take_the_next_one_with_it(tmp_path: Path):
    files = Files(str(tmp_path))
    files.append("log", "one")
    with (tmp_path / "log").open("ab") as log:
        log.write(b"tw")  # and then the disk was full
    files.append("log", "three")
    assert files.read("log").splitlines() == [b"one", b"tw", b"three"]


def test_files_have_sizes_and_folders_have_none(tmp_path: Path):
    files = Files(str(tmp_path))
    files.write("cells/a", b"123")
    files.write("cells/b/c", b"")
    assert files.sizes("cells") == {"a": 3, "b": None}
