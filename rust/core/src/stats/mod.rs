// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of sample sets, of single images and of stacks of images.
//!
//! The formulas stand in `docs/algorithms/statistics.md`.

mod clip;
mod fast;
mod finish;
mod gather;
mod lanes;
mod large;
mod load;
mod network;
mod parts;
mod passes;
mod pixel;
mod plain;
mod props;
mod ranks;
mod sample;
mod select;
mod single;
mod stack;
mod sums;
mod tails;
mod tally;
mod weighted;

pub(crate) use load::{LANES, Line};
pub(crate) use network::Network;
pub(crate) use parts::statistics_of_row;
pub use pixel::Pixel;
pub use props::{ErrorMode, MaskRules, Options, Property, Weighting};
pub use sample::Summary;
pub(crate) use select::quantile;
pub use single::{
    Beside, Block, ImageInput, Measurable, image_statistics, image_statistics_beside,
};
pub use stack::{Diagnostics, Outputs, StackInput, Stackable, stack};
