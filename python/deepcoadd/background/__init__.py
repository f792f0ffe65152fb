# SPDX-License-Identifier: BSD-3-Clause
"""Backgrounds of images: statistics of bins, and the smooth image that interpolates them."""

from deepcoadd.background._model import BackgroundModel, fit_background
from deepcoadd.background._options import TASK_BACKGROUND, BackgroundOptions

__all__ = ["TASK_BACKGROUND", "BackgroundModel", "BackgroundOptions", "fit_background"]
