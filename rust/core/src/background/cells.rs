// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of rectangles of an image, and of a background at the same pixels.

use super::render::Surface;
use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use crate::stats::{ImageInput, Options, Property, Summary, image_statistics};
use ndarray::{Array2, ArrayView2, s};

/// Partial sums side by side.
const LANES: usize = 16;

/// Pixels `y0..y1`, `x0..x1` of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// First row and the one after the last.
    pub y: (usize, usize),
    /// First column and the one after the last.
    pub x: (usize, usize),
}

/// What is known of the pixels of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellStatistics {
    /// Statistic; NaN without good pixels.
    pub value: f64,
    /// Its squared error.
    pub square: f64,
    /// Variance of the pixels: of those kept where the statistic clips.
    pub variance: f64,
    /// Good pixels, before any clipping.
    pub n: usize,
}

fn cut<'a>(input: &ImageInput<'a, f32>, cell: Cell) -> ImageInput<'a, f32> {
    let part = s![cell.y.0..cell.y.1, cell.x.0..cell.x.1];
    ImageInput {
        values: input.values.slice_move(part),
        mask: input.mask.map(|m| m.slice_move(part)),
        variance: input.variance.map(|v| v.slice_move(part)),
        weights: input.weights.map(|w| w.slice_move(part)),
        inverse_variance: input.inverse_variance,
    }
}

fn check(cells: &[Cell], (height, width): (usize, usize)) -> Result<()> {
    let wrong = |c: &&Cell| c.y.0 >= c.y.1 || c.x.0 >= c.x.1 || c.y.1 > height || c.x.1 > width;
    match cells.iter().find(wrong) {
        None => Ok(()),
        Some(bad) => {
            let allowed = format!("not empty and inside {height} x {width} pixels");
            Err(Error::shape("cells", format!("{bad:?}"), allowed))
        }
    }
}

fn summary_of(
    input: &ImageInput<f32>,
    property: Property,
    options: &Options,
) -> Result<(Summary, CellStatistics)> {
    let spread = if property == Property::MEANCLIP {
        Property::VARIANCECLIP
    } else {
        Property::VARIANCE
    };
    let asked = Property(property.0 | spread.0 | Property::ERRORS.0);
    let summary = image_statistics(input, asked, options)?;
    let error = summary.error(property);
    let found = CellStatistics {
        value: summary.value(property),
        square: error * error,
        variance: summary.value(spread),
        n: summary.n_point,
    };
    Ok((summary, found))
}

/// One property of every cell; cells may overlap.
pub fn cell_statistics(
    input: &ImageInput<f32>,
    cells: &[Cell],
    property: Property,
    options: &Options,
) -> Result<Vec<CellStatistics>> {
    check(cells, input.values.dim())?;
    let one = |cell: Cell| summary_of(&cut(input, cell), property, options).map(|(_, found)| found);
    par::map(cells.to_vec(), one).into_iter().collect()
}

