// SPDX-License-Identifier: BSD-3-Clause
//! What the weighing of an exposure looks at: which pixels are finite, unmasked, of known variance.

use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use crate::stats::{Block, ImageInput, Options, Property, image_statistics_beside};
use ndarray::{ArrayView2, ArrayViewMut2};
use std::sync::{Mutex, PoisonError};

/// Rows that one job counts.
const ROWS: usize = 64;

/// Numbers of pixels of an exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pixels whose image is finite.
    pub finite: u64,
    /// Those of them that no bad plane marks.
    pub good: u64,
    /// Pixels whose variance is a number.
    pub known: u64,
}

impl Counts {
    fn add(self, other: Self) -> Self {
        Self {
            finite: self.finite + other.finite,
            good: self.good + other.good,
            known: self.known + other.known,
        }
    }
}

/// Exponent bits of an `f32` that are all set in infinities and NaNs.
const EXPONENT: u32 = 0x7f80_0000;

/// Counts pixels in one pass.
///
/// `image` holds the bits of `f32` numbers: native, or with `swapped` in the other byte order, as
/// they stand in a file. Rows must be contiguous.
///
/// # Errors
///
/// Shapes differ, or rows are not contiguous.
pub fn count(
    image: ArrayView2<u32>,
    swapped: bool,
    mask: ArrayView2<i32>,
    variance: ArrayView2<f32>,
    bad_bits: i32,
) -> Result<Counts> {
    let planes = Planes::new(image, swapped, (mask, variance), bad_bits)?;
    let height = planes.mask.nrows();
    let jobs: Vec<usize> = (0..height).step_by(ROWS).collect();
    let parts = par::map(jobs, |first| {
        planes.count(&Block {
            rows: first..height.min(first + ROWS),
            columns: 0..planes.mask.ncols(),
        })
    });
    Ok(parts.into_iter().fold(Counts::default(), Counts::add))
}

/// Counts pixels, and averages the variance of those without a bad bit, in one pass.
///
/// `image` holds the bits of native `f32` numbers; rows of all three must be contiguous. The mean is
/// clipped as `options` say; NaN where no variance is good.
///
/// # Errors
///
/// Shapes differ, there are no pixels, rows are not contiguous, or an option is out of range.
pub fn measure(
    image: ArrayView2<u32>,
    mask: ArrayView2<i32>,
    variance: ArrayView2<f32>,
    options: &Options,
) -> Result<(Counts, f64)> {
    let planes = Planes::new(image, false, (mask, variance), options.bad_bits)?;
    let input = ImageInput {
        values: variance,
        mask: Some(mask),
        variance: None,
        weights: None,
        inverse_variance: false,
    };
    let total = Mutex::new(Counts::default());
    let beside = |block: &Block| {
        let counts = planes.count(block);
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        *total = total.add(counts);
    };
    let found = image_statistics_beside(&input, Property::MEANCLIP, options, &beside)?;
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((total, found.value(Property::MEANCLIP)))
}

/// Planes of an exposure whose rows are slices, and what is counted in them.
struct Planes<'a> {
    image: ArrayView2<'a, u32>,
    mask: ArrayView2<'a, i32>,
    variance: ArrayView2<'a, f32>,
    exponent: u32,
    bad_bits: i32,
}

impl<'a> Planes<'a> {
    fn new(
        image: ArrayView2<'a, u32>,
        swapped: bool,
        (mask, variance): (ArrayView2<'a, i32>, ArrayView2<'a, f32>),
        bad_bits: i32,
    ) -> Result<Self> {
        let shape = mask.dim();
        for (name, got) in [("image", image.dim()), ("variance", variance.dim())] {
            if got != shape {
                let want = format!("{shape:?} like the mask");
                return Err(Error::shape(name, format!("{got:?}"), want));
            }
        }
        let strides = [image.strides()[1], mask.strides()[1], variance.strides()[1]];
        let several = shape.0 > 0 && shape.1 > 1;
        if several && strides.iter().any(|&stride| stride != 1) {
            let got = format!("column strides {strides:?}");
            return Err(Error::shape(
                "image, mask, variance",
                got,
                "contiguous rows",
            ));
        }
        let exponent = if swapped {
            EXPONENT.swap_bytes()
        } else {
            EXPONENT
        };
        Ok(Self {
            image,
            mask,
            variance,
            exponent,
            bad_bits,
        })
    }

