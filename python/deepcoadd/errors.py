# SPDX-License-Identifier: BSD-3-Clause
"""Exceptions of the package.

A bad *pixel* is never an error: the statistics handle it. A bad *exposure* is skipped with a
warning and reported in the result. A bad *request* raises one of these classes; the message names
the argument, the value and what is allowed. Each class also derives from the builtin that a caller
would expect, and they live in Python so that they exist, pickle and document without the compiled
core (which raises them too).
"""

__all__ = [
    "ConvergenceError",
    "DeepcoaddError",
    "ExceedsMaxVarianceScaleError",
    "FileFormatError",
    "InvalidPsfError",
    "MaskPlaneError",
    "MissingFileError",
    "NoDataError",
    "NoOverlapError",
    "NoSamplesError",
    "NoWorkError",
    "OptionError",
    "OutputError",
    "OutputExistsError",
    "PsfGenerationError",
    "ShapeError",
    "SingularError",
    "SizeMismatchError",
    "TooManyMaskedPixelsError",
]


class DeepcoaddError(Exception):
    """Base of every exception that this package raises on purpose."""


class ShapeError(DeepcoaddError, ValueError):
    """Arrays, boxes or list lengths that must agree do not."""


class SizeMismatchError(ShapeError, RuntimeError):
    """Two exposures that must cover the same pixels do not."""


class OptionError(DeepcoaddError, ValueError):
    """An option or argument has a value that is not allowed."""


class MaskPlaneError(DeepcoaddError, KeyError):
    """A mask plane is unknown, or a mask would need more than 32 planes."""

    def __str__(self) -> str:
        """Return the message as written (`KeyError` would show its repr)."""
        return str(self.args[0]) if self.args else ""


class NoDataError(DeepcoaddError, RuntimeError):
    """Something that is needed is missing: a PSF, a WCS, good pixels."""


class NoWorkError(NoDataError):
    """Nothing to do: no input is left, or nothing overlaps."""


class NoSamplesError(NoDataError, ValueError):
    """Nothing is left to fit a sky frame to."""


class NoOverlapError(NoDataError, ValueError):
    """Exposures that are to be compared share no good pixels."""


class InvalidPsfError(NoDataError, ValueError):
    """A PSF has no value at a position: no input of a coadd covers it."""


class PsfGenerationError(NoDataError):
    """There is no PSF, or it has no size, where the width of a source is needed."""


class TooManyMaskedPixelsError(NoDataError):
    """No good pixel is left to measure a background on."""


class ExceedsMaxVarianceScaleError(DeepcoaddError, RuntimeError):
    """The scatter of the pixels disagrees with their variances by more than is allowed."""


class ConvergenceError(DeepcoaddError, RuntimeError):
    """An iteration did not converge."""


class SingularError(DeepcoaddError, RuntimeError):
    """A linear system has no unique solution."""


class FileFormatError(DeepcoaddError, OSError):
    """A file is damaged, or is not of a form that can be read."""


class MissingFileError(FileFormatError, FileNotFoundError):
    """An input file does not exist."""


class OutputExistsError(DeepcoaddError, FileExistsError):
    """An output file exists and overwriting was not asked for."""


class OutputError(DeepcoaddError, OSError):
    """An output cannot be written: the disk is full, or writing is not allowed."""
