// SPDX-License-Identifier: BSD-3-Clause
//! Backgrounds: statistics of the bins of a grid, and the image that interpolates them.
//!
//! The formulas stand in `docs/algorithms/background.md`.

mod bins;
mod spline;

pub use bins::{bin_statistics, centres, edges};
pub use spline::{Curve, Style, render};
