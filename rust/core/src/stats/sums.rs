// SPDX-License-Identifier: BSD-3-Clause
//! Masked sums over rows of samples, pixels side by side.
//!
//! Sums run over the samples in input order and add nothing for a rejected one, which makes every
//! pixel the same bits as [`Moments::of`] over its surviving samples.

use super::weighted::Moments;
use crate::simd::dispatch;

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
fn sums_body<const WEIGHT: u8, const VARIANCES: bool, const SCATTER: bool>(
    samples: Rows,
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
            add::<WEIGHT, VARIANCES, SCATTER, ROWS_AT_ONCE>(samples, k, weights, interval, sums);
            k += ROWS_AT_ONCE;
        } else {
            add::<WEIGHT, VARIANCES, SCATTER, 1>(samples, k, weights, interval, sums);
            k += 1;
        }
    }
    if WEIGHT == UNIT && SCATTER {
        sums.s0[..w].copy_from_slice(&sums.n[..w]);
        sums.s00[..w].copy_from_slice(&sums.n[..w]);
    }
}

#[inline(always)]
fn add<const WEIGHT: u8, const VARIANCES: bool, const SCATTER: bool, const K: usize>(
    samples: Rows,
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
            &samples.v[k + j][..w]
        } else {
            x[j]
        };
        row_weights[j] = weights[k + j];
    }
    let counts = (&mut sums.n[..w], &mut sums.s0[..w], &mut sums.s00[..w]);
    let moments = (&mut sums.s1[..w], &mut sums.s2[..w], &mut sums.sv[..w]);
    add_rows::<WEIGHT, VARIANCES, SCATTER, K>(x, v, row_weights, interval, counts, moments);
}

#[inline(always)]
fn add_rows<const WEIGHT: u8, const VARIANCES: bool, const SCATTER: bool, const K: usize>(
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
            a1 += if keep { wd } else { 0.0 };
            if WEIGHT != UNIT {
                a0 += if keep { weight } else { 0.0 };
            }
            if SCATTER {
                a += if keep { 1.0 } else { 0.0 };
                a2 += if keep { wd * d } else { 0.0 };
            }
            if SCATTER && WEIGHT != UNIT {
                a00 += if keep { weight * weight } else { 0.0 };
            }
            if VARIANCES {
                av += if keep { factor * variance } else { 0.0 };
            }
        }
        s1[l] = a1;
        if SCATTER {
            (n[l], s2[l], s00[l]) = (a, a2, a00);
        }
        if WEIGHT != UNIT {
            s0[l] = a0;
        }
        if VARIANCES {
            sv[l] = av;
        }
    }
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
    // Four rows a time, as in `sums_body`.
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

macro_rules! sums_kernel {
    ($name:ident, $weight:ident, $variances:literal, $scatter:literal) => {
        dispatch! {
            fn $name(
                samples: Rows,
                weights: &[RowWeight],
                shift: &[f64],
                half_width: &[f64],
                sums: &mut Sums,
            ) = sums_body::<$weight, $variances, $scatter>;
        }
    };
}
sums_kernel!(sums_unit, UNIT, false, true);
sums_kernel!(sums_unit_variances, UNIT, true, true);
sums_kernel!(sums_unit_only_variances, UNIT, true, false);
sums_kernel!(sums_rows, ROWS, false, true);
sums_kernel!(sums_rows_variances, ROWS, true, true);
sums_kernel!(sums_rows_only_variances, ROWS, true, false);
sums_kernel!(sums_inverse, INVERSE, false, true);
sums_kernel!(sums_inverse_variances, INVERSE, true, true);

/// Samples of a tile: `x` by rows, `v` (where it is needed) a slice for each row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub x: &'a [f32],
    pub v: &'a [&'a [f32]],
}

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
    pub fn sum(&self, samples: Rows, shift: &[f64], half_width: &[f64], sums: &mut Sums) {
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

    /// The sums that a mean with an error from input variances needs: of all `n` good samples,
    /// without squares.
    pub fn sum_for_mean(&self, samples: Rows, shift: &[f64], n: &[u32], sums: &mut Sums) {
        let limit = vec![f64::MAX; shift.len()];
        if self.inverse || !self.variances {
            return self.sum(samples, shift, &limit, sums);
        }
        for (sum, &n) in sums.n.iter_mut().zip(n) {
            *sum = f64::from(n);
        }
        if self.unit {
            sums_unit_only_variances(samples, &self.weights, shift, &limit, sums);
            sums.s0.copy_from_slice(&sums.n);
        } else {
            sums_rows_only_variances(samples, &self.weights, shift, &limit, sums);
        }
    }
}
