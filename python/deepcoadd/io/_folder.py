# SPDX-License-Identifier: BSD-3-Clause
"""Folders that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deepcoadd.errors import OptionError, OutputExistsError

__all__ = ["atomic_folder", "check_folder"]


def check_folder(path: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot be written to as asked.

    Raises
    ------
    OutputExistsError
        The folder exists and is not empty, and `overwrite` is False.
    OptionError
        Something that is not a folder has this name, or its parent folder cannot be one.
    """
    if path.exists() and not path.is_dir():
        raise OptionError(f"{path}: exists and is not a folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise OutputExistsError(
            f"output folder {str(path)!r} is not empty; overwriting was not asked for"
        )
    for parent in path.absolute().parents:
        if parent.exists():
            if not parent.is_dir():
                raise OptionError(f"{path}: {parent} is not a folder")
            break


@contextmanager
def atomic_folder(
    path: Path, *, overwrite: bool = False, owned: Sequence[str] = ()
) -> Iterator[Path]:
    """Yield an empty folder that becomes `path` when the block ends well, and is removed otherwise.

    Parameters
    ----------
    path : Path
        Folder to make; missing parents are made too.
    overwrite : bool
        Whether it may hold files already. Files of the same name are replaced, one by one.
    owned : sequence of str
        Patterns (of `Path.glob`) of older files that go when `path` is overwritten.

    Raises
    ------
    OutputExistsError, OptionError
        See `check_folder`.
    """
    check_folder(path, overwrite=overwrite)
    path = path.absolute()
    missing = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        yield work
        # mkdtemp keeps others out; the finished folder has the rights of any new one.
        umask = os.umask(0)
        os.umask(umask)
        work.chmod(0o777 & ~umask)
        if path.is_dir():
            _replace_files(work, path, owned)
        else:
            work.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: the folder was made, or others use it
            for parent in missing:
                parent.rmdir()


def _replace_files(work: Path, path: Path, owned: Sequence[str]) -> None:
    """Move files over those in `path`, and remove older ones that have no successor."""
    new = [file.relative_to(work) for file in sorted(work.rglob("*")) if file.is_file()]
    for pattern in owned:
        for old in path.glob(pattern):
            if old.is_file() and old.relative_to(path) not in new:
                old.unlink()
    for file in new:
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (work / file).replace(path / file)
