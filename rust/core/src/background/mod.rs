// SPDX-License-Identifier: BSD-3-Clause
//! Backgrounds: statistics of the bins of a grid, and the image that interpolates them.
//!
//! The formulas stand in `docs/algorithms/background.md`.

mod bins;
mod block;
mod cells;
mod chebyshev;
mod curve;
mod fill;
mod outliers;
mod render;

pub use bins::{bin_statistics, centres, edges};
pub use block::{Planes, bin_image};
pub use cells::{Cell, CellStatistics, cell_statistics, paired_statistics};
pub use chebyshev::chebyshev;
pub use curve::{Curve, Edge, Style};
pub use fill::{fill_along_lines, inpaint};
pub use outliers::{OutlierRule, flag_outliers};
pub use render::{Blend, Pen, Rule, Surface, render};
