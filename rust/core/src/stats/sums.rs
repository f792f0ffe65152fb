// SPDX-License-Identifier: BSD-3-Clause
//! Masked sums over the samples of a group of pixels.
//!
//! Sums run over the samples in input order and add nothing for a rejected one, which makes every
//! pixel the same bits as [`Moments::of`] over its surviving samples.

// An index is all that lanes have.
#![allow(clippy::needless_range_loop)]

use super::load::{LANES, Lanes, Line};
use super::weighted::Moments;
use crate::simd::dispatch;

/// [`Moments`] of every pixel of a group.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Sums {
    pub n: Lanes<f64>,
    pub shift: Lanes<f64>,
    pub s0: Lanes<f64>,
    pub s00: Lanes<f64>,
    pub s1: Lanes<f64>,
    pub s2: Lanes<f64>,
    pub sv: Lanes<f64>,
}

impl Sums {
    /// Of no samples.
    pub const EMPTY: Self = Self {
        n: [0.0; LANES],
        shift: [f64::NAN; LANES],
        s0: [0.0; LANES],
        s00: [0.0; LANES],
        s1: [0.0; LANES],
        s2: [0.0; LANES],
        sv: [0.0; LANES],
    };

    /// The moments of one pixel.
    #[inline(always)]
    pub fn at(&self, l: usize) -> Moments {
        Moments {
            n: self.n[l],
            shift: self.shift[l],
            s0: self.s0[l],
            s00: self.s00[l],
            s1: self.s1[l],
            s2: self.s2[l],
            sv: self.sv[l],
        }
    }

    /// Sets the moments of one pixel.
    #[inline(always)]
    pub fn put(&mut self, l: usize, m: Moments) {
        (self.n[l], self.shift[l]) = (m.n, m.shift);
        (self.s0[l], self.s00[l]) = (m.s0, m.s00);
        (self.s1[l], self.s2[l], self.sv[l]) = (m.s1, m.s2, m.sv);
    }
}

/// How one row of samples enters the sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowWeight {
    /// Weight.
    pub w: f64,
    /// Its square.
    pub ww: f64,
    /// Factor of the variance: the square of the weight, or the weight (mosaic).
    pub wv: f64,
}

/// All samples weigh the same, those of a row do, each has one over its variance.
pub(super) const UNIT: u8 = 0;
pub(super) const ROWS: u8 = 1;
pub(super) const INVERSE: u8 = 2;

/// Samples of a group and, where they are needed, their variances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub x: &'a [Line<f32>],
    pub v: &'a [Line<f32>],
}

/// A choice of numbers. For one row it must not become a store under a mask, which the next load
/// has to wait for; in a block a sum under a mask, which adding -0 allows, is one instruction.
#[inline(always)]
fn only<const K: usize>(keep: bool, x: f64) -> f64 {
    match (keep, K) {
        (true, _) => x,
        (false, 1) => 0.0,
        (false, _) => -0.0,
    }
}

/// Adds `K` rows: sums stay in registers for as long. `PASS`: only the samples within the half-width
/// of the shift, which are counted; else all of them, about the `first`. `NEW`: to sums of any
/// content, which are taken for empty.
#[inline(always)]
pub(super) fn add_rows<
    const WEIGHT: u8,
    const VARIANCES: bool,
    const SCATTER: bool,
    const PASS: bool,
    const NEW: bool,
    const K: usize,
