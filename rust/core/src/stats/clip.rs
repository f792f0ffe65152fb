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
    pub n_kept: f64,
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
        n_kept: 0.0,
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

/// Where the clipping of one sample set stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passes {
    pub centre: f64,
    pub half_width: f64,
    last: Option<(Moments, f64, f64)>,
    stopped: bool,
    fell_back: bool,
}

impl Passes {
    /// Nothing to do.
    pub const IDLE: Self = Self {
        centre: f64::NAN,
        half_width: f64::NAN,
        last: None,
        stopped: true,
        fell_back: false,
    };

    /// The first pass is about the median.
    #[inline(always)]
    pub fn new((median, iqr): (f64, f64), options: &Options) -> Self {
        let half_width = bounded(options.sigma_clip * SIGMA_PER_IQR * iqr);
        let stopped = median.is_nan() || half_width.is_nan();
        Self {
            centre: median,
            half_width,
            last: None,
            stopped,
            fell_back: false,
        }
    }

    /// Sets the interval of the next pass; false if that pass would be the last one again.
    #[inline(always)]
    pub fn advance(&mut self, n: f64, options: &Options) -> bool {
        if self.stopped {
            return false;
        }
        let Some((m, centre, half_width)) = &self.last else {
            return true;
        };
        self.centre = m.mean();
        if n > 1.0 {
            self.half_width = bounded(options.sigma_clip * m.variance().sqrt());
        }
        self.stopped = self.centre.is_nan() || self.half_width.is_nan();
        !self.stopped && (self.centre != *centre || self.half_width != *half_width)
    }

    /// Takes the moments of what the pass kept of `all`. A pass that keeps everything returns the
    /// unclipped moments as they are, so that the mean and the clipped mean of samples of which
    /// none is clipped are the same bits.
    #[inline(always)]
    pub fn take(&mut self, kept: Moments, all: &Moments) {
        if self.stopped {
            return;
        }
        if kept.n < all.n.min(2.0) {
            (self.stopped, self.fell_back) = (true, true);
            return;
        }
        let moments = if kept.n == all.n { *all } else { kept };
        self.last = Some((moments, self.centre, self.half_width));
    }

    /// What the passes came to, for a sample set with the moments `all`.
    pub fn result(
        &self,
        all: &Moments,
        (median, iqr): (f64, f64),
        options: &Options,
        truncation: f64,
    ) -> Clipped {
        let mode = options.error_mode;
        let fell_back = self.fell_back;
        let Some((m, centre, half_width)) = self.last else {
            if !fell_back {
                return Clipped::NOTHING;
            }
            // The first pass already keeps too few: median and quartiles stand in, and nothing
            // counts as clipped.
            let variance = (SIGMA_PER_IQR * iqr).powi(2);
            return Clipped {
                mean: median,
                variance,
                mean_variance: all.mean_variance(mode, variance),
                n_kept: all.n,
                weight: all.s0,
                centre: median,
                half_width: f64::INFINITY,
                fell_back,
            };
        };
        let variance = m.variance() / correction(all.n, m.n, truncation);
        let mean_variance = m.mean_variance(mode, variance);
        let (mean, n_kept, weight) = (m.mean(), m.n, m.s0);
        Clipped {
            mean,
            variance,
            mean_variance,
            n_kept,
            weight,
            centre,
            half_width,
            fell_back,
        }
    }
}

/// Divisor of a clipped variance. Up to three samples are complete unless one was seen to go.
#[inline(always)]
pub(crate) fn correction(n: f64, n_kept: f64, truncation: f64) -> f64 {
    if n > 3.0 || n_kept < n {
        truncation
    } else {
        1.0
    }
}

/// Clips `points`, all of which every pass tests again; `all` are their unclipped moments.
pub(crate) fn clip(
    points: &[Point],
    all: &Moments,
    quartiles: (f64, f64),
    options: &Options,
    truncation: f64,
) -> Clipped {
    let mut passes = Passes::new(quartiles, options);
    for _ in 0..options.n_iter {
        if !passes.advance(all.n, options) {
            break;
        }
        let (centre, half_width) = (passes.centre, passes.half_width);
        passes.take(
            Moments::of(points, centre, half_width, options.error_mode),
            all,
        );
    }
    passes.result(all, quartiles, options, truncation)
}
