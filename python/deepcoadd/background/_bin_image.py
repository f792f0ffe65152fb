# SPDX-License-Identifier: BSD-3-Clause
"""Images of larger pixels."""

from __future__ import annotations

from collections.abc import Iterable

from deepcoadd._checks import check_count
from deepcoadd._core import background as _core
from deepcoadd.background._planes import whole_rows
from deepcoadd.errors import OptionError
from deepcoadd.geometry import Box
from deepcoadd.image import Image, MaskedImage
from deepcoadd.mask import Mask

__all__ = ["bin_image"]


def bin_image(
    pixels: MaskedImage, block: tuple[int, int], *, ignore: Iterable[str] | None = None
) -> MaskedImage:
    """Means of blocks of pixels.

    Parameters
    ----------
    pixels : MaskedImage
        Image and variance float32, mask int32.
    block : (int, int)
        Pixels (y, x) of a block, at least (1, 1). Rows and columns that do not fill a block are
        dropped.
    ignore : iterable of str, optional
        Leave out pixels that have one of these mask planes or are not finite in image or
        variance; planes that the mask does not have are not looked for. By default every pixel
        counts, and one NaN makes its block NaN.

    Returns
    -------
    MaskedImage
        Mean, OR of the masks of the pixels that count, variance of the mean (sum of the
        variances over the square of their number). A block without such pixels is NaN, with the
        OR of all its mask words. The box starts where that of the input does.

    Raises
    ------
    OptionError
        The block is not two whole numbers, or has no pixels.
    """
    if not isinstance(block, tuple) or len(block) != 2:
        raise OptionError(f"block: got {block!r}, must be pixels (y, x)")
    for side in block:
        check_count("block", side, 1)
    bits = None if ignore is None else pixels.planes.known_bitmask(ignore)
    image, mask, variance = whole_rows(pixels)
    values, words, squares = _core.bin_image(image, mask, variance, block=block, ignore=bits)
    box = Box.from_shape((values.shape[0], values.shape[1]), start=pixels.box.start)
    return MaskedImage(Image(values, box), Mask(words, box, pixels.planes), Image(squares, box))
