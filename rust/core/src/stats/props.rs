// SPDX-License-Identifier: BSD-3-Clause
//! Names of the properties and the options that steer them.

use crate::error::{Error, Result};

/// One or more properties, as the union of their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property(pub u32);

impl Property {
    /// Errors of the other properties are wanted too.
    pub const ERRORS: Self = Self(0x1);
    /// Number of samples that survive the NaN and mask rejection.
    pub const NPOINT: Self = Self(0x2);
    /// Mean.
    pub const MEAN: Self = Self(0x4);
    /// Standard deviation.
    pub const STDEV: Self = Self(0x8);
    /// Variance, debiased.
    pub const VARIANCE: Self = Self(0x10);
    /// Median.
    pub const MEDIAN: Self = Self(0x20);
    /// Distance of the quartiles.
    pub const IQRANGE: Self = Self(0x40);
    /// Clipped mean.
    pub const MEANCLIP: Self = Self(0x80);
    /// Standard deviation of the samples kept.
    pub const STDEVCLIP: Self = Self(0x100);
    /// Variance of the samples kept.
    pub const VARIANCECLIP: Self = Self(0x200);
    /// Smallest sample.
    pub const MIN: Self = Self(0x400);
    /// Largest sample.
    pub const MAX: Self = Self(0x800);
    /// (Weighted) sum.
    pub const SUM: Self = Self(0x1000);
    /// Mean of the squares.
    pub const MEANSQUARE: Self = Self(0x2000);
    /// OR of the mask words.
    pub const ORMASK: Self = Self(0x4000);
    /// Number of samples the last clipping pass leaves out.
    pub const NCLIPPED: Self = Self(0x8000);
    /// Number of samples rejected for their mask or value.
    pub const NMASKED: Self = Self(0x10000);

    /// The properties that have a value (and an error), in the order of their bits.
    pub const VALUES: [Self; 15] = [
        Self::NPOINT,
        Self::MEAN,
        Self::STDEV,
        Self::VARIANCE,
        Self::MEDIAN,
        Self::IQRANGE,
        Self::MEANCLIP,
        Self::STDEVCLIP,
        Self::VARIANCECLIP,
        Self::MIN,
        Self::MAX,
        Self::SUM,
        Self::MEANSQUARE,
        Self::NCLIPPED,
        Self::NMASKED,
    ];
    const MOMENTS: u32 =
        Self::MEAN.0 | Self::STDEV.0 | Self::VARIANCE.0 | Self::SUM.0 | Self::MEANSQUARE.0;
    const QUANTILES: u32 = Self::MEDIAN.0 | Self::IQRANGE.0;
    const CLIPPED: u32 =
        Self::MEANCLIP.0 | Self::STDEVCLIP.0 | Self::VARIANCECLIP.0 | Self::NCLIPPED.0;

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the median or a quartile is needed, for itself or as the start of the clipping.
    pub(crate) const fn needs_quantiles(self) -> bool {
        self.0 & (Self::QUANTILES | Self::CLIPPED) != 0
    }

    /// Whether the moments of all samples are needed, for themselves or for an error.
    pub(crate) const fn needs_moments(self) -> bool {
        self.0 & Self::MOMENTS != 0 || self.has(Self::ERRORS) && self.has(Self::MEDIAN)
    }

    /// Whether clipping passes are needed.
    pub(crate) const fn needs_clipping(self) -> bool {
        self.0 & Self::CLIPPED != 0
    }
}

/// Where the error of a mean comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorMode {
    /// The scatter of the samples.
    #[default]
    Scatter,
    /// The variances of the inputs, taken as independent.
    InputVariance,
    /// The mean of the variances of the inputs, taken as fully correlated.
    Mosaic,
}

/// Options of all statistics.
#[derive(Debug, Clone)]
pub struct Options {
    /// Half-width of the clipping interval in sigma; finite, > 0.
    pub sigma_clip: f64,
    /// Number of clipping passes, > 0.
    pub n_iter: u32,
    /// A sample with any of these mask bits is rejected.
    pub bad_bits: i32,
    /// Mask word of a stacked pixel without any sample.
    pub no_data_bits: i32,
    /// Reject samples that are not finite as `f32`.
    pub nan_safe: bool,
    /// Source of the error of a mean.
    pub error_mode: ErrorMode,
    /// (bit number, threshold): share of rejected weight above which the bit is set.
    pub thresholds: Vec<(u8, f64)>,
    /// Divide clipped variances by what is left of the variance of clipped Gaussian data.
    pub truncation_correction: bool,
    /// The OR mask and the thresholds treat clipped samples as rejected ones.
    pub mask_from_kept: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sigma_clip: 3.0,
            n_iter: 3,
            bad_bits: 0,
            no_data_bits: 0,
            nan_safe: true,
            error_mode: ErrorMode::Scatter,
            thresholds: Vec::new(),
            truncation_correction: false,
            mask_from_kept: false,
        }
    }
}

