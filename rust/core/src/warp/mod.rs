// SPDX-License-Identifier: BSD-3-Clause
//! Resampling of images: the taps of the kernels, and warps by affine maps.

mod affine;
mod taps;

pub use affine::{Affine, resample};
pub use taps::{Kernel, MAX_TAPS};