/// One property of every cell, and the background there: of the pixels that make up the value of
/// the image (`same_pixels`), or the same property of all pixels of the cell.
///
/// `surface` covers the rows and columns of the image.
pub fn paired_statistics(
    input: &ImageInput<f32>,
    surface: &Surface<'_>,
    cells: &[Cell],
    property: Property,
    options: &Options,
    same_pixels: bool,
) -> Result<Vec<(CellStatistics, f64)>> {
    check(cells, input.values.dim())?;
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|&k| cells[k].y);
    let bands: Vec<&[usize]> = order.chunk_by(|&a, &b| cells[a].y == cells[b].y).collect();
    let width = input.values.ncols();
    let of_band = |band: &[usize]| -> Result<Vec<(usize, (CellStatistics, f64))>> {
        let y = band.first().map_or((0, 0), |&k| cells[k].y);
        let mut sky = Array2::zeros((y.1 - y.0, width));
        let mut pen = surface.pen();
        for (r, mut row) in sky.outer_iter_mut().enumerate() {
            if let Some(row) = row.as_slice_mut() {
                surface.row(&mut pen, y.0 + r, row)?;
            }
        }
        let of_cell = |&k: &usize| {
            let cell = cells[k];
            let part = cut(input, cell);
            let sky = sky.slice(s![.., cell.x.0..cell.x.1]);
            let (summary, found) = summary_of(&part, property, options)?;
            let value = if same_pixels && property != Property::MEDIAN {
                let all = (0.0, f64::INFINITY);
                let (centre, half_width) =
                    summary.clipped.map_or(all, |c| (c.centre, c.half_width));
                mean_of_kept(&part, sky, (options.bad_bits, centre, half_width))?
            } else if same_pixels {
                good_median(&part, sky, options)?
            } else {
                let alone = ImageInput {
                    values: sky,
                    mask: None,
                    variance: None,
                    weights: None,
                    inverse_variance: false,
                };
                image_statistics(&alone, property, options)?.value(property)
            };
            Ok((k, (found, value)))
        };
        band.iter().map(of_cell).collect()
    };
    let mut out = Vec::new();
    for band in par::map(bands, of_band) {
        out.extend(band?);
    }
    out.sort_by_key(|&(k, _)| k);
    Ok(out.into_iter().map(|(_, found)| found).collect())
}

/// Median of the background at the good pixels.
fn good_median(part: &ImageInput<f32>, sky: ArrayView2<f32>, options: &Options) -> Result<f64> {
    let mut values = sky.to_owned();
    for (value, image) in values.iter_mut().zip(part.values) {
        if !image.is_finite() {
            *value = f32::NAN;
        }
    }
    let input = ImageInput {
        values: values.view(),
        mask: part.mask,
        variance: None,
        weights: None,
        inverse_variance: false,
    };
    Ok(image_statistics(&input, Property::MEDIAN, options)?.value(Property::MEDIAN))
}

