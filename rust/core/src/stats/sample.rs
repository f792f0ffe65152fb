// SPDX-License-Identifier: BSD-3-Clause
//! A set of samples, gathered one by one, and everything that can be asked of it.

use super::clip::{Clipped, clip};
use super::props::{ErrorMode, Options, Property};
use super::select::median_and_iqr;
use super::tails::{ALL, NONE, interval};
use super::weighted::{Moments, Point, proper};

/// A sample as it comes in: value, mask word, weight, variance.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    /// Value.
    pub x: f64,
    /// Whether the value is finite as `f32`.
    pub finite: bool,
    /// Mask word.
    pub mask: i32,
    /// Weight; not used with `inverse` weights.
    pub w: f64,
    /// Variance.
    pub v: f64,
}

/// Surviving samples and what the rejected ones leave behind.
#[derive(Debug, Default)]
pub struct Sample {
    points: Vec<Point>,
    masks: Vec<i32>,
    sorted: Vec<f64>,
    rejected: Vec<f64>,
    n_masked: usize,
    or_mask: i32,
    any_mask: i32,
    poisoned: bool,
}

impl Sample {
    /// Empties the set, keeping its memory.
    pub fn clear(&mut self, options: &Options) {
        self.points.clear();
        self.masks.clear();
        self.rejected.clear();
        self.rejected.resize(options.thresholds.len(), 0.0);
        (self.n_masked, self.or_mask, self.any_mask, self.poisoned) = (0, 0, 0, false);
    }

    /// Takes in one sample. `inverse`: its weight is one over its variance, and a variance that is
    /// not finite and positive rejects it.
    pub fn push(&mut self, raw: Raw, inverse: bool, options: &Options) {
        let measured = raw.v.is_finite() && raw.v > 0.0;
        let w = match (inverse, measured) {
            (false, _) => raw.w,
            (true, true) => 1.0 / raw.v,
            (true, false) => 0.0,
        };
        if !inverse && w == 0.0 {
            return;
        }
        self.any_mask |= raw.mask;
        let good = (raw.finite || !options.nan_safe)
            && raw.mask & options.bad_bits == 0
            && (measured || !inverse);
        if good {
            self.points.push(Point {
                x: raw.x,
                w,
                v: raw.v,
            });
            if options.mask_from_kept {
                self.masks.push(raw.mask);
            }
            self.or_mask |= raw.mask;
            self.poisoned |= !raw.finite;
        } else {
            self.n_masked += 1;
            add_rejected(&mut self.rejected, raw.mask, w, options);
        }
    }

    /// First surviving value: the shift of a stack.
    pub fn first(&self) -> f64 {
        self.points.first().map_or(f64::NAN, |p| p.x)
    }

    /// Mean of some thousand values spread over the set: the shift of an image.
    pub fn typical(&self) -> f64 {
        let step = (self.points.len() / 4096).max(1);
        let some = self.points.iter().step_by(step);
        let n = some.len() as f64;
        some.map(|p| p.x).sum::<f64>() / n
    }

    /// Evaluates what `property` needs, sums being taken about `shift`. `truncation` is
    /// [`Options::truncation`].
    pub fn evaluate(
        &mut self,
        property: Property,
        shift: f64,
        options: &Options,
        truncation: f64,
    ) -> Summary {
        let shift = if self.poisoned { f64::NAN } else { shift };
        let all = Moments::of(&self.points, shift, f64::INFINITY, options.error_mode);
        let (mut median, mut iqr) = (f64::NAN, f64::NAN);
        if property.needs_quantiles() && !self.poisoned {
            self.sorted.clear();
            self.sorted.extend(self.points.iter().map(|p| p.x));
            (median, iqr) = median_and_iqr(&mut self.sorted);
        }
        let clipped = property
            .needs_clipping()
            .then(|| clip(&self.points, &all, (median, iqr), options, truncation));
        let (min, max) = self.extremes(property);
        let mut summary = Summary {
            n_point: all.n as usize,
            n_masked: self.n_masked,
            or_mask: self.or_mask,
            any_mask: self.any_mask,
            error_mode: options.error_mode,
            moments: all,
            median,
            iqr,
            clipped,
            min,
            max,
        };
        let mut weight = all.s0;
        if let (true, Some(c)) = (options.mask_from_kept, &summary.clipped) {
            (summary.or_mask, weight) = self.kept_mask(c, options);
        }
        for (&(bit, threshold), rejected) in options.thresholds.iter().zip(&self.rejected) {
            if rejected / (weight + rejected) > threshold {
                summary.or_mask |= 1 << bit;
            }
        }
        summary
    }

    fn extremes(&self, property: Property) -> (f64, f64) {
        let wanted = property.has(Property(Property::MIN.0 | Property::MAX.0));
        if !wanted || self.poisoned || self.points.is_empty() {
            return (f64::NAN, f64::NAN);
        }
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        self.points
            .iter()
            .fold(start, |(low, high), p| (low.min(p.x), high.max(p.x)))
    }