>(
    (x, v): (&[Line<f32>; K], &[Line<f32>; K]),
    weights: &[RowWeight; K],
    (first, half_width): (&Lanes<f32>, &Lanes<f64>),
    sums: &mut Sums,
) {
    for l in 0..LANES {
        let c = if PASS {
            sums.shift[l]
        } else {
            f64::from(first[l])
        };
        let h = half_width[l];
        let (mut n, mut s0, mut s00) = (0.0, 0.0, 0.0);
        let (mut s1, mut s2, mut sv) = (0.0, 0.0, 0.0);
        if !NEW {
            (n, s0, s00) = (sums.n[l], sums.s0[l], sums.s00[l]);
            (s1, s2, sv) = (sums.s1[l], sums.s2[l], sums.sv[l]);
        }
        for j in 0..K {
            let d = f64::from(x[j].0[l]) - c;
            // A rejected sample is +infinity.
            let keep = if PASS {
                d.abs() <= h
            } else {
                x[j].0[l] <= f32::MAX
            };
            let variance = f64::from(v[j].0[l]);
            let inverse = 1.0 / variance;
            let (weight, square, factor) = match (WEIGHT, weights[j].wv == 1.0) {
                // A unit factor of the rows stands for the mosaic mode.
                (INVERSE, true) => (inverse, inverse * inverse, inverse),
                (INVERSE, false) => (inverse, inverse * inverse, inverse * inverse),
                _ => (weights[j].w, weights[j].ww, weights[j].wv),
            };
            let wd = if WEIGHT == UNIT { d } else { weight * d };
            s1 += only::<K>(keep, wd);
            if WEIGHT != UNIT {
                s0 += only::<K>(keep, weight);
            }
            if PASS {
                n += only::<K>(keep, 1.0);
            }
            if SCATTER {
                s2 += only::<K>(keep, wd * d);
            }
            if SCATTER && WEIGHT != UNIT {
                s00 += only::<K>(keep, square);
            }
            if VARIANCES {
                sv += only::<K>(keep, factor * variance);
            }
        }
        sums.s1[l] = s1;
        if WEIGHT != UNIT {
            sums.s0[l] = s0;
        }
        if PASS {
            sums.n[l] = n;
        }
        if SCATTER {
            sums.s2[l] = s2;
        }
        if SCATTER && WEIGHT != UNIT {
            sums.s00[l] = s00;
        }
        if VARIANCES {
            sums.sv[l] = sv;
        }
    }
}

/// Where the shift is known.
const NO_FIRST: Lanes<f32> = [0.0; LANES];

/// Sums over the rows of the samples with |x - shift| <= `half_width`, at most `f64::MAX`.
#[inline(always)]
fn sums_body<const WEIGHT: u8, const VARIANCES: bool>(
    samples: Rows,
    weights: &[RowWeight],
    shift: &Lanes<f64>,
    half_width: &Lanes<f64>,
    out: &mut Sums,
) {
    const K: usize = 5;
    let x = &samples.x[..weights.len()];
    let v = if VARIANCES || WEIGHT == INVERSE {
        &samples.v[..weights.len()]
    } else {
        x
    };
    let mut sums = Sums {
        shift: *shift,
        ..Sums::EMPTY
    };
    let (weights, rest) = weights.as_chunks::<K>();
    let (x, x_rest) = x.as_chunks::<K>();
    let (v, v_rest) = v.as_chunks::<K>();
    for k in 0..weights.len() {
        add_rows::<WEIGHT, VARIANCES, true, true, false, K>(
            (&x[k], &v[k]),
            &weights[k],
            (&NO_FIRST, half_width),
            &mut sums,
        );
    }
    for k in 0..rest.len() {
        let (x, v, weight) = ([x_rest[k]], [v_rest[k]], [rest[k]]);
        add_rows::<WEIGHT, VARIANCES, true, true, false, 1>(
            (&x, &v),
            &weight,
            (&NO_FIRST, half_width),
            &mut sums,
        );
    }
    if WEIGHT == UNIT {
        (sums.s0, sums.s00) = (sums.n, sums.n);
    }
    *out = sums;
}

macro_rules! sums_kernel {
    ($name:ident, $weight:ident, $variances:literal) => {
        dispatch! {
            fn $name(
                samples: Rows,
                weights: &[RowWeight],
                shift: &Lanes<f64>,
                half_width: &Lanes<f64>,
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
    /// Sums of a group, see [`sums_body`].
    pub fn sum(&self, samples: Rows, shift: &Lanes<f64>, half_width: &Lanes<f64>, sums: &mut Sums) {
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
