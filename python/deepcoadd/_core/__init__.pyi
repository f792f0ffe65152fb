# SPDX-License-Identifier: BSD-3-Clause
# Stub of the compiled module; `python -m mypy.stubtest deepcoadd._core` compares the two.
from deepcoadd._core import background as background
from deepcoadd._core import convolve as convolve
from deepcoadd._core import epochs as epochs
from deepcoadd._core import interpolate as interpolate
from deepcoadd._core import linalg as linalg
from deepcoadd._core import mask as mask
from deepcoadd._core import quality as quality
from deepcoadd._core import reject as reject
from deepcoadd._core import spans as spans
from deepcoadd._core import stats as stats
from deepcoadd._core import warp as warp

__all__ = [
    "__version__",
    "background",
    "convolve",
    "epochs",
    "get_num_threads",
    "interpolate",
    "linalg",
    "mask",
    "quality",
    "reject",
    "set_alone",
    "set_num_threads",
    "spans",
    "stats",
    "warp",
]

__version__: str

def get_num_threads() -> int: ...
def set_alone(alone: bool) -> None: ...
def set_num_threads(n: int) -> None: ...