    /// OR of the masks of the samples kept, and their weight; the others go to the rejected ones.
    fn kept_mask(&mut self, clipped: &Clipped, options: &Options) -> (i32, f64) {
        let (mut or_mask, mut weight) = (0, 0.0);
        for (p, &mask) in self.points.iter().zip(&self.masks) {
            let d = (p.x - clipped.centre).abs();
            // Infinite without any clipping, when all are kept.
            if d <= clipped.half_width || clipped.half_width == f64::INFINITY {
                or_mask |= mask;
                weight += p.w;
            } else {
                add_rejected(&mut self.rejected, mask, p.w, options);
            }
        }
        (or_mask, weight)
    }
}

fn add_rejected(rejected: &mut [f64], mask: i32, w: f64, options: &Options) {
    for (sum, &(bit, _)) in rejected.iter_mut().zip(&options.thresholds) {
        if mask >> bit & 1 != 0 {
            *sum += w;
        }
    }
}

/// Everything known of a sample set; what was not asked for is NaN.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Samples that survived.
    pub n_point: usize,
    /// Samples that were rejected.
    pub n_masked: usize,
    /// OR of the mask words of the survivors, with the bits the thresholds add.
    pub or_mask: i32,
    /// OR of all mask words.
    pub any_mask: i32,
    pub(crate) error_mode: ErrorMode,
    pub(crate) moments: Moments,
    pub(crate) median: f64,
    pub(crate) iqr: f64,
    pub(crate) clipped: Option<Clipped>,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Value of one property.
    pub fn value(&self, property: Property) -> f64 {
        let m = &self.moments;
        let clipped = self.clipped.unwrap_or(Clipped::NOTHING);
        match property {
            Property::NPOINT => self.n_point as f64,
            Property::MEAN => m.mean(),
            Property::STDEV => m.variance().sqrt(),
            Property::VARIANCE => m.variance(),
            Property::MEDIAN => self.median,
            Property::IQRANGE => self.iqr,
            Property::MEANCLIP => clipped.mean,
            Property::STDEVCLIP => clipped.variance.sqrt(),
            Property::VARIANCECLIP => clipped.variance,
            Property::MIN => self.min,
            Property::MAX => self.max,
            Property::SUM => m.sum(),
            Property::MEANSQUARE => self.mean_square(),
            Property::NCLIPPED => self.n_clipped() as f64,
            Property::NMASKED => self.n_masked as f64,
            _ => f64::NAN,
        }
    }

    /// Squared error of one property; NaN where none is defined.
    pub(crate) fn squared_error(&self, property: Property) -> f64 {
        let m = &self.moments;
        let variance = m.variance();
        match property {
            Property::MEAN => proper(m.mean_variance(self.error_mode, variance)),
            Property::MEDIAN => std::f64::consts::FRAC_PI_2 * variance / m.n,
            Property::MEANCLIP => proper(
                self.clipped
                    .map_or(f64::NAN, |clipped| clipped.mean_variance),
            ),
            other => self.error(other).powi(2),
        }
    }

    /// Error of one property; NaN where none is defined.
    pub fn error(&self, property: Property) -> f64 {
        let m = &self.moments;
        let n = m.n;
        let variance = m.variance();
        let clipped = self.clipped.unwrap_or(Clipped::NOTHING);
        match property {
            Property::MEAN | Property::MEDIAN | Property::MEANCLIP => {
                self.squared_error(property).sqrt()
            }
            Property::STDEV => 0.5 * variance_error(n, variance) / variance.sqrt(),
            Property::VARIANCE => variance_error(n, variance),
            Property::STDEVCLIP => {
                let error = variance_error(clipped.n_kept, clipped.variance);
                0.5 * error / clipped.variance.sqrt()
            }
            Property::VARIANCECLIP => variance_error(clipped.n_kept, clipped.variance),
            Property::MEANSQUARE => (2.0 / n).sqrt() * self.mean_square(),
            Property::NPOINT
            | Property::MIN
            | Property::MAX
            | Property::SUM
            | Property::NCLIPPED
            | Property::NMASKED => 0.0,
            _ => f64::NAN,
        }
    }

    /// Smallest and largest `f32` that the last clipping pass keeps; every finite one without
    /// clipping.
    pub(crate) fn kept(&self) -> (f32, f32) {
        match self.clipped {
            Some(c) if c.half_width < f64::INFINITY => interval(c.centre, c.half_width),
            Some(c) if c.half_width.is_nan() => NONE,
            _ => ALL,
        }
    }

    /// Samples the last clipping pass leaves out; 0 without clipping.
    pub fn n_clipped(&self) -> usize {
        self.clipped.map_or(0, |c| self.n_point - c.n_kept as usize)
    }

    /// Sum of the weights that the value of `property` is made of.
    pub(crate) fn weight(&self, property: Property) -> f64 {
        match self.clipped {
            Some(c) if property.needs_clipping() => c.weight,
            _ => self.moments.s0,
        }
    }

    fn mean_square(&self) -> f64 {
        let m = &self.moments;
        let n = m.n;
        let mean = m.mean();
        // One sample has no variance but a square.
        if m.n == 1.0 {
            mean * mean
        } else {
            (n - 1.0) / n * m.variance() + mean * mean
        }
    }
}

/// Error of a variance of n Gaussian samples.
fn variance_error(n: f64, variance: f64) -> f64 {
    (2.0 * (n - 1.0) * variance * variance / (n * n)).sqrt()
}
