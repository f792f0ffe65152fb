# SPDX-License-Identifier: BSD-3-Clause
"""Outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from deepcoadd.errors import OptionError, OutputError, OutputExistsError

__all__ = ["atomic_path", "check_output"]

_REFUSED = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
}


def check_output(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Path of an output, after the checks that can be made before any work.

    Raises
    ------
    OutputExistsError
        The file exists and `overwrite` is False.
    OptionError
        The path is a folder, or its folder does not exist.
    """
    target = Path(path)
    if target.is_dir():
        raise OptionError(f"output {str(target)!r} is a folder; expected the name of a file")
    if not target.parent.is_dir():
        raise OptionError(f"output {str(target)!r}: the folder {str(target.parent)!r} is missing")
    if target.exists() and not overwrite:
        raise OutputExistsError(f"output {str(target)!r} exists; overwriting was not asked for")
    return target


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Name of a temporary file that becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : path-like
        Output. The temporary file lies in the same folder, so that the last step is one rename.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    Path
        Where to write. Whatever ends the block early (an error, Ctrl-C, a full disk), the temporary
        file is removed and an existing output stays as it was.

    Raises
    ------
    OutputExistsError
        The output exists and `overwrite` is False; checked before and after the block.
    OptionError
        The path is a folder, or its folder does not exist.
    OutputError
        The system refuses to write: the disk is full, the folder is protected.
    """
    target = check_output(path, overwrite=overwrite)
    # The suffix is kept: libraries choose compression and format by it.
    temporary = target.with_name(f".{secrets.token_hex(6)}.tmp.{target.name}")
    try:
        yield temporary
        with open(temporary, "r+b") as written:
            os.fsync(written.fileno())
        check_output(target, overwrite=overwrite)
        os.replace(temporary, target)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise OutputError(f"output {str(target)!r}: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
