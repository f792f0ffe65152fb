// SPDX-License-Identifier: BSD-3-Clause
//! Pixels of difference images that stand out of the noise of their cell.

use crate::error::{Error, Result};
use crate::par;
use crate::stats::{ImageInput, Options, Property, image_statistics};
use ndarray::{Array2, ArrayView2, s};

/// Standard deviation of a Gaussian per unit of its inter-quartile range.
const SIGMA_OF_IQR: f64 = 0.741_301_109_252_802;

/// What stands out, and how it is marked.
#[derive(Debug, Clone, Copy)]
pub struct OutlierRule {
    /// Half-width of the square over which the good pixels are summed.
    pub half_width: usize,
    /// Distance of the sum from the median of its cell [sigma].
    pub threshold: f64,
    /// Pixels (in x and in y) by which marks grow.
    pub grow: usize,
    /// The sigma of a cell is at most this times the median of all; infinite for no limit.
    pub most: f64,
    /// Mask bit of bad pixels, and of the marks.
    pub bit: i32,
}

/// Masks with the outliers of each image marked. Cells stretch over all rows, between `columns`.
pub fn flag_outliers(
    images: &[ArrayView2<f32>],
    masks: &[ArrayView2<i32>],
    columns: &[usize],
    rule: &OutlierRule,
) -> Result<Vec<Array2<i32>>> {
    if images.len() != masks.len() {
        return Err(Error::shape("masks", masks.len(), images.len()));
    }
    let pairs = images.iter().zip(masks).collect();
    par::map(pairs, |(image, mask)| flag(image, mask, columns, rule))
        .into_iter()
        .collect()
}

fn flag(
    image: &ArrayView2<f32>,
    mask: &ArrayView2<i32>,
    columns: &[usize],
    rule: &OutlierRule,
) -> Result<Array2<i32>> {
    let mut out = mask.to_owned();
    let (height, width) = image.dim();
    if mask.dim() != image.dim() || columns.last() != Some(&width) {
        let got = format!("{:?} and columns to {:?}", mask.dim(), columns.last());
        return Err(Error::shape("mask", got, format!("{:?}", image.dim())));
    }
    let sums = smoothed(image, mask, rule);
    let (medians, mut sigmas) = scatter(&sums, mask, columns, rule.bit)?;
    let mut known: Vec<f64> = sigmas.iter().copied().filter(|s| s.is_finite()).collect();
    known.sort_by(f64::total_cmp);
    if let Some(&middle) = known.get(known.len() / 2) {
        for sigma in &mut sigmas {
            *sigma = sigma.min(rule.most * middle);
        }
    }
    let mut hot = Array2::<u8>::zeros((height, width));
    for (cell, edge) in columns.iter().zip(columns.iter().skip(1)).enumerate() {
        let (median, reach) = (medians[cell], rule.threshold * sigmas[cell]);
        for y in 0..height {
            for x in *edge.0..*edge.1 {
                let far = (f64::from(sums[(y, x)]) - median).abs() > reach;
                hot[(y, x)] = u8::from(far && mask[(y, x)] & rule.bit == 0);
            }
        }
    }
    mark_around(&hot, rule, &mut out);
    Ok(out)
}

/// Median and robust standard deviation of the good pixels of each cell.
fn scatter(
    sums: &Array2<f32>,
    mask: &ArrayView2<i32>,
    columns: &[usize],
    bit: i32,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let options = Options {
        bad_bits: bit,
        ..Options::default()
    };
    let asked = Property(Property::MEDIAN.0 | Property::IQRANGE.0);
    let (mut medians, mut sigmas) = (Vec::new(), Vec::new());
    for (&first, &stop) in columns.iter().zip(columns.iter().skip(1)) {
        if first >= stop {
            let got = format!("{columns:?}");
            return Err(Error::option("columns", got, "rising"));
        }
        let cell = ImageInput {
            values: sums.slice(s![.., first..stop]),
            mask: Some(mask.slice(s![.., first..stop])),
            variance: None,
            weights: None,
            inverse_variance: false,
        };
        let found = image_statistics(&cell, asked, &options)?;
        medians.push(found.value(Property::MEDIAN));
        sigmas.push(SIGMA_OF_IQR * found.value(Property::IQRANGE));
    }
    Ok((medians, sigmas))
}

