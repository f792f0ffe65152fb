# SPDX-License-Identifier: BSD-3-Clause
"""Open files, at most so many at a time, the least recently used closed first."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from astropy.io import fits

from deepcoadd.errors import FileFormatError, MissingFileError

__all__ = ["MAX_OPEN_FILES", "FilePool", "OpenFile", "shared_pool"]

MAX_OPEN_FILES = 128

# By content: some ".fits" files are gzip streams.
_PACKERS: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)


class OpenFile:
    """A FITS file that is open for reading, from any thread.

    A file that is compressed as a whole is unpacked into a temporary file first: sections of such
    a stream would otherwise cost the stream from its start, each time.

    Raises
    ------
    MissingFileError
        There is no such file.
    FileFormatError
        It is a folder, cannot be opened, or its compression is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self._raw = _open(path)
        self.size = self._raw.seek(0, os.SEEK_END)
        self._hdus: fits.HDUList | None = None

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill a buffer of bytes from a position."""
        with self.lock:
            self._raw.seek(offset)
            done = 0
            while done < len(target):
                n = self._raw.readinto(target[done:])  # type: ignore[attr-defined]
                if not n:
                    raise FileFormatError(f"{self.path}: the file ends at byte {offset + done}")
                done += n

    @contextlib.contextmanager
    def raw(self) -> Iterator[BinaryIO]:
        """The file itself, for one thread at a time."""
        with self.lock:
            yield self._raw

    @contextlib.contextmanager
    def hdulist(self) -> Iterator[fits.HDUList]:
        """The file as astropy sees it, for one thread at a time (compressed images, tables)."""
        with self.lock:
            if self._hdus is None:
                self._raw.seek(0)
                self._hdus = fits.open(self._raw, memmap=False, lazy_load_hdus=True)
            yield self._hdus

    def close(self) -> None:
        """Give the handle back."""
        self._raw.close()


def _open(path: Path) -> BinaryIO:
    """Raw file, unpacked when it is a compressed stream."""
    try:
        raw = open(path, "rb", buffering=0)  # noqa: SIM115  (kept open on purpose)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise FileFormatError(f"{path}: is a folder, expected a FITS file") from None
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be opened: {error.strerror}") from error
    start = raw.read(6)
    for magic, opener in _PACKERS:
        if start.startswith(magic):
            raw.close()
            return _unpacked(path, opener)
    return raw


def _unpacked(path: Path, opener: Any) -> BinaryIO:
    """Temporary file with the content of a compressed one; it vanishes when closed."""
    target = tempfile.TemporaryFile(prefix="deepcoadd-")  # noqa: SIM115  (kept open on purpose)
    try:
        with opener(path, "rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        target.close()
        raise FileFormatError(f"{path}: cannot be unpacked: {error}") from error
    except BaseException:
        target.close()
        raise
    target.flush()
    return target


class FilePool:
    """Open files by path.

    Parameters
    ----------
    max_open : int
        Files kept open; those in use at the moment are never closed.
    """

    def __init__(self, max_open: int = MAX_OPEN_FILES) -> None:
        self.max_open = max_open
        # Reentrant: a garbage collection inside a locked part may drop a reference to a file.
        self._lock = threading.RLock()
        self._files: OrderedDict[Path, OpenFile] = OrderedDict()
        self._users: dict[Path, int] = {}
        self._owners: dict[Path, int] = {}
        self._pid = os.getpid()

    @property
    def n_open(self) -> int:
        """Number of files open now."""
        return len(self._files)

    @contextlib.contextmanager
    def use(self, path: Path) -> Iterator[OpenFile]:
        """An open file; it stays open after the block as long as somebody owns it (`adopt`)."""
        with self._lock:
            self._forget_after_fork()
            self._users[path] = self._users.get(path, 0) + 1
        try:
            with self._lock:
                file = self._files.get(path)
                if file is None:
                    self._make_room()
                    file = self._files[path] = OpenFile(path)
                self._files.move_to_end(path)
            yield file
        finally:
            with self._lock:
                self._users[path] -= 1
                if not self._users[path]:
                    del self._users[path]
                    if path not in self._owners:
                        self._close(path)

    def adopt(self, paths: tuple[Path, ...]) -> None:
        """Count one more owner of files; see `drop`."""
        with self._lock:
            for path in paths:
                self._owners[path] = self._owners.get(path, 0) + 1

    def drop(self, paths: tuple[Path, ...]) -> None:
        """Count one owner less; close a file that has none left and is not in use."""
        with self._lock:
            for path in paths:
                self._owners[path] = self._owners.get(path, 1) - 1
                if self._owners[path] <= 0 and not self._users.get(path):
                    self._owners.pop(path)
                    self._close(path)

    def _make_room(self) -> None:
        idle = [path for path in self._files if not self._users.get(path)]
        for path in idle[: max(0, len(self._files) + 1 - self.max_open)]:
            self._close(path)

    def _close(self, path: Path) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            file.close()

    def _forget_after_fork(self) -> None:
        # A child process shares file positions with its parent: it must open files of its own.
        if os.getpid() != self._pid:
            self._files, self._users, self._pid = OrderedDict(), {}, os.getpid()


_SHARED = FilePool()


def shared_pool() -> FilePool:
    """The pool of this process: however many inputs are opened, the limit holds for all."""
    return _SHARED
