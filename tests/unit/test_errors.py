# SPDX-License-Identifier: BSD-3-Clause
"""Exceptions: what they derive from, and that they survive pickling."""

import pickle

import pytest

from deepcoadd import errors

_BUILTINS = {
    "ShapeError": ValueError,
    "OptionError": ValueError,
    "MaskPlaneError": KeyError,
    "NoDataError": RuntimeError,
    "NoSamplesError": ValueError,
    "InvalidPsfError": ValueError,
    "NoOverlapError": ValueError,
    "NoWorkError": RuntimeError,
    "PsfGenerationError": RuntimeError,
    "TooManyMaskedPixelsError": RuntimeError,
    "ExceedsMaxVarianceScaleError": RuntimeError,
    "ConvergenceError": RuntimeError,
    "SingularError": RuntimeError,
    "SizeMismatchError": RuntimeError,
    "FileFormatError": OSError,
    "MissingFileError": FileNotFoundError,
    "OutputExistsError": FileExistsError,
    "OutputError": OSError,
}


def test_every_public_class_is_known_here():
    assert set(errors.__all__) == {"DeepcoaddError", *_BUILTINS}


@pytest.mark.parametrize(("name", "builtin"), _BUILTINS.items())
def test_derives_from_the_builtin_that_a_caller_expects(name, builtin):
    cls = getattr(errors, name)
    assert issubclass(cls, builtin)
    assert issubclass(cls, errors.DeepcoaddError)


@pytest.mark.parametrize("name", errors.__all__)
def test_message_survives_pickling(name):
    error = getattr(errors, name)("weights: 3 given, 2 expected")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error) == "weights: 3 given, 2 expected"


def test_no_work_is_a_kind_of_no_data():
    assert issubclass(errors.NoWorkError, errors.NoDataError)


def test_mask_plane_error_shows_its_message_unquoted():
    assert str(errors.MaskPlaneError("unknown mask plane 'XY'")) == "unknown mask plane 'XY'"
    assert str(errors.MaskPlaneError()) == ""