    fn count(&self, block: &Block) -> Counts {
        let mut total = Counts::default();
        for y in block.rows.clone() {
            let planes = (self.image.row(y), self.mask.row(y), self.variance.row(y));
            if let (Some(image), Some(mask), Some(variance)) = (
                planes.0.to_slice(),
                planes.1.to_slice(),
                planes.2.to_slice(),
            ) {
                let cut = || block.columns.clone();
                let line = (&image[cut()], &mask[cut()], &variance[cut()]);
                let [finite, good, known] =
                    count_row(line.0, line.1, line.2, self.exponent, self.bad_bits);
                total = total.add(Counts {
                    finite: u64::from(finite),
                    good: u64::from(good),
                    known: u64::from(known),
                });
            }
        }
        total
    }
}

dispatch! {
    fn count_row(
        image: &[u32],
        mask: &[i32],
        variance: &[f32],
        exponent: u32,
        bad_bits: i32,
    ) -> [u32; 3] = count_row_body;
}

#[inline(always)]
fn count_row_body(
    image: &[u32],
    mask: &[i32],
    variance: &[f32],
    exponent: u32,
    bad_bits: i32,
) -> [u32; 3] {
    let n = image.len().min(mask.len()).min(variance.len());
    let (image, mask, variance) = (&image[..n], &mask[..n], &variance[..n]);
    let (mut finite, mut good, mut known) = (0, 0, 0);
    for i in 0..n {
        let is_finite = u32::from(image[i] & exponent != exponent);
        finite += is_finite;
        good += is_finite & u32::from(mask[i] & bad_bits == 0);
        known += u32::from(!variance[i].is_nan());
    }
    [finite, good, known]
}

/// Turns the byte order of every word, in place; returns the OR of the words.
pub fn swap_words(mut words: ArrayViewMut2<i32>) -> i32 {
    let mut all = 0;
    for mut row in words.rows_mut() {
        if let Some(slice) = row.as_slice_mut() {
            all |= swap_row(slice);
        } else {
            for word in &mut row {
                *word = word.swap_bytes();
                all |= *word;
            }
        }
    }
    all
}

dispatch! {
    fn swap_row(words: &mut [i32]) -> i32 = swap_row_body;
}

