// SPDX-License-Identifier: BSD-3-Clause
//! Clipping passes over a sample set.

// A branch would keep these loops out of the SIMD lanes.
#![allow(clippy::needless_bitwise_bool)]

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
    if half_width < f64::MAX {
        half_width
    } else {
        f64::MAX
    }
}

/// Where the clipping of one sample set stands. No branches: the same code runs for one set and for
/// many side by side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passes {
    pub centre: f64,
    pub half_width: f64,
    /// The last pass that kept enough, if there was one.
    pub last: Moments,
    pub last_interval: (f64, f64),
    pub known: bool,
    pub stopped: bool,
    pub fell_back: bool,
}

impl Passes {
    /// The first pass is about the median.
    #[inline(always)]
    pub fn new((median, iqr): (f64, f64), options: &Options) -> Self {
        let half_width = bounded(options.sigma_clip * SIGMA_PER_IQR * iqr);
        let unknown = f64::NAN;
        Self {
            centre: median,
            half_width,
            last: Moments::counted(unknown),
            last_interval: (unknown, unknown),
            known: false,
            stopped: median.is_nan(),
            fell_back: false,
        }
    }

    /// Sets the interval of the next pass; false if that pass would be the last one again.
    #[inline(always)]
    pub fn advance(&mut self, n: f64, options: &Options) -> bool {
        let next = !self.stopped & self.known;
        let mean = self.last.mean();
        let scatter = bounded(options.sigma_clip * self.last.variance().sqrt());
        let (centre, half_width) = (self.centre, self.half_width);
        self.centre = if next { mean } else { centre };
        self.half_width = if next & (n > 1.0) {
            scatter
        } else {
            half_width
        };
        self.stopped |= self.centre.is_nan();
        let (c, h) = self.last_interval;
        !self.stopped & (!self.known | (self.centre != c) | (self.half_width != h))
    }

    /// Takes the moments of what the pass kept of `all`. A pass that keeps everything returns the
    /// unclipped moments as they are, so that the mean and the clipped mean of samples of which
    /// none is clipped are the same bits.
    #[inline(always)]
    pub fn take(&mut self, kept: Moments, all: &Moments) {
        let few = kept.n < if all.n < 2.0 { all.n } else { 2.0 };
        let fails = few & !self.stopped;
        let takes = !few & !self.stopped;
        let moments = Moments::choose(kept.n == all.n, *all, kept);
        let (c, h) = self.last_interval;
        self.last = Moments::choose(takes, moments, self.last);
        self.last_interval = (
            if takes { self.centre } else { c },
            if takes { self.half_width } else { h },
        );
        self.known |= takes;
        self.stopped |= fails;
        self.fell_back |= fails;
    }

    /// What the passes came to, for a sample set with the moments `all`. Without any pass there is
    /// nothing, or, if the first one already kept too few, median and quartiles stand in and
    /// nothing counts as clipped.
    #[inline(always)]
    pub fn result(
        &self,
        all: &Moments,
        (median, iqr): (f64, f64),
        options: &Options,
        truncation: f64,
    ) -> Clipped {
        let (known, fell_back) = (self.known, self.fell_back);
        let m = Moments::choose(known, self.last, *all);
        let sigma = SIGMA_PER_IQR * iqr;
        let scatter = m.variance() / correction(all.n, m.n, truncation);
        let variance = if known { scatter } else { sigma * sigma };
        let mean_variance = m.mean_variance(options.error_mode, variance);
        let mean = if known { m.mean() } else { median };
        let (c, h) = self.last_interval;
        let (c, h) = (
            if known { c } else { median },
            if known { h } else { f64::INFINITY },
        );
        let none = Clipped::NOTHING;
        let some = known | fell_back;
        Clipped {
            mean: if some { mean } else { none.mean },
            variance: if some { variance } else { none.variance },
            mean_variance: if some {
                mean_variance
            } else {
                none.mean_variance
            },
            n_kept: if some { m.n } else { none.n_kept },
            weight: if some { m.s0 } else { none.weight },
            centre: if some { c } else { none.centre },
            half_width: if some { h } else { none.half_width },
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
