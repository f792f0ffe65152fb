# SPDX-License-Identifier: BSD-3-Clause
"""Images in and out of FITS files: exposures, references to them, atomic outputs."""

from deepcoadd.io._archive import MissingPart
from deepcoadd.io._atomic import atomic_path
from deepcoadd.io._background_list import read_background_list, write_background_list
from deepcoadd.io._describe import FileDescription, HduDescription, describe, image_hdus
from deepcoadd.io._handles import FitsRef, open_warp, open_warps, read
from deepcoadd.io._mask_maps import MaskMap, mask_maps
from deepcoadd.io._options import ReadOptions
from deepcoadd.io._registry import format_names, register_format
from deepcoadd.io._single import BackgroundPlanes, read_background_planes, read_image, read_mask
from deepcoadd.io._write import TileWriter, write, writer
from deepcoadd.provenance import CoaddInputs

__all__ = [
    "BackgroundPlanes",
    "CoaddInputs",
    "FileDescription",
    "FitsRef",
    "HduDescription",
    "MaskMap",
    "MissingPart",
    "ReadOptions",
    "TileWriter",
    "atomic_path",
    "describe",
    "format_names",
    "image_hdus",
    "mask_maps",
    "open_warp",
    "open_warps",
    "read",
    "read_background_list",
    "read_background_planes",
    "read_image",
    "read_mask",
    "register_format",
    "write",
    "write_background_list",
    "writer",
]
