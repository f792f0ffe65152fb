// SPDX-License-Identifier: BSD-3-Clause
//! What is known about a pixel of a visit, one byte.

/// The pixel can be used.
pub(super) const GOOD: u8 = 1;
/// Light that stands out at a pixel or a few.
pub const SHARP: u8 = 2;
/// Light that stands out when smoothed.
pub const SMOOTH: u8 = 4;
/// Dark neighbour of sharp light, as resampling leaves it.
pub const LOBE: u8 = 8;
/// Light that no other visit could tell of.
pub const SINGLE: u8 = 16;
/// The pixel was flagged in the pass before.
pub(super) const BEFORE: u8 = 32;
/// Every reason to leave a pixel out.
pub const ALL_RULES: u8 = SHARP | SMOOTH | LOBE | SINGLE;

/// Whether the pixel can be used and was not flagged.
#[inline(always)]
pub(super) fn kept(state: u8) -> bool {
    state & (GOOD | ALL_RULES) == GOOD
}

/// Whether the pixel can be used, flagged or not.
#[inline(always)]
pub(super) fn good(state: u8) -> bool {
    state & GOOD != 0
}
