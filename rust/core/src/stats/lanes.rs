// SPDX-License-Identifier: BSD-3-Clause
//! Loops over pixels side by side: the bodies that are compiled for each instruction set.
//!
//! A rejected sample is +infinity, so that it sorts to the end and fails every comparison with a
//! half-width. Sums run over the samples in input order and add nothing for a rejected one, which
//! makes every lane the same bits as [`Moments::of`] over its surviving samples.
//!
//! All slices of one call have the same length, the number of pixels. Choices are made of bits or
//! of numbers already loaded: a choice between two elements may be compiled to one between their
//! addresses, pixel by pixel.

use super::clip::{SIGMA_PER_IQR, bounded, correction};
use super::props::{ErrorMode, Options};
use super::select::between;
use super::weighted::{Moments, proper};
use crate::simd::dispatch;

/// Samples of a tile of pixels: one row per image.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub x: Vec<f32>,
    pub v: Vec<f32>,
}

/// [`Moments`] of every pixel of a tile.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub n: Vec<f64>,
    pub s0: Vec<f64>,
    pub s00: Vec<f64>,
    pub s1: Vec<f64>,
    pub s2: Vec<f64>,
    pub sv: Vec<f64>,
}

impl Sums {
    /// Sums of `width` pixels, all 0.
    pub fn clear(&mut self, width: usize) {
        let all = [
            &mut self.n,
            &mut self.s0,
            &mut self.s00,
            &mut self.s1,
            &mut self.s2,
            &mut self.sv,
        ];
        for sums in all {
            sums.clear();
            sums.resize(width, 0.0);
        }
    }

    /// The moments of one pixel.
    #[inline(always)]
    pub fn at(&self, l: usize, shift: f64) -> Moments {
        Moments {
            n: self.n[l],
            shift,
            s0: self.s0[l],
            s00: self.s00[l],
            s1: self.s1[l],
            s2: self.s2[l],
            sv: self.sv[l],
        }
    }
}

/// All bits where the condition holds.
#[inline(always)]
fn mask_of(condition: bool) -> u32 {
    u32::from(condition).wrapping_neg()
}

/// `a` where the mask has all bits, `b` where it has none.
#[inline(always)]
fn select(mask: u32, a: f32, b: f32) -> f32 {
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

/// How one row of samples enters the sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowWeight {
    /// Weight.
    pub w: f64,
    /// Factor of the variance: the square of the weight, or the weight (mosaic).
    pub wv: f64,
}

/// All samples weigh the same, those of a row do, each has one over its variance.
const UNIT: u8 = 0;
const ROWS: u8 = 1;
const INVERSE: u8 = 2;

/// Sums over the rows of `x` (and `v`) of the samples with |x - shift| <= `half_width`, at most
/// `f64::MAX`.
#[inline(always)]
fn sums_body<const WEIGHT: u8, const VARIANCES: bool>(
    samples: &Samples,
    weights: &[RowWeight],
    shift: &[f64],
    half_width: &[f64],
    sums: &mut Sums,
) {
    // Four rows a time, so that sums stay in registers for as long.
    const ROWS_AT_ONCE: usize = 4;
    let w = shift.len();
    let interval = (shift, &half_width[..w]);
    let mut k = 0;
    while k < weights.len() {
        if k + ROWS_AT_ONCE <= weights.len() {
            add::<WEIGHT, VARIANCES, ROWS_AT_ONCE>(samples, k, weights, interval, sums);
            k += ROWS_AT_ONCE;
        } else {
            add::<WEIGHT, VARIANCES, 1>(samples, k, weights, interval, sums);
            k += 1;
        }
    }
    if WEIGHT == UNIT {
        sums.s0[..w].copy_from_slice(&sums.n[..w]);
        sums.s00[..w].copy_from_slice(&sums.n[..w]);
    }
}

