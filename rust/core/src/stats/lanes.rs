// SPDX-License-Identifier: BSD-3-Clause
//! Loops over pixels side by side: the bodies that are compiled for each instruction set.
//!
//! A rejected sample is +infinity, so that it sorts to the end and fails every comparison with a
//! half-width.
//!
//! All slices of one call have the same length, the number of pixels. Choices are made of bits or
//! of numbers already loaded: a choice between two elements may be compiled to one between their
//! addresses, pixel by pixel.

use super::clip::{SIGMA_PER_IQR, bounded, correction};
use super::props::{ErrorMode, Options};
use super::select::between;
use super::sums::Sums;
use super::weighted::{Moments, proper};
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
fn reject_unmeasured_body(v: &[f32], kept: &mut [f32]) {
    let w = kept.len();
    let v = &v[..w];
    for l in 0..w {
        let good = mask_of(v[l] > 0.0) & mask_of(v[l] <= f32::MAX);
        kept[l] = select(good, kept[l], f32::INFINITY);
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

/// What is known of the good samples of each pixel: their number, the first, the smallest and the
/// largest; and the OR of their mask words, and of all mask words.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub n: Vec<u32>,
    pub first: Vec<f32>,
    pub low: Vec<f32>,
    pub high: Vec<f32>,
    pub or_mask: Vec<i32>,
    pub any_mask: Vec<i32>,
}

impl Survey {
    /// Of `w` pixels without samples.
    pub fn clear(&mut self, w: usize) {
        reset(&mut self.n, w, 0);
        reset(&mut self.first, w, f32::NAN);
        reset(&mut self.low, w, f32::INFINITY);
        reset(&mut self.high, w, f32::NEG_INFINITY);
        reset(&mut self.or_mask, w, 0);
        reset(&mut self.any_mask, w, 0);
    }
}

/// Makes a vector `width` times the same value.
pub(super) fn reset<T: Copy>(values: &mut Vec<T>, width: usize, value: T) {
    values.clear();
    values.resize(width, value);
}

#[inline(always)]
fn take_four_body(
    values: [&[f32]; 4],
    words: [&[i32]; 4],
    bad_bits: i32,
    kept: &mut [f32],
    survey: &mut Survey,
) {
    let w = survey.n.len();
    let (a, rest) = kept.split_at_mut(w);
    let (b, rest) = rest.split_at_mut(w);
    let (c, d) = rest.split_at_mut(w);
    let counts = (&mut survey.n[..], &mut survey.first[..w]);
    let extremes = (&mut survey.low[..w], &mut survey.high[..w]);
    let masks = (&mut survey.or_mask[..w], &mut survey.any_mask[..w]);
    take_rows(
        (values, words),
        bad_bits,
        (a, b),
        (c, &mut d[..w]),
        counts,
        extremes,
        masks,
    );
}

#[inline(always)]
fn take_rows(
    (values, words): ([&[f32]; 4], [&[i32]; 4]),
    bad_bits: i32,
    (a, b): (&mut [f32], &mut [f32]),
    (c, d): (&mut [f32], &mut [f32]),
    (n, first): (&mut [u32], &mut [f32]),
    (low, high): (&mut [f32], &mut [f32]),
    (or_mask, any_mask): (&mut [i32], &mut [i32]),
) {
    let w = n.len();
    let [x0, x1, x2, x3] = values;
    let [m0, m1, m2, m3] = words;
    let (x0, x1, x2, x3) = (&x0[..w], &x1[..w], &x2[..w], &x3[..w]);
    let (m0, m1, m2, m3) = (&m0[..w], &m1[..w], &m2[..w], &m3[..w]);
    for l in 0..w {
        let (mut count, mut start) = (n[l], first[l]);
        let (mut least, mut most) = (low[l], high[l]);
        let (mut or, mut any) = (or_mask[l], any_mask[l]);
        let mut rows = [0.0; 4];
        let samples = [
            (x0[l], m0[l]),
            (x1[l], m1[l]),
            (x2[l], m2[l]),
            (x3[l], m3[l]),
        ];
        for j in 0..4 {
            let (value, word) = samples[j];
            let good = mask_of(value.abs() <= f32::MAX) & mask_of(word & bad_bits == 0);
            let x = select(good, value, f32::INFINITY);
            let y = select(good, value, f32::NEG_INFINITY);
            start = select(good & mask_of(count == 0), x, start);
            count += good & 1;
            least = if x < least { x } else { least };
            most = if y > most { y } else { most };
            or |= word & good as i32;
            any |= word;
            rows[j] = x;
        }
        [a[l], b[l], c[l], d[l]] = rows;
        (n[l], first[l]) = (count, start);
        (low[l], high[l]) = (least, most);
        (or_mask[l], any_mask[l]) = (or, any);
    }
}

dispatch! {
    /// [`admit`], [`or_words`] and [`survey`] of four rows, which loads and stores
    /// what is known of a pixel once instead of eight times.
    pub(super) fn take_four(
        values: [&[f32]; 4],
        words: [&[i32]; 4],
        bad_bits: i32,
        kept: &mut [f32],
        survey: &mut Survey,
    ) = take_four_body;
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
    /// Rejects samples without a variance that is finite and positive.
    pub(super) fn reject_unmeasured(v: &[f32], kept: &mut [f32]) = reject_unmeasured_body;
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
fn exchange_body(steps: &[(u16, u16)], rows: &mut [f32], w: usize) {
    for &(i, j) in steps {
        let (below, above) = rows.split_at_mut(usize::from(j) * w);
        let low = &mut below[usize::from(i) * w..][..w];
        let high = &mut above[..w];
        exchange_rows(low, high);
    }
}

#[inline(always)]
fn exchange_rows(low: &mut [f32], high: &mut [f32]) {
    for l in 0..low.len() {
        let (a, b) = (low[l], high[l]);
        // Two comparisons, so that each choice is one instruction (of equal elements, the lower).
        low[l] = if b < a { b } else { a };
        high[l] = if a < b { b } else { a };
    }
}

dispatch! {
    /// Runs the comparisons (i, j), i < j: of rows i and j of `w` pixels, i gets the smaller
    /// and j the larger element.
    pub(super) fn exchange(steps: &[(u16, u16)], rows: &mut [f32], w: usize) = exchange_body;
}

/// Index of the order statistic at or below quartile number `i` of `n` samples, in quarters.
#[inline(always)]
fn quarters(n: u32, i: u32) -> u32 {
    i * (n.max(1) - 1)
}

/// Rows that must be in order for the quartiles of `n` samples.
pub(super) fn mark_quartiles(n: usize, wanted: &mut [bool]) {
    for i in 1..=3 {
        let index = quarters(n as u32, i) as usize / 4;
        wanted[index] = true;
        wanted[(index + 1).min(n - 1)] = true;
    }
}

/// Memory of [`quartile`], one element a pixel.
#[derive(Debug, Default)]
pub(super) struct Picked {
    pub low: Vec<f32>,
    pub high: Vec<f32>,
}

#[inline(always)]
fn pick_rows(here: &[f32], next: &[f32], (n, i, k): (&[u32], u32, u32), picked: &mut Picked) {
    let w = n.len();
    let (low, high) = (&mut picked.low[..w], &mut picked.high[..w]);
    pick(&here[..w], &next[..w], (n, i, k), low, high);
}

#[inline(always)]
fn pick(
    here: &[f32],
    next: &[f32],
    (n, i, k): (&[u32], u32, u32),
    low: &mut [f32],
    high: &mut [f32],
) {
    for l in 0..n.len() {
        let hit = mask_of(quarters(n[l], i) >> 2 == k);
        low[l] = select(hit, here[l], low[l]);
        high[l] = select(hit, next[l], high[l]);
    }
}

#[inline(always)]
fn interpolate(n: &[u32], i: u32, low: &[f32], high: &[f32], out: &mut [f64]) {
    for l in 0..n.len() {
        let share = f64::from(quarters(n[l], i) & 3) * 0.25;
        let value = between(f64::from(low[l]), f64::from(high[l]), share);
        out[l] = if n[l] == 0 { f64::NAN } else { value };
    }
}

#[inline(always)]
fn quartile_body(sorted: &[f32], n: &[u32], i: u32, picked: &mut Picked, out: &mut [f64]) {
    let w = n.len();
    let last = sorted.len() / w - 1;
    let (mut fewest, mut most) = (u32::MAX, 0);
    for &count in n {
        fewest = fewest.min(count);
        most = most.max(count);
    }
    let mut k = quarters(fewest, i) >> 2;
    while k <= quarters(most, i) >> 2 {
        let here = &sorted[k as usize * w..][..w];
        let next = &sorted[(k as usize + 1).min(last) * w..][..w];
        pick_rows(here, next, (n, i, k), picked);
        k += 1;
    }
    interpolate(n, i, &picked.low[..w], &picked.high[..w], &mut out[..w]);
}

dispatch! {
    /// Quartile number `i` (1, 2, 3) of the `n` good samples of each pixel of sorted rows; NaN
    /// where `n` is 0.
    pub(super) fn quartile(
        sorted: &[f32],
        n: &[u32],
        i: u32,
        picked: &mut Picked,
        out: &mut [f64],
    ) = quartile_body;
}

#[inline(always)]
fn means_body(
    sums: &Sums,
    shift: &[f64],
    (mode, truncation): (ErrorMode, f64),
    value: &mut [f64],
    variance: &mut [f64],
) {
    let w = shift.len();
    let (n, s0, s00) = (&sums.n[..w], &sums.s0[..w], &sums.s00[..w]);
    let (s1, s2, sv) = (&sums.s1[..w], &sums.s2[..w], &sums.sv[..w]);
    let (value, variance) = (&mut value[..w], &mut variance[..w]);
    for l in 0..w {
        let m = Moments {
            n: n[l],
            shift: shift[l],
            s0: s0[l],
            s00: s00[l],
            s1: s1[l],
            s2: s2[l],
            sv: sv[l],
        };
        let sample_variance = m.variance() / correction(m.n, m.n, truncation);
        value[l] = m.mean();
        variance[l] = proper(m.mean_variance(mode, sample_variance));
    }
}

dispatch! {
    /// Mean and its squared error.
    pub(super) fn means(
        sums: &Sums,
        shift: &[f64],
        how: (ErrorMode, f64),
        value: &mut [f64],
        variance: &mut [f64],
    ) = means_body;
}

#[inline(always)]
fn median_errors_body(sums: &Sums, shift: &[f64], variance: &mut [f64]) {
    for l in 0..shift.len() {
        let m = sums.at(l, shift[l]);
        variance[l] = std::f64::consts::FRAC_PI_2 * m.variance() / m.n;
    }
}

dispatch! {
    /// Squared errors of the medians.
    pub(super) fn median_errors(sums: &Sums, shift: &[f64], variance: &mut [f64])
    = median_errors_body;
}

/// Smallest and largest good sample of each pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extremes<'a> {
    pub low: &'a [f32],
    pub high: &'a [f32],
}

#[inline(always)]
fn losing_body(
    sums: &Sums,
    shift: &[f64],
    extremes: Extremes,
    (lower, median, upper): (&[f64], &[f64], &[f64]),
    options: &Options,
    losing: &mut [u32],
) {
    let w = shift.len();
    let (n, s0, s00) = (&sums.n[..w], &sums.s0[..w], &sums.s00[..w]);
    let (s1, s2, losing) = (&sums.s1[..w], &sums.s2[..w], &mut losing[..w]);
    let (low, high) = (&extremes.low[..w], &extremes.high[..w]);
    let (lower, median, upper) = (&lower[..w], &median[..w], &upper[..w]);
    let once = mask_of(options.n_iter == 1);
    for l in 0..w {
        let (shift, sv) = (shift[l], 0.0);
        let m = Moments {
            n: n[l],
            shift,
            s0: s0[l],
            s00: s00[l],
            s1: s1[l],
            s2: s2[l],
            sv,
        };
        let (low, high) = (f64::from(low[l]), f64::from(high[l]));
        let h = bounded(options.sigma_clip * SIGMA_PER_IQR * (upper[l] - lower[l]));
        let c = median[l];
        let first = mask_of((low - c).abs() <= h) & mask_of((high - c).abs() <= h);
        let c = m.mean();
        let h = bounded(options.sigma_clip * m.variance().sqrt());
        let later = mask_of((low - c).abs() <= h) & mask_of((high - c).abs() <= h);
        losing[l] = mask_of(m.n > 1.0) & !(first & (once | later));
    }
}

dispatch! {
    /// All bits where any pass would leave a sample out: the first one about the median, or a
    /// later one about the mean of all. Once a pass about the mean keeps all, so do those after.
    pub(super) fn losing(
        sums: &Sums,
        shift: &[f64],
        extremes: Extremes,
        quartiles: (&[f64], &[f64], &[f64]),
        options: &Options,
        losing: &mut [u32],
    ) = losing_body;
}
