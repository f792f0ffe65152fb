// SPDX-License-Identifier: BSD-3-Clause
//! Conditions as bits, for loops over samples side by side.
//!
//! Choices are made of bits or of numbers already loaded: a choice between two elements may be
//! compiled to one between their addresses, sample by sample.

/// All bits where the condition holds.
#[inline(always)]
pub(super) fn mask_of(condition: bool) -> u32 {
    u32::from(condition).wrapping_neg()
}

/// `a` where the mask has all bits, `b` where it has none.
#[inline(always)]
pub(super) fn select(mask: u32, a: f32, b: f32) -> f32 {
    f32::from_bits(a.to_bits() & mask | b.to_bits() & !mask)
}