#[inline(always)]
fn add<const WEIGHT: u8, const VARIANCES: bool, const K: usize>(
    samples: &Samples,
    k: usize,
    weights: &[RowWeight],
    interval: (&[f64], &[f64]),
    sums: &mut Sums,
) {
    let w = interval.0.len();
    let mut x = [&samples.x[..w]; K];
    let mut v = x;
    let mut row_weights = [weights[k]; K];
    for j in 0..K {
        x[j] = &samples.x[(k + j) * w..(k + j + 1) * w];
        v[j] = if VARIANCES || WEIGHT == INVERSE {
            &samples.v[(k + j) * w..(k + j + 1) * w]
        } else {
            x[j]
        };
        row_weights[j] = weights[k + j];
    }
    let counts = (&mut sums.n[..w], &mut sums.s0[..w], &mut sums.s00[..w]);
    let moments = (&mut sums.s1[..w], &mut sums.s2[..w], &mut sums.sv[..w]);
    add_rows::<WEIGHT, VARIANCES, K>(x, v, row_weights, interval, counts, moments);
}

#[inline(always)]
fn add_rows<const WEIGHT: u8, const VARIANCES: bool, const K: usize>(
    x: [&[f32]; K],
    v: [&[f32]; K],
    weights: [RowWeight; K],
    (shift, half_width): (&[f64], &[f64]),
    (n, s0, s00): (&mut [f64], &mut [f64], &mut [f64]),
    (s1, s2, sv): (&mut [f64], &mut [f64], &mut [f64]),
) {
    for l in 0..shift.len() {
        let (c, h) = (shift[l], half_width[l]);
        let (mut a, mut a0, mut a00) = (n[l], s0[l], s00[l]);
        let (mut a1, mut a2, mut av) = (s1[l], s2[l], sv[l]);
        for j in 0..K {
            let d = f64::from(x[j][l]) - c;
            let keep = d.abs() <= h;
            let variance = f64::from(v[j][l]);
            let inverse = 1.0 / variance;
            let weight = if WEIGHT == INVERSE {
                inverse
            } else {
                weights[j].w
            };
            let factor = match (WEIGHT, weights[j].wv == 1.0) {
                // A unit factor of the rows stands for the mosaic mode.
                (INVERSE, true) => inverse,
                (INVERSE, false) => inverse * inverse,
                _ => weights[j].wv,
            };
            let wd = if WEIGHT == UNIT { d } else { weight * d };
            a += if keep { 1.0 } else { 0.0 };
            a1 += if keep { wd } else { 0.0 };
            a2 += if keep { wd * d } else { 0.0 };
            if WEIGHT != UNIT {
                a0 += if keep { weight } else { 0.0 };
                a00 += if keep { weight * weight } else { 0.0 };
            }
            if VARIANCES {
                av += if keep { factor * variance } else { 0.0 };
            }
        }
        (n[l], s1[l], s2[l]) = (a, a1, a2);
        if WEIGHT != UNIT {
            (s0[l], s00[l]) = (a0, a00);
        }
        if VARIANCES {
            sv[l] = av;
        }
    }
}

macro_rules! sums_kernel {
    ($name:ident, $weight:ident, $variances:literal) => {
        dispatch! {
            fn $name(
                samples: &Samples,
                weights: &[RowWeight],
                shift: &[f64],
                half_width: &[f64],
                sums: &mut Sums,
            ) = sums_body::<$weight, $variances>;
        }
    };
}
sums_kernel!(sums_unit, UNIT, false);
sums_kernel!(sums_unit_variances, UNIT, true);
sums_kernel!(sums_rows, ROWS, false);
sums_kernel!(sums_rows_variances, ROWS, true);
sums_kernel!(sums_inverse, INVERSE, false);
sums_kernel!(sums_inverse_variances, INVERSE, true);

/// How samples are weighted and summed.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// For each row; with `inverse` only whether `wv` is 1 (mosaic) counts.
    pub weights: Vec<RowWeight>,
    /// All weights are 1.
    pub unit: bool,
    /// The weight of a sample is one over its variance.
    pub inverse: bool,
    /// Input variances are summed, for the error.
    pub variances: bool,
}

impl Recipe {
    /// Sums of a tile, see [`sums_body`]; `sums` must be clear.
    pub fn sum(&self, samples: &Samples, shift: &[f64], half_width: &[f64], sums: &mut Sums) {
        let kernel = match (self.inverse, self.unit, self.variances) {
            (true, _, false) => sums_inverse,
            (true, _, true) => sums_inverse_variances,
            (false, true, false) => sums_unit,
            (false, true, true) => sums_unit_variances,
            (false, false, false) => sums_rows,
            (false, false, true) => sums_rows_variances,
        };
        kernel(samples, &self.weights, shift, half_width, sums);
    }
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