impl Options {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        if !(self.sigma_clip > 0.0 && self.sigma_clip.is_finite()) {
            return Err(Error::option(
                "sigma_clip",
                self.sigma_clip,
                "finite and > 0",
            ));
        }
        if self.n_iter == 0 {
            return Err(Error::option("n_iter", self.n_iter, "an integer > 0"));
        }
        for &(bit, threshold) in &self.thresholds {
            if bit > 31 {
                return Err(Error::option(
                    "propagation_thresholds",
                    bit,
                    "bit numbers 0 to 31",
                ));
            }
            if threshold.is_nan() {
                return Err(Error::option(
                    "propagation_thresholds",
                    threshold,
                    "numbers",
                ));
            }
        }
        Ok(())
    }

    /// Share of the variance of Gaussian data that `n_iter` passes leave, the first of which
    /// starts from quartiles: 1 - 2 a phi(a) / (2 Phi(a) - 1) with a <- k sqrt(share).
    pub(crate) fn truncation(&self) -> f64 {
        if !self.truncation_correction {
            return 1.0;
        }
        let mut share = 1.0_f64;
        for _ in 0..self.n_iter {
            let a = self.sigma_clip * share.sqrt();
            share = truncated_variance(a);
        }
        share
    }
}

/// Variance of a unit Gaussian cut at +-a, by Simpson's rule (no error function in std; 1e-12).
fn truncated_variance(a: f64) -> f64 {
    // Beyond 9 sigma nothing is cut off in f64.
    let a = a.min(9.0);
    let n = 2000;
    let step = a / f64::from(n);
    let (mut mass, mut square) = (0.0, 0.0);
    for i in 0..=n {
        let x = f64::from(i) * step;
        let weight = if i == 0 || i == n {
            1.0
        } else {
            f64::from(2 + 2 * (i % 2))
        };
        let density = weight * (-0.5 * x * x).exp();
        mass += density;
        square += density * x * x;
    }
    square / mass
}

/// Weights of a stack.
#[derive(Debug, Clone, Copy)]
pub enum Weighting<'a> {
    /// All samples count alike.
    None,
    /// One weight per image, finite and >= 0; an image of weight 0 is absent.
    PerImage(&'a [f64]),
    /// One over the variance of each sample; samples without a variance > 0 are rejected.
    InverseVariance,
}

/// What a stack writes into the mask beside the OR of its inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct MaskRules<'a> {
    /// Set where a sample was clipped.
    pub clipped_bits: i32,
    /// (from, to): where a sample was rejected and any input has a bit of `from`, set `to`.
    pub mask_map: &'a [(i32, i32)],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_of_gaussian_data() {
        // Printed in docs/algorithms/statistics.md, 7 digits.
        let table = [
            (3.0, [0.973_336_9, 0.970_330_2, 0.969_971_1]),
            (2.5, [0.911_256_4, 0.887_689_3, 0.880_498_0]),
            (2.0, [0.773_741_3, 0.675_865_0, 0.622_713_1]),
            (1.5, [0.551_524_4, 0.349_519_4, 0.235_729_6]),
        ];
        for (sigma_clip, shares) in table {
            for (n_iter, want) in (1..).zip(shares) {
                let options = Options {
                    sigma_clip,
                    n_iter,
                    truncation_correction: true,
                    ..Options::default()
                };
                let got = options.truncation();
                assert!(
                    (got - want).abs() < 1e-7,
                    "{sigma_clip} {n_iter}: {got} {want}"
                );
            }
        }
    }

    #[test]
    fn bad_options_are_named() {
        for sigma_clip in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let bad = Options {
                sigma_clip,
                ..Options::default()
            };
            assert!(
                bad.validate()
                    .expect_err("out of range")
                    .to_string()
                    .contains("sigma_clip")
            );
        }
        let bad = Options {
            n_iter: 0,
            ..Options::default()
        };
        assert!(
            bad.validate()
                .expect_err("out of range")
                .to_string()
                .contains("n_iter")
        );
        for thresholds in [vec![(32, 0.5)], vec![(3, f64::NAN)]] {
            let bad = Options {
                thresholds,
                ..Options::default()
            };
            assert!(
                bad.validate()
                    .expect_err("out of range")
                    .to_string()
                    .contains("propagation_thresholds")
            );
        }
    }
}
