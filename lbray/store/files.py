"""Whole files by relative name, in a local folder or an object store, never half written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pyarrow import fs

from lbray.errors import InputError
from lbray.store.patience import CREDENTIALS, FAILURES, Patience, reason

_SAFE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TEMPORARY = ".tmp"
ABANDONED_S = 480.0
"""A temporary file that is older has no writer any more."""
_GCS_RETRIES_S = 10
"""For how long GCS's client asks again by itself; by default for 15 minutes, which no signal ends,
and in which others take a sweep for dead. What follows is `Patience`'s."""
_READERS = 16
_SECRET = re.compile(r"^[^?@]*:[^?]*@|[?&][^=&]*(key|secret|token|password)[^=&]*=", re.IGNORECASE)
"""In a URI after its scheme: ``user:password@``, in which keys of AWS may have a slash, or an
option that is one."""

T = TypeVar("T")


class Files:
    """Bytes under names such as ``cells/0123/result.json``, below one root.

    Every method but `check_writable` and `path` raises `StoreUnavailable` where the store fails.

    Args:
        location: a local folder, or a URI that `pyarrow.fs` opens (``s3://…``, ``gs://…``).
        patience_s: for how many seconds an object store that does not answer is asked again.

    Attributes:
        location: the same; a local folder in full, so that it means the same in any process.
        is_local: whether it is a local folder.

    Raises:
        InputError: the location is not one of these, or holds a password.
    """

    def __init__(self, location: str, patience_s: float = 0.0) -> None:
        _check_no_secret(location)
        try:
            if "://" in location:
                self._system, self._root = fs.FileSystem.from_uri(_gives_up_soon(location))
                self.location = location
            else:
                self._system = fs.LocalFileSystem()
                self._root = str(Path(location).expanduser().resolve())
                self.location = self._root
        except (ValueError, OSError) as problem:
            raise InputError(
                f"store is '{location}', but must be a folder or a URI such as s3://bucket/path "
                f"or gs://bucket/path ({problem})."
            ) from None
        self.is_local = isinstance(self._system, fs.LocalFileSystem)
        self._in_gcs = self._system.type_name == "gcs"
        if self.is_local:
            self._root = os.path.realpath(self._root)
        # a disk that fails or is full does so at once and stays so
        self._patiently = Patience(self.location, 0.0 if self.is_local else patience_s)

    def read(self, name: str, position: int = 0) -> bytes | None:
        """The content of a file, from a position on; None where there is no file."""
        path = self.path(name)
        return self._patiently(lambda: self._read(path, position))

    def _read(self, path: str, position: int) -> bytes | None:
        # to seek in an object of GCS is to ask for one state of it three times: if it is replaced
        # meanwhile, there is said to be none; a stream asks once
        try:
            if self._in_gcs:
                stream = self._system.open_input_stream(path, compression=None)
            else:
                stream = self._system.open_input_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with stream:
            if self._in_gcs:
                return bytes(stream.read()[position:])
            stream.seek(position)
            return bytes(stream.read())

    def several(self, read: Callable[[str], T], names: Iterable[str]) -> list[T]:
        """What `read` makes of each name, in their order. Of an object store, which takes its time
        for each file, some are read at a time.

        Args:
            read: safe to be called by several threads; reads files of this store.
            names: what it is called with.
        """
        if self.is_local:
            return [read(name) for name in names]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(read, names))

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole: a reader sees the old content or the new, never a part.

        But S3's client asks for the size first, then for so many bytes: who reads meanwhile may see
        as many of the new content as the old had. What can be replaced is as long as before, grows
        at its end, or tells by its checksum or form that it is not whole.
        """
        path = self.path(name)
        self._patiently(lambda: self._write(path, content))

    def _write(self, path: str, content: bytes) -> None:
        if not self.is_local:
            _uninterrupted(lambda: self._put(path, content))
            return
        temporary = f"{path}.{uuid.uuid4().hex}{_TEMPORARY}"
        try:
            self._put(temporary, content)
            self._system.move(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._system.delete_file(temporary)
            raise

    def _put(self, path: str, content: bytes) -> None:
        if self.is_local:
            self._system.create_dir(path.rpartition("/")[0], recursive=True)
        with self._system.open_output_stream(path) as stream:
            stream.write(content)

    def mark(self, name: str) -> None:
        """Have a file that tells something by its name alone."""
        path = self.path(name)
        self._patiently(lambda: self._put(path, b"{}"))

    def append(self, name: str, line: str) -> None:
        """Add one line at the end of a file in a local folder, in one piece; after one that was cut
        off, as on a full disk, it begins on a new line."""
        path = self.path(name)

        def append() -> None:
            self._system.create_dir(path.rpartition("/")[0], recursive=True)
            begin = "" if self._ends_with_a_line(path) else "\n"
            with self._system.open_append_stream(path) as stream:
                stream.write(f"{begin}{line}\n".encode())

        self._patiently(append)

    def _ends_with_a_line(self, path: str) -> bool:
        """Whether a local file is empty, absent, or ends with a newline."""
        try:
            with self._system.open_input_file(path) as stream:
                stream.seek(max(0, stream.size() - 1))
                return stream.read() in (b"", b"\n")
        except FileNotFoundError:
            return True

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        path = self.path(name)
        self._patiently(lambda: self._delete(path))

    def _delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._system.delete_file(path)

    def list(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder, sorted; none if there is no such folder.
        What has no name of a store's is not seen."""
        return sorted(self.sizes(folder))

    def sizes(self, folder: str) -> dict[str, int | None]:
        """As `list`, with the bytes of each file; None for a folder."""
        selector = fs.FileSelector(self.path(folder), allow_not_found=True)
        infos = self._patiently(lambda: self._system.get_file_info(selector))
        return {
            info.base_name: info.size
            for info in infos
            if _SAFE_PART.fullmatch(info.base_name) and not info.base_name.endswith(_TEMPORARY)
        }

    def sweep_temporaries(self, folder: str, older_than_s: float = 0.0) -> None:
        """Remove what writers that were killed left in a folder; by its age, where others may be
        writing there."""
        if not self.is_local:
            return
        for path in Path(self.path(folder)).glob(f"*{_TEMPORARY}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime >= older_than_s:
                    path.unlink()

    def check_writable(self, needed_bytes: int = 0) -> None:
        """Write and remove a small file, and see that the disk has room. Leaves nothing behind.

        A local folder that is not there yet is not made, but tried where it would be: another sweep
        may be making it.

        Raises:
            InputError: the store cannot be written, or has less room than `needed_bytes`.
        """
        name = f"probe-{uuid.uuid4().hex}"
        try:
            if self.is_local:
                root = Path(self._root)
                folder = next(each for each in (root, *root.parents) if each.exists())
                probe, free = str(folder / name), shutil.disk_usage(folder).free
            else:
                probe, free = self.path(name), needed_bytes
            self._write(probe, b"lbray")
            self._delete(probe)
        except FAILURES as problem:
            raise InputError(
                f"store is '{self.location}', but cannot be written there: {reason(problem)}; "
                "give a folder or URI that you may write to, with --store."
            ) from None
        if free < needed_bytes:
            raise InputError(
                f"store is '{self.location}', which has {free / 1e6:,.0f} MB free, but the cells "
                f"to run need {needed_bytes / 1e6:,.0f} MB; free some or give another --store."
            )

    @property
    def filesystem(self) -> fs.FileSystem:
        """What opens the files, for libraries that write files of their own at a `path`."""
        return self._system

    def offer_folder(self, name: str) -> None:
        """Have a folder that other libraries may write into. In GCS they would first ask for the
        bucket, which those who may only write objects may not see, were its first folder not
        there."""
        first = "/".join(self.path(name).split("/")[:2])
        if self._in_gcs:
            self._patiently(lambda: self._system.create_dir(first, recursive=False))

    def delete_folder(self, name: str) -> None:
        """Remove a folder and all that is in it, if it is there. What a writer who is still at work
        puts there meanwhile may stay."""
        path = self.path(name)

        def delete() -> None:
            try:
                self._system.delete_dir(path)
            except OSError as problem:
                # GCS says only in words that there is none
                there_is_none = str(problem).startswith("No such directory")
                if not there_is_none and problem.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                    raise

        self._patiently(delete)

    def path(self, name: str) -> str:
        """A name as `filesystem` knows it.

        Raises:
            InputError: the name leads out of the store, or could.
        """
        for part in name.split("/"):
            if not _SAFE_PART.fullmatch(part):
                raise InputError(
                    f"'{name}' is not a name in a store; each part must be letters, digits, "
                    "'_', '-' or '.', and may not begin with '.' or '-'."
                )
        path = f"{self._root}/{name}"
        if self.is_local and not os.path.realpath(path).startswith(f"{self._root}/"):
            raise InputError(
                f"store is '{self.location}', in which a symbolic link leads '{name}' out of it, "
                "but all of a store must lie inside; replace the link by what it points to."
            )
        return path


def _uninterrupted(write: Callable[[], None]) -> None:
    """Write in a thread of its own. The exception of a signal would otherwise close an object's
    stream midway, which makes what was written the object."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(write).result()


def _gives_up_soon(location: str) -> str:
    """A URI with which the client of an object store gives up soon, as by itself S3's does."""
    if not location.startswith(("gs://", "gcs://")) or "retry_limit_seconds=" in location:
        return location
    return f"{location}{'&' if '?' in location else '?'}retry_limit_seconds={_GCS_RETRIES_S}"


def _check_no_secret(location: str) -> None:
    """Locations are printed and stored, so none may hold a secret.

    Raises:
        InputError: this one does.
    """
    scheme, is_uri, rest = location.partition("://")
    if is_uri and _SECRET.search(rest):
        raise InputError(
            f"store is '{scheme}://…' with a password or key in it, but must be without; give "
            f"{CREDENTIALS}."
        )
