# SPDX-License-Identifier: BSD-3-Clause
"""The command line: ``deepcoadd coadd``, ``info`` and ``simulate``."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the name of the program; by default those of the process.

    Returns
    -------
    int
        0 done; 1 it could not be done; 2 the request is wrong; 130 after Ctrl-C; 143 after SIGTERM.
    """
    try:
        # Imported here so that Ctrl-C while the libraries load ends as quietly as later on.
        from deepcoadd.cli._app import run

        return run(argv, own_process=argv is None)
    except KeyboardInterrupt:
        return 130
