// SPDX-License-Identifier: BSD-3-Clause
//! Clipping passes over a sample set.

use super::props::Options;
use super::weighted::{Moments, Point};

/// Standard deviation of Gaussian data per unit of its inter-quartile range.
pub(crate) const SIGMA_PER_IQR: f64 = 0.741_301_109_252_802;

/// Result of the clipping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clipped {
    pub mean: f64,
    pub variance: f64,
    pub mean_variance: f64,
    pub n_kept: usize,
    /// Sum of the weights kept.
    pub weight: f64,
    /// Interval of the last pass.
    pub centre: f64,
    pub half_width: f64,
    /// A pass would have kept fewer than two samples.
    pub fell_back: bool,
}

impl Clipped {
    /// No samples, or samples that are not finite and were not to be rejected.
    pub const NOTHING: Self = Self {
        mean: f64::NAN,
        variance: f64::NAN,
        mean_variance: f64::NAN,
        n_kept: 0,
        weight: f64::NAN,
        centre: f64::NAN,
        half_width: f64::NAN,
        fell_back: false,
    };
}

/// Half-width that no finite sample exceeds and no rejected one (infinity) meets.
#[inline(always)]
pub(crate) fn bounded(half_width: f64) -> f64 {
    half_width.min(f64::MAX)
}

/// Clips `points`: every pass tests all of them again; `all` are their unclipped moments, which a
/// pass that keeps everything returns as they are, so that the mean and the clipped mean of
/// samples of which none is clipped are the same bits.
pub(crate) fn clip(
    points: &[Point],
    all: &Moments,
    (median, iqr): (f64, f64),
    options: &Options,
    truncation: f64,
) -> Clipped {
    let n = all.n;
    let mut last: Option<(Moments, f64, f64)> = None;
    let mut centre = median;
    let mut half_width = bounded(options.sigma_clip * SIGMA_PER_IQR * iqr);
    for _ in 0..options.n_iter {
        if let Some((m, ..)) = &last {
            centre = m.mean();
            if n > 1 {
                half_width = bounded(options.sigma_clip * m.variance().sqrt());
            }
        }
        if centre.is_nan() || half_width.is_nan() {
            break;
        }
        let kept = Moments::of(points, centre, half_width, options.error_mode);
        if kept.n < n.min(2) {
            return match last {
                Some(pass) => finish(pass, n, options, truncation, true),
                None => unclipped(all, (median, iqr), options),
            };
        }
        last = Some((if kept.n == n { *all } else { kept }, centre, half_width));
    }
    match last {
        Some(pass) => finish(pass, n, options, truncation, false),
        None => Clipped::NOTHING,
    }
}

fn finish(
    (m, centre, half_width): (Moments, f64, f64),
    n: usize,
    options: &Options,
    truncation: f64,
    fell_back: bool,
) -> Clipped {
    let mut variance = m.variance();
    // Up to three samples are complete unless one was seen to be clipped.
    if n > 3 || m.n < n {
        variance /= truncation;
    }
    Clipped {
        mean: m.mean(),
        variance,
        mean_variance: m.mean_variance(options.error_mode, variance),
        n_kept: m.n,
        weight: m.s0,
        centre,
        half_width,
        fell_back,
    }
}

/// The first pass already keeps too few: median and quartiles stand in, and nothing counts as
/// clipped.
fn unclipped(all: &Moments, (median, iqr): (f64, f64), options: &Options) -> Clipped {
    let sigma = SIGMA_PER_IQR * iqr;
    let variance = sigma * sigma;
    Clipped {
        mean: median,
        variance,
        mean_variance: all.mean_variance(options.error_mode, variance),
        n_kept: all.n,
        weight: all.s0,
        centre: median,
        half_width: f64::INFINITY,
        fell_back: true,
    }
}
