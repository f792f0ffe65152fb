// SPDX-License-Identifier: BSD-3-Clause
//! Kernels of `deepcoadd`, free of Python.
//!
//! Every kernel reads and writes arrays that the caller owns, computes each output pixel on one
//! thread in one fixed order, and so gives the same bits for any number of threads.

pub mod background;
pub mod convolve;
pub mod error;
pub mod interpolate;
pub mod linalg;
pub mod mask;
pub mod par;
pub mod quality;
pub mod reject;
pub mod simd;
pub mod spans;
pub mod stats;
pub mod warp;
