// SPDX-License-Identifier: BSD-3-Clause
//! Thresholds and the pixels that pass them. Comparisons are made in f64.

use super::rows::{LANES, pack, row_words};
use crate::error::{Error, Result};
use crate::simd::dispatch;
use crate::stats::{ImageInput, Measurable, Options, Pixel, Property, image_statistics};
use ndarray::ArrayView2;

/// What the value of a threshold is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Pixel values.
    Value,
    /// Clipped standard deviations of the image (3 sigma, 3 passes).
    Stdev,
    /// Square roots of the clipped variance of the image: the same number as [`Self::Stdev`].
    Variance,
    /// Standard deviations of the pixel, from its variance.
    PixelStdev,
    /// Bits of a mask, any of which must be set.
    Bitmask,
}

impl Limit {
    /// The limit of a name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "value" => Ok(Self::Value),
            "stdev" => Ok(Self::Stdev),
            "variance" => Ok(Self::Variance),
            "pixel_stdev" => Ok(Self::PixelStdev),
            "bitmask" => Ok(Self::Bitmask),
            other => {
                let allowed = "value, stdev, variance, pixel_stdev or bitmask";
                Err(Error::option("type", format!("{other:?}"), allowed))
            }
        }
    }
}

/// A threshold for detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Number of units.
    pub value: f64,
    /// The unit.
    pub limit: Limit,
    /// Whether pixels far below zero are looked for.
    pub negative: bool,
    /// A footprint counts only if a pixel passes `value` times this.
    pub include_multiplier: f64,
}

/// A threshold with its numbers filled in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    /// `sign * x >= limit`.
    Value {
        /// 1 or -1.
        sign: f64,
        /// In the unit of the image.
        limit: f64,
    },
    /// `sign * x >= limit * sqrt(variance)` where the variance is positive.
    Sigma {
        /// 1 or -1.
        sign: f64,
        /// In standard deviations.
        limit: f64,
    },
}

impl Test {
    /// Whether one pixel passes.
    #[inline]
    pub fn passes(&self, x: f64, variance: f64) -> bool {
        match *self {
            Self::Value { sign, limit } => sign * x >= limit,
            Self::Sigma { sign, limit } => variance > 0.0 && sign * x >= limit * variance.sqrt(),
        }
    }

    /// The test with its limit multiplied.
    pub fn scaled(self, factor: f64) -> Self {
        match self {
            Self::Value { sign, limit } => Self::Value {
                sign,
                limit: limit * factor,
            },
            Self::Sigma { sign, limit } => Self::Sigma {
                sign,
                limit: limit * factor,
            },
        }
    }

    /// Whether the variance plane is needed.
    pub const fn needs_variance(&self) -> bool {
        matches!(self, Self::Sigma { .. })
    }

    /// Bits of the pixels of a row that pass.
    pub fn words<T: Flux>(&self, row: &[T], variance: &[T], words: &mut [u64]) {
        match *self {
            Self::Value { sign, limit } => T::value_words(row, sign, limit, words),
            // Roots are dear: squares, a little too generous, choose whom they are taken of.
            Self::Sigma { sign, limit } if limit > 0.0 => {
                let square = limit * limit * (1.0 - 1e-12);
                T::square_words(row, variance, sign, square, words);
                self.confirm(row, variance, words);
            }
            Self::Sigma { .. } => {
                words.fill(0);
                for (k, (x, v)) in row.iter().zip(variance).enumerate() {
                    let flag = u64::from(self.passes(x.wide(), v.wide()));
                    words[k / LANES] |= flag << (k % LANES);
                }
            }
        }
    }

    fn confirm<T: Flux>(&self, row: &[T], variance: &[T], words: &mut [u64]) {
        for (i, word) in words.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let k = left.trailing_zeros() as usize;
                left &= left - 1;
                let at = i * LANES + k;
                if !self.passes(row[at].wide(), variance[at].wide()) {
                    *word &= !(1 << k);
                }
            }
        }
    }
}

impl Threshold {
    fn check(&self) -> Result<()> {
        for (name, value) in [
            ("value", self.value),
            ("include_multiplier", self.include_multiplier),
        ] {
            if !value.is_finite() {
                return Err(Error::option(name, value, "finite"));
            }
        }
        Ok(())
    }

    fn refuse<T>(&self, allowed: &str) -> Result<T> {
        Err(Error::option("type", format!("{:?}", self.limit), allowed))
    }

    /// The test on the pixels of an image.
    pub(super) fn for_image<T: Flux>(&self, image: ArrayView2<'_, T>) -> Result<Test> {
        self.check()?;
        let sign = if self.negative { -1.0 } else { 1.0 };
        let value = self.value;
        match self.limit {
            Limit::Value => Ok(Test::Value { sign, limit: value }),
            Limit::PixelStdev => Ok(Test::Sigma { sign, limit: value }),
            Limit::Stdev | Limit::Variance => Ok(Test::Value {
                sign,
                limit: value * clipped_stdev(image)?,
            }),
            Limit::Bitmask => self.refuse("another type, for this is no mask"),
        }
    }

