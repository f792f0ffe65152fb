// SPDX-License-Identifier: BSD-3-Clause
//! Slow transcriptions of the formulas and random inputs, for tests and benches.
//!
//! Nothing here is shared with the core, so that the two cannot have a mistake in common.

pub mod convolve;
pub mod cube;
pub mod spans;
pub mod stats;
