// SPDX-License-Identifier: BSD-3-Clause
//! Sets of pixels as sorted runs, footprints and their detection.
//!
//! Coordinates are those of the parent frame, may be negative, and stay within [`COORD_MAX`] of
//! zero, so that sums of two of them fit. The definitions stand in `docs/algorithms/spans.md`.

mod algebra;
mod candidates;
mod component;
mod detect;
pub mod epochs;
mod footprint;
mod label;
mod morph;
mod raster;
mod rows;
mod shape;
mod span_set;
mod threshold;

pub use candidates::{Candidates, find_candidates};
pub use component::Connectivity;
pub use detect::{Scene, search, search_mask};
pub use footprint::{FootprintSet, Peak, PeakOrder};
pub use label::{Component, count_by_label, dilate_mask, label_mask, sets_from_labels};
pub use raster::BitRule;
pub use shape::Stencil;
pub use span_set::{COORD_MAX, MAX_ROWS, Region, Span, SpanSet};
pub use threshold::{Flux, Limit, Threshold};