    /// The bits, or the test on the words, of a mask.
    pub(super) fn for_mask(&self) -> Result<MaskTest> {
        self.check()?;
        let sign = if self.negative { -1.0 } else { 1.0 };
        match self.limit {
            Limit::Value => Ok(MaskTest::Value {
                sign,
                limit: self.value,
            }),
            Limit::Bitmask => {
                let range = -2_147_483_648.0..4_294_967_296.0;
                if self.value.fract() != 0.0 || !range.contains(&self.value) {
                    return Err(Error::option("value", self.value, "a word of 32 bits"));
                }
                Ok(MaskTest::Bits(self.value as i64 as i32))
            }
            _ => self.refuse("value or bitmask, for this is a mask"),
        }
    }
}

/// A threshold on a mask.
#[derive(Debug, Clone, Copy)]
pub(super) enum MaskTest {
    /// Any of these bits is set.
    Bits(i32),
    /// The word as a number, times the sign, reaches the limit.
    Value {
        /// 1 or -1.
        sign: f64,
        /// The limit.
        limit: f64,
    },
}

fn clipped_stdev<T: Measurable>(values: ArrayView2<'_, T>) -> Result<f64> {
    let input = ImageInput {
        values,
        mask: None,
        variance: None,
        weights: None,
        inverse_variance: false,
    };
    let summary = image_statistics(&input, Property::STDEVCLIP, &Options::default())?;
    let stdev = summary.value(Property::STDEVCLIP);
    if stdev > 0.0 {
        return Ok(stdev);
    }
    let got = format!("an image of clipped standard deviation {stdev}");
    Err(Error::option(
        "image",
        got,
        "one with scatter, for this type of threshold",
    ))
}

/// Pixels of images in which footprints are searched.
pub trait Flux: Measurable {
    /// Bits of the pixels with `sign * x >= limit`.
    fn value_words(row: &[Self], sign: f64, limit: f64, words: &mut [u64]);

    /// Bits of the pixels with `sign * x >= 0` and `x^2 >= square * variance`, or nearly so.
    fn square_words(row: &[Self], variance: &[Self], sign: f64, square: f64, words: &mut [u64]);
}

#[inline(always)]
fn value_body<T: Pixel>(row: &[T], sign: f64, limit: f64, words: &mut [u64]) {
    row_words!(words, (x in row) => sign * x.wide() >= limit);
}

#[inline(always)]
fn square_body<T: Pixel>(row: &[T], variance: &[T], sign: f64, square: f64, words: &mut [u64]) {
    // 1e-300: the squares of the smallest f64 have lost their digits
    row_words!(words, (x in row, v in variance) =>
        (sign * x.wide() >= 0.0) & (x.wide() * x.wide() + 1e-300 >= square * v.wide()));
}

#[inline(always)]
fn word_body(row: &[i32], sign: f64, limit: f64, words: &mut [u64]) {
    row_words!(words, (m in row) => sign * f64::from(m) >= limit);
}

dispatch! {
    /// Bits of the mask words with `sign * word >= limit`.
    pub(super) fn number_words(row: &[i32], sign: f64, limit: f64, words: &mut [u64]) = word_body;
}

/// Dispatched bodies of one pixel type.
macro_rules! flux {
    ($type:ty, $values:ident, $squares:ident) => {
        dispatch! {
            fn $values(row: &[$type], sign: f64, limit: f64, words: &mut [u64]) = value_body;
        }
        dispatch! {
            fn $squares(row: &[$type], variance: &[$type], sign: f64, square: f64,
                        words: &mut [u64]) = square_body;
        }
        impl Flux for $type {
            fn value_words(row: &[Self], sign: f64, limit: f64, words: &mut [u64]) {
                $values(row, sign, limit, words);
            }
            fn square_words(
                row: &[Self],
                variance: &[Self],
                sign: f64,
                square: f64,
                words: &mut [u64],
            ) {
                $squares(row, variance, sign, square, words);
            }
        }
    };
}
flux!(f32, values_f32, squares_f32);
flux!(f64, values_f64, squares_f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_pixels() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let x = [
            0.0, 3.0, -3.0, inf, -inf, nan, 3.0, inf, 2.9999, 3.0, 3.0, inf, 0.0,
        ];
        let v = [
            0.0, 1.0, 1.0, 1.0, 1.0, 1.0, nan, inf, 1.0, inf, -1.0, 0.0, 1.0,
        ];
        let passing = |test: Test| {
            let mut words = [0];
            test.words(&x, &v, &mut words);
            for k in 0..x.len() {
                assert_eq!(
                    words[0] >> k & 1 == 1,
                    test.passes(x[k], v[k]),
                    "{test:?} {k}"
                );
            }
            words[0]
        };
        let (sign, limit) = (1.0, 3.0);
        assert_eq!(passing(Test::Sigma { sign, limit }), 0b0_0000_1000_1010);
        assert_eq!(passing(Test::Value { sign, limit }), 0b0_1110_1100_1010);
        let sign = -1.0;
        assert_eq!(passing(Test::Sigma { sign, limit }), 0b1_0100);
        // a limit of zero or below is passed by zeros, but not by unknown scatter
        let (sign, limit) = (1.0, 0.0);
        assert_eq!(passing(Test::Sigma { sign, limit }), 0b1_0001_0000_1010);
        passing(Test::Sigma { sign, limit: -1.0 });
    }
}
