"""Whole files by relative name, in a local folder or an object store, never half written."""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from pathlib import Path

from pyarrow import fs

from lbray.errors import InputError

_SAFE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TEMPORARY = ".tmp"


class Files:
    """Bytes under names such as ``cells/0123/result.json``, below one root.

    Args:
        location: a local folder, or a URI that `pyarrow.fs` opens (``s3://…``, ``gs://…``).

    Attributes:
        location: the same; a local folder in full, so that it means the same in any process.
        is_local: whether it is a local folder.

    Raises:
        InputError: the location is not one of these.
    """

    def __init__(self, location: str) -> None:
        try:
            if "://" in location:
                self._system, self._root = fs.FileSystem.from_uri(location)
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

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        try:
            with self._system.open_input_stream(self.path(name)) as stream:
                content: bytes = stream.read()
                return content
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole: a reader sees the old content or the new, never a part."""
        path = self.path(name)
        target = path
        if self.is_local:
            self._system.create_dir(path.rpartition("/")[0], recursive=True)
            target = f"{path}.{uuid.uuid4().hex}{_TEMPORARY}"
        try:
            with self._system.open_output_stream(target) as stream:
                stream.write(content)
            if target != path:
                self._system.move(target, path)
        except BaseException:
            if target != path:
                with contextlib.suppress(OSError):
                    self._system.delete_file(target)
            raise

    def append(self, name: str, line: str) -> None:
        """Add one line at the end of a file in a local folder, in one piece."""
        path = self.path(name)
        self._system.create_dir(path.rpartition("/")[0], recursive=True)
        with self._system.open_append_stream(path) as stream:
            stream.write(f"{line}\n".encode())

    def read_from(self, name: str, position: int) -> bytes:
        """What a file in a local folder has from a position on; nothing where there is none."""
        try:
            with self._system.open_input_file(self.path(name)) as stream:
                stream.seek(position)
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            return b""

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._system.delete_file(self.path(name))

    def list(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder, sorted; none if there is no such folder."""
        selector = fs.FileSelector(self.path(folder), allow_not_found=True)
        return sorted(
            info.base_name
            for info in self._system.get_file_info(selector)
            if not info.base_name.endswith(_TEMPORARY)
        )

    def sweep_temporaries(self, folder: str) -> None:
        """Remove what writers that were killed left in a folder."""
        if self.is_local:
            for path in Path(self.path(folder)).glob(f"*{_TEMPORARY}"):
                path.unlink(missing_ok=True)

    def check_writable(self, needed_bytes: int = 0) -> None:
        """Write and remove a small file, and see that the disk has room. Leaves nothing behind.

        Raises:
            InputError: the store cannot be written, or has less room than `needed_bytes`.
        """
        probe = f"probe-{uuid.uuid4().hex}"
        root = Path(self._root)
        absent = [each for each in (root, *root.parents) if self.is_local and not each.exists()]
        try:
            self.write(probe, b"lbray")
            self.delete(probe)
            free = shutil.disk_usage(root).free if self.is_local else needed_bytes
            for folder in absent:
                folder.rmdir()
        except OSError as problem:
            reason = problem.strerror or str(problem).splitlines()[0]
            raise InputError(
                f"store is '{self.location}', but cannot be written there: {reason}; "
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

    def delete_folder(self, name: str) -> None:
        """Remove a folder and all that is in it, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._system.delete_dir(self.path(name))

    def path(self, name: str) -> str:
        """A name as `filesystem` knows it.

        Raises:
            InputError: the name could lead out of the store.
        """
        for part in name.split("/"):
            if not _SAFE_PART.fullmatch(part):
                raise InputError(
                    f"'{name}' is not a name in a store; each part must be letters, digits, "
                    "'_', '-' or '.', and may not begin with '.' or '-'."
                )
        return f"{self._root}/{name}"