/// Mean of the background at those pixels whose mask is free of the bits and whose value lies no
/// farther from the centre than the half-width.
fn mean_of_kept(
    part: &ImageInput<f32>,
    sky: ArrayView2<f32>,
    interval: (i32, f64, f64),
) -> Result<f64> {
    let clear = vec![0; sky.ncols()];
    let (mut sum, mut n) = (0.0, 0.0);
    for (y, (values, sky)) in part.values.outer_iter().zip(sky.outer_iter()).enumerate() {
        let words = part.mask.as_ref().map(|m| m.row(y));
        let words = words.as_ref().map_or(Some(&clear[..]), |w| w.as_slice());
        let (Some(values), Some(words), Some(sky)) = (values.as_slice(), words, sky.as_slice())
        else {
            let allowed = "side by side";
            return Err(Error::shape("image", "columns apart in memory", allowed));
        };
        let (more, count) = kept_sum(sky, values, words, interval);
        (sum, n) = (sum + more, n + count);
    }
    Ok(if n > 0.0 { sum / n } else { f64::NAN })
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops are what `dispatch` compiles for each level
fn kept_sum_body(
    sky: &[f32],
    values: &[f32],
    words: &[i32],
    (bits, centre, half_width): (i32, f64, f64),
) -> (f64, f64) {
    let n = sky.len().min(values.len()).min(words.len());
    let (mut sums, mut counts) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    let mut done = 0;
    while done < n {
        let m = (n - done).min(LANES);
        for k in 0..m {
            let value = f64::from(values[done + k]);
            let word = words[done + k] & bits;
            // NaN is within nothing; an infinite half-width does not let infinities in.
            let finite = value.abs() < f64::INFINITY;
            let within = finite && (value - centre).abs() <= half_width;
            let keep = within && word == 0;
            sums[k] += if keep { f64::from(sky[done + k]) } else { 0.0 };
            counts[k] += if keep { 1.0 } else { 0.0 };
        }
        done += m;
    }
    let (mut sum, mut count) = (0.0, 0.0);
    for k in 0..LANES {
        sum += sums[k];
        count += counts[k];
    }
    (sum, count)
}

dispatch! {
    fn kept_sum(
        sky: &[f32],
        values: &[f32],
        words: &[i32],
        interval: (i32, f64, f64),
    ) -> (f64, f64) = kept_sum_body;
}

#[cfg(test)]
mod tests {
    use super::super::curve::{Edge, Style};
    use super::super::render::{Blend, Rule, render};
    use super::*;

    const RULE: Rule = Rule {
        style: Style::Akima,
        reduce: true,
        edge: Edge::QUADRATIC,
    };

    fn cells() -> Vec<Cell> {
        let cell = |y, x| Cell { y, x };
        vec![
            cell((0, 20), (0, 17)),
            cell((20, 40), (0, 50)),
            cell((10, 30), (13, 50)),
        ]
    }

    #[test]
    fn background_of_the_pixels_that_count() {
        let image = Array2::from_shape_fn((40, 50), |(y, x)| match (y * 31 + x * 17) % 23 {
            0 => 1e4,
            1 => f32::NAN,
            k => k as f32,
        });
        let mask = Array2::from_shape_fn((40, 50), |(y, x)| i32::from((y * 5 + x) % 7 == 0));
        let grid = Array2::from_shape_fn((5, 5), |(y, x)| ((y * 3 + x) as f32).sin());
        let place = |n: u8, size: f64| -> Vec<f64> {
            (0..n).map(|i| (f64::from(i) + 0.5) * size - 0.5).collect()
        };
        let (cy, cx) = (place(5, 8.0), place(5, 10.0));
        let mut sky = Array2::zeros((40, 50));
        let start = (0.0, 0.0);
        render(
            grid.view(),
            (&cy, &cx),
            RULE,
            start,
            Blend::Replace,
            sky.view_mut(),
        )
        .expect("valid");
        let surface = Surface::new(grid.view(), (&cy, &cx), RULE, start, 40).expect("valid");
        let input = ImageInput {
            values: image.view(),
            mask: Some(mask.view()),
            variance: None,
            weights: None,
            inverse_variance: false,
        };
        let options = Options {
            bad_bits: 1,
            ..Options::default()
        };
        let pairs = |property, same| {
            paired_statistics(&input, &surface, &cells(), property, &options, same).expect("valid")
        };
        let plain = cell_statistics(&input, &cells(), Property::MEANCLIP, &options).expect("valid");
        for (k, (found, mean)) in pairs(Property::MEANCLIP, true).into_iter().enumerate() {
            assert_eq!(found, plain[k]);
            let cell = cells()[k];
            let (mut sum, mut n, mut values) = (0.0, 0.0, 0.0);
            for y in cell.y.0..cell.y.1 {
                for x in cell.x.0..cell.x.1 {
                    // Only the bright ones are clipped.
                    if image[(y, x)] < 100.0 && mask[(y, x)] == 0 {
                        sum += f64::from(sky[(y, x)]);
                        values += f64::from(image[(y, x)]);
                        n += 1.0;
                    }
                }
            }
            assert!((mean - sum / n).abs() < 1e-14);
            assert!((found.value - values / n).abs() < 1e-12);
        }
        for (k, (_, median)) in pairs(Property::MEDIAN, false).into_iter().enumerate() {
            let cell = cells()[k];
            let mut all: Vec<f32> = sky
                .slice(s![cell.y.0..cell.y.1, cell.x.0..cell.x.1])
                .iter()
                .copied()
                .collect();
            all.sort_by(f32::total_cmp);
            let m = all.len();
            let want = 0.5 * (f64::from(all[(m - 1) / 2]) + f64::from(all[m / 2]));
            assert!((median - want).abs() < 1e-12);
        }
        let outside = [Cell {
            y: (0, 41),
            x: (0, 5),
        }];
        assert!(cell_statistics(&input, &outside, Property::MEAN, &options).is_err());
    }
}
