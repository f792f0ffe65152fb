// SPDX-License-Identifier: BSD-3-Clause
//! Loops over pixels side by side: the bodies that are compiled for each instruction set.
//!
//! A rejected sample is +infinity, so that it sorts to the end and fails every comparison with a
//! half-width.
//!
//! All slices of one call have the same length, the number of pixels. Choices are made of bits or
//! of numbers already loaded: a choice between two elements may be compiled to one between their
//! addresses, pixel by pixel.

use crate::simd::dispatch;

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

#[inline(always)]
fn admit_body(values: &[f32], words: &[i32], bad_bits: i32, kept: &mut [f32]) {
    let w = kept.len();
    let (values, words) = (&values[..w], &words[..w]);
    for l in 0..w {
        let x = values[l];
        let good = mask_of(x.abs() <= f32::MAX) & mask_of(words[l] & bad_bits == 0);
        kept[l] = select(good, x, f32::INFINITY);
    }
}

#[inline(always)]
fn admit_finite_body(values: &[f32], kept: &mut [f32]) {
    let w = kept.len();
    let values = &values[..w];
    for l in 0..w {
        let x = values[l];
        kept[l] = select(mask_of(x.abs() <= f32::MAX), x, f32::INFINITY);
    }
}

#[inline(always)]
fn or_words_body(words: &[i32], kept: &[f32], any: &mut [i32], or: &mut [i32]) {
    let w = or.len();
    let (words, kept, any) = (&words[..w], &kept[..w], &mut any[..w]);
    for l in 0..w {
        let good = mask_of(kept[l] <= f32::MAX) as i32;
        any[l] |= words[l];
        or[l] |= words[l] & good;
    }
}

#[inline(always)]
fn survey_body(kept: &[f32], n: &mut [u32], first: &mut [f32], low: &mut [f32], high: &mut [f32]) {
    let w = n.len();
    let (kept, first) = (&kept[..w], &mut first[..w]);
    let (low, high) = (&mut low[..w], &mut high[..w]);
    for l in 0..w {
        let x = kept[l];
        let good = mask_of(x <= f32::MAX);
        first[l] = select(good & mask_of(n[l] == 0), x, first[l]);
        n[l] += good & 1;
        let (y, a, b) = (select(good, x, f32::NEG_INFINITY), low[l], high[l]);
        low[l] = if x < a { x } else { a };
        high[l] = if y > b { y } else { b };
    }
}

dispatch! {
    /// Samples that are finite and have none of the bad bits; the others become +infinity.
    pub(super) fn admit(values: &[f32], words: &[i32], bad_bits: i32, kept: &mut [f32])
    = admit_body;
}
dispatch! {
    /// Samples that are finite; the others become +infinity.
    pub(super) fn admit_finite(values: &[f32], kept: &mut [f32]) = admit_finite_body;
}
dispatch! {
    /// ORs mask words: of all samples, and of those kept.
    pub(super) fn or_words(words: &[i32], kept: &[f32], any: &mut [i32], or: &mut [i32])
    = or_words_body;
}
dispatch! {
    /// Counts the good samples and notes the first, the smallest and the largest.
    pub(super) fn survey(
        kept: &[f32],
        n: &mut [u32],
        first: &mut [f32],
        low: &mut [f32],
        high: &mut [f32],
    ) = survey_body;
}

#[inline(always)]
fn bin_body(x: &[f32], start: f32, scale: f32, last: u32, places: &mut [u32]) {
    let w = x.len();
    let (places, end) = (&mut places[..w], last as f32);
    for l in 0..w {
        let place = (x[l] - start) * scale + 1.0;
        // Infinity times a scale of 0 is NaN and goes where infinity goes.
        let place = if place < end { place } else { end };
        let place = if place > 0.0 { place } else { 0.0 };
        // Small and not negative, so the signed conversion (one instruction) will do.
        places[l] = place as i32 as u32;
    }
}

dispatch! {
    /// Bins of equal width `1 / scale`: 0 for what lies below `start`, `last` for what is beyond
    /// the last but one, infinity and NaN.
    pub(super) fn bin(x: &[f32], start: f32, scale: f32, last: u32, places: &mut [u32])
    = bin_body;
}

#[inline(always)]
fn add_unit_body(
    x: &[f32],
    interval: (&[f64], &[f64]),
    n: &mut [f64],
    s1: &mut [f64],
    s2: &mut [f64],
) {
    let w = n.len();
    let (shift, half_width) = (&interval.0[..w], &interval.1[..w]);
    let (s1, s2) = (&mut s1[..w], &mut s2[..w]);
    let mut k = 0;
    // Four rows a time, so that sums stay in registers for as long.
    while (k + 4) * w <= x.len() {
        let row = |j: usize| &x[(k + j) * w..(k + j + 1) * w];
        add_unit_rows(
            [row(0), row(1), row(2), row(3)],
            shift,
            half_width,
            n,
            s1,
            s2,
        );
        k += 4;
    }
    while (k + 1) * w <= x.len() {
        add_unit_rows([&x[k * w..(k + 1) * w]], shift, half_width, n, s1, s2);
        k += 1;
    }
}

#[inline(always)]
fn add_unit_rows<const K: usize>(
    x: [&[f32]; K],
    shift: &[f64],
    half_width: &[f64],
    n: &mut [f64],
    s1: &mut [f64],
    s2: &mut [f64],
) {
    for l in 0..shift.len() {
        let (mut a, mut a1, mut a2) = (n[l], s1[l], s2[l]);
        for row in &x {
            let d = f64::from(row[l]) - shift[l];
            let keep = d.abs() <= half_width[l];
            a += if keep { 1.0 } else { 0.0 };
            a1 += if keep { d } else { 0.0 };
            a2 += if keep { d * d } else { 0.0 };
        }
        (n[l], s1[l], s2[l]) = (a, a1, a2);
    }
}

dispatch! {
    /// Adds whole rows of unweighted samples to sums of n, d and d^2, d = x - shift, where
    /// |d| <= half-width.
    pub(super) fn add_unit(
        x: &[f32],
        interval: (&[f64], &[f64]),
        n: &mut [f64],
        s1: &mut [f64],
        s2: &mut [f64],
    ) = add_unit_body;
}