#[inline(always)]
fn swap_row_body(words: &mut [i32]) -> i32 {
    let mut all = 0;
    for word in words {
        *word = word.swap_bytes();
        all |= *word;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, set_level};
    use crate::stats::image_statistics;
    use ndarray::{Array2, s};

    fn scene() -> (Array2<f32>, Array2<i32>, Array2<f32>) {
        let odd = [
            f32::NAN,
            f32::INFINITY,
            -f32::INFINITY,
            0.0,
            -0.0,
            f32::MAX,
            1e-42,
        ];
        let image = Array2::from_shape_fn((150, 37), |(y, x)| odd[(5 * y + x) % 7]);
        let mask = Array2::from_shape_fn((150, 37), |(y, x)| ((y + 3 * x) % 5) as i32);
        let variance = Array2::from_shape_fn((150, 37), |(y, x)| odd[(y + 2 * x) % 7]);
        (image, mask, variance)
    }

    #[test]
    fn counts_agree_with_the_plain_way() {
        let (image, mask, variance) = scene();
        let want =
            image
                .iter()
                .zip(&mask)
                .zip(&variance)
                .fold(Counts::default(), |mut n, ((x, m), v)| {
                    n.finite += u64::from(x.is_finite());
                    n.good += u64::from(x.is_finite() && m & 5 == 0);
                    n.known += u64::from(!v.is_nan());
                    n
                });
        assert!(want.good > 0 && want.good < want.finite && want.known < 150 * 37);
        let bits = image.mapv(f32::to_bits);
        let turned = bits.mapv(u32::swap_bytes);
        for level in Level::ALL {
            set_level(level);
            for (plane, swapped) in [(&bits, false), (&turned, true)] {
                let got = count(plane.view(), swapped, mask.view(), variance.view(), 5);
                assert_eq!(got.expect("shapes agree"), want, "{level:?}");
            }
        }
        set_level(Level::V4);
    }

    #[test]
    fn counts_and_mean_of_one_pass_are_those_of_two() {
        for (height, width) in [(150, 37), (300, 701), (2, 70_001)] {
            let (image, mask, _) = scene();
            let at = |(y, x): (usize, usize)| (y % 150, x % 37);
            let image = Array2::from_shape_fn((height, width), |p| image[at(p)].to_bits());
            let mask = Array2::from_shape_fn((height, width), |p| mask[at(p)]);
            let variance =
                Array2::from_shape_fn((height, width), |(y, x)| match (y + 3 * x) % 19 {
                    0 => f32::NAN,
                    1 => 1e3,
                    k => 25.0 + k as f32 * 0.01,
                });
            let options = Options {
                bad_bits: 5,
                ..Options::default()
            };
            let input = ImageInput {
                values: variance.view(),
                mask: Some(mask.view()),
                variance: None,
                weights: None,
                inverse_variance: false,
            };
            let mean = image_statistics(&input, Property::MEANCLIP, &options).expect("valid");
            let counts = count(image.view(), false, mask.view(), variance.view(), 5);
            let (got, value) =
                measure(image.view(), mask.view(), variance.view(), &options).expect("valid");
            assert_eq!(got, counts.expect("shapes agree"), "{height} {width}");
            assert_eq!(value, mean.value(Property::MEANCLIP), "{height} {width}");
        }
    }

    #[test]
    fn planes_that_do_not_fit_are_named() {
        let (image, mask, variance) = scene();
        let bits = image.mapv(f32::to_bits);
        let short = variance.slice(s![1.., ..]);
        let error = count(bits.view(), false, mask.view(), short, 0).expect_err("too short");
        assert!(error.to_string().starts_with("variance"), "{error}");
        let (wide, narrow) = (bits.slice(s![.., ..;2]), mask.slice(s![.., ..19]));
        let error = count(wide, false, narrow, variance.slice(s![.., ..19]), 0);
        assert!(
            error
                .expect_err("strided")
                .to_string()
                .contains("contiguous")
        );
        let none = Array2::<u32>::zeros((0, 4));
        let empty = (Array2::zeros((0, 4)), Array2::zeros((0, 4)));
        let got = count(none.view(), false, empty.0.view(), empty.1.view(), 1);
        assert_eq!(got.expect("empty"), Counts::default());
    }

    #[test]
    fn words_are_turned_and_united() {
        let words = Array2::from_shape_fn((5, 33), |(y, x)| 1_i32 << ((7 * y + x) % 29));
        let want = words.iter().fold(0, |all, word| all | word);
        let mut turned = words.mapv(i32::swap_bytes);
        assert_eq!(swap_words(turned.view_mut()), want);
        assert_eq!(turned, words);
        let mut strided = words.mapv(i32::swap_bytes);
        let columns = strided.slice_mut(s![.., ..;2]);
        assert_eq!(
            swap_words(columns),
            words.slice(s![.., ..;2]).fold(0, |a, w| a | w)
        );
        assert_eq!(strided.slice(s![.., ..;2]), words.slice(s![.., ..;2]));
    }
}
