// SPDX-License-Identifier: BSD-3-Clause
//! Convolution of images with their variances and masks, on the pixels that the kernel covers.
//!
//! A kernel is not flipped, as in the pipelines: `out[i] = sum_k taps[k] * input[i + k]`.

mod gaussian;
mod separable;
mod spread;
mod sums;
mod sweep;

pub use gaussian::{gaussian, gaussian_taps};
pub use separable::{Planes, PlanesMut, separable};
