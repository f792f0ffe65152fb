// SPDX-License-Identifier: BSD-3-Clause
//! Bins of nearly equal size, and their statistics.

use crate::error::{Error, Result};
use crate::par;
use crate::stats::{ImageInput, Options, Property, Summary, statistics_of_row};
use ndarray::Array2;

/// The `n + 1` edges of the bins of an axis: bin `i` holds pixels `edges[i]..edges[i + 1]`.
pub fn edges(length: usize, n: usize) -> Result<Vec<usize>> {
    if n == 0 || n > length {
        let allowed = format!("at least 1 and at most the {length} pixels of the axis");
        return Err(Error::option("number of bins", n, allowed));
    }
    Ok((0..=n)
        .map(|i| ((i * length + n / 2) / n).min(length))
        .collect())
}

/// Centres of the bins [pixels from the first].
pub fn centres(edges: &[usize]) -> Vec<f64> {
    let pairs = edges.iter().zip(edges.iter().skip(1));
    pairs
        .map(|(&a, &b)| a as f64 + 0.5 * (b - a) as f64 - 0.5)
        .collect()
}

/// One property of every bin and its squared error; NaN where a bin has no good pixel.
pub fn bin_statistics(
    input: &ImageInput<f32>,
    (ny, nx): (usize, usize),
    property: Property,
    options: &Options,
) -> Result<(Array2<f32>, Array2<f32>)> {
    let (height, width) = input.values.dim();
    let (rows, columns) = (edges(height, ny)?, edges(width, nx)?);
    let asked = Property(property.0 | Property::ERRORS.0);
    let columns: Vec<_> = columns.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let of_row = |j: usize| -> Result<Vec<(f64, f64)>> {
        let bins = statistics_of_row(input, rows[j]..rows[j + 1], &columns, asked, options)?;
        let pair = |bin: Summary| (bin.value(property), bin.error(property));
        Ok(bins.into_iter().map(pair).collect())
    };
    let mut values = Array2::zeros((ny, nx));
    let mut variances = Array2::zeros((ny, nx));
    for (j, row) in par::map((0..ny).collect(), of_row).into_iter().enumerate() {
        for (i, (value, error)) in row?.into_iter().enumerate() {
            values[(j, i)] = value as f32;
            variances[(j, i)] = (error * error) as f32;
        }
    }
    Ok((values, variances))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::image_statistics;
    use ndarray::s;

    #[test]
    fn edges_by_hand() {
        let cases: [(usize, usize, &[usize]); 5] = [
            (99, 10, &[0, 10, 20, 30, 40, 50, 59, 69, 79, 89, 99]),
            (154, 4, &[0, 39, 77, 116, 154]),
            (10, 4, &[0, 3, 5, 8, 10]),
            (7, 3, &[0, 2, 5, 7]),
            (3, 3, &[0, 1, 2, 3]),
        ];
        for (length, n, want) in cases {
            assert_eq!(edges(length, n).as_deref(), Ok(want));
        }
        for n in [0, 8] {
            assert!(edges(7, n).is_err());
        }
        assert_eq!(centres(&[0, 3, 5]), [1.0, 3.5]);
    }

    #[test]
    fn a_bin_without_good_pixels_is_nan() {
        let values = Array2::from_shape_fn((4, 6), |(y, x)| (y * 6 + x) as f32);
        let mask = Array2::from_shape_fn((4, 6), |(y, x)| i32::from(y < 2 && x >= 3));
        let input = ImageInput {
            values: values.view(),
            mask: Some(mask.view()),
            variance: None,
            weights: None,
            inverse_variance: false,
        };
        let options = Options {
            bad_bits: 1,
            ..Options::default()
        };
        let (means, squares) =
            bin_statistics(&input, (2, 2), Property::MEAN, &options).expect("valid");
        assert!(means[(0, 1)].is_nan() && squares[(0, 1)].is_nan());
        assert_eq!(
            (means[(0, 0)], means[(1, 0)], means[(1, 1)]),
            (4.0, 16.0, 19.0)
        );
        // Mean squared deviation 10 x 6 / 5 of the samples (0, 1, 2, 6, 7, 8), over 6.
        assert!(
            (squares[(0, 0)] - 58.0 / 30.0).abs() < 1e-6,
            "{}",
            squares[(0, 0)]
        );
    }

    #[test]
    fn a_bin_is_an_image_of_its_own() {
        let wave = |y: usize, x: usize| ((y * 91 + x) as f32 * 0.7).sin();
        let values = Array2::from_shape_fn((100, 91), |(y, x)| match (y * 31 + x * 17) % 23 {
            0 => 1e3,
            1 => f32::NAN,
            _ => wave(y, x),
        });
        let mask = Array2::from_shape_fn((100, 91), |(y, x)| i32::from((y * 5 + x) % 7 == 0));
        let mut input = ImageInput {
            values: values.view(),
            mask: Some(mask.view()),
            variance: None,
            weights: None,
            inverse_variance: false,
        };
        let mut options = Options {
            bad_bits: 1,
            ..Options::default()
        };
        // Weighted samples take another way.
        let weights = values.mapv(|_| 2.0);
        for weighted in [false, true] {
            input.weights = weighted.then(|| weights.view());
            options.n_iter += 1;
            let (got, squares) =
                bin_statistics(&input, (3, 4), Property::MEANCLIP, &options).expect("valid");
            let (rows, columns) = (edges(100, 3).expect("valid"), edges(91, 4).expect("valid"));
            for ((j, i), &value) in got.indexed_iter() {
                let part = s![rows[j]..rows[j + 1], columns[i]..columns[i + 1]];
                let alone = ImageInput {
                    values: values.slice(part),
                    mask: Some(mask.slice(part)),
                    weights: weighted.then(|| weights.slice(part)),
                    ..input
                };
                let asked = Property(Property::MEANCLIP.0 | Property::ERRORS.0);
                let want = image_statistics(&alone, asked, &options).expect("valid");
                let error = want.error(Property::MEANCLIP);
                assert_eq!(value, want.value(Property::MEANCLIP) as f32);
                assert_eq!(squares[(j, i)], (error * error) as f32);
            }
        }
    }
}