/// Sums of the good pixels of the square around each pixel, over the root of their number.
fn smoothed(image: &ArrayView2<f32>, mask: &ArrayView2<i32>, rule: &OutlierRule) -> Array2<f32> {
    let (height, width) = image.dim();
    let reach = rule.half_width;
    let mut sums = vec![0.0_f64; width];
    let mut counts = vec![0.0_f64; width];
    let mut out = Array2::zeros((height, width));
    let add = |sums: &mut [f64], counts: &mut [f64], y: usize, sign: f64| {
        for x in 0..width {
            let value = image[(y, x)];
            if mask[(y, x)] & rule.bit == 0 && value.is_finite() {
                sums[x] += sign * f64::from(value);
                counts[x] += sign;
            }
        }
    };
    for y in 0..reach.min(height) {
        add(&mut sums, &mut counts, y, 1.0);
    }
    for y in 0..height {
        if y + reach < height {
            add(&mut sums, &mut counts, y + reach, 1.0);
        }
        if y > reach {
            add(&mut sums, &mut counts, y - reach - 1, -1.0);
        }
        for x in 0..width {
            let (mut sum, mut count) = (0.0, 0.0);
            for i in x.saturating_sub(reach)..(x + reach + 1).min(width) {
                sum += sums[i];
                count += counts[i];
            }
            out[(y, x)] = if count > 0.0 {
                (sum / f64::sqrt(count)) as f32
            } else {
                0.0
            };
        }
    }
    out
}

/// Sets the bit within the reach of every mark.
fn mark_around(hot: &Array2<u8>, rule: &OutlierRule, mask: &mut Array2<i32>) {
    let (height, width) = hot.dim();
    for y in 0..height {
        let mut until = 0;
        for x in 0..width {
            if hot[(y, x)] == 0 {
                continue;
            }
            // Marks of one row overlap: each column is written once.
            let first = x.saturating_sub(rule.grow).max(until);
            until = (x + rule.grow + 1).min(width);
            for j in y.saturating_sub(rule.grow)..(y + rule.grow + 1).min(height) {
                for i in first..until {
                    mask[(j, i)] |= rule.bit;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: OutlierRule = OutlierRule {
        half_width: 1,
        threshold: 4.0,
        grow: 2,
        most: 1.2,
        bit: 4,
    };

    #[test]
    fn a_spot_is_marked_with_its_surroundings() {
        let mut image = Array2::from_shape_fn((20, 30), |(y, x)| ((7 * y + 3 * x) % 11) as f32);
        image[(10, 15)] = 300.0;
        let mut mask = Array2::zeros((20, 30));
        mask[(0, 0)] = 4;
        image[(0, 0)] = f32::NAN;
        let (images, masks) = ([image.view()], [mask.view()]);
        let found = flag_outliers(&images, &masks, &[0, 15, 30], &RULE).expect("valid");
        for ((y, x), &word) in found[0].indexed_iter() {
            // The spot is in the sums of 3 x 3 pixels, and each marks 2 more on all sides.
            let near = y.abs_diff(10) <= 3 && x.abs_diff(15) <= 3;
            assert_eq!(word == 4, near || (y, x) == (0, 0), "{y} {x}");
        }
    }

    #[test]
    fn a_band_that_widens_the_scatter_of_its_cell_is_marked() {
        let image = Array2::from_shape_fn((12, 40), |(y, x)| {
            let noise = ((5 * y + 3 * x * x) % 7) as f32;
            noise + if (0..=6).contains(&x) { 60.0 } else { 0.0 }
        });
        let mask = Array2::zeros((12, 40));
        let (images, masks) = ([image.view()], [mask.view()]);
        let columns = [0, 16, 28, 40];
        let capped = flag_outliers(&images, &masks, &columns, &RULE).expect("valid");
        let free = OutlierRule {
            most: f64::INFINITY,
            ..RULE
        };
        let wide = flag_outliers(&images, &masks, &columns, &free).expect("valid");
        let count = |m: &Array2<i32>| m.iter().filter(|&&w| w != 0).count();
        assert!(count(&capped[0]) > 12 * 7, "{}", count(&capped[0]));
        assert_eq!(count(&wide[0]), 0);
    }

    #[test]
    fn shapes_must_agree() {
        let (image, mask) = (Array2::zeros((2, 3)), Array2::zeros((2, 4)));
        let (images, masks) = ([image.view()], [mask.view()]);
        assert!(flag_outliers(&images, &masks, &[0, 3], &RULE).is_err());
        assert!(flag_outliers(&images, &[], &[0, 3], &RULE).is_err());
        let mask = Array2::zeros((2, 3));
        assert!(flag_outliers(&images, &[mask.view()], &[0, 2], &RULE).is_err());
    }
}
