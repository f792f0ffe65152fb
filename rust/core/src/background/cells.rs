// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of rectangles of an image, and of a background at the same pixels.

use super::render::Surface;
use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use crate::stats::{ImageInput, Options, Property, Summary, image_statistics, statistics_of_row};
use ndarray::{Array2, ArrayView2, s};
use std::ops::Range;
use std::sync::Mutex;

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

/// The cells in bands of the same rows: their numbers.
fn bands<'a>(cells: &[Cell], order: &'a mut Vec<usize>) -> Vec<&'a [usize]> {
    order.extend(0..cells.len());
    order.sort_by_key(|&k| cells[k].y);
    order.chunk_by(|&a, &b| cells[a].y == cells[b].y).collect()
}

/// Statistics of the cells of one band.
fn summaries(
    input: &ImageInput<f32>,
    (rows, columns): (Range<usize>, &[(usize, usize)]),
    property: Property,
    options: &Options,
) -> Result<Vec<(Summary, CellStatistics)>> {
    let spread = if property == Property::MEANCLIP {
        Property::VARIANCECLIP
    } else {
        Property::VARIANCE
    };
    let asked = Property(property.0 | spread.0 | Property::ERRORS.0);
    let found = statistics_of_row(input, rows, columns, asked, options)?;
    let of_cell = |summary: Summary| {
        let error = summary.error(property);
        let found = CellStatistics {
            value: summary.value(property),
            square: error * error,
            variance: summary.value(spread),
            n: summary.n_point,
        };
        (summary, found)
    };
    Ok(found.into_iter().map(of_cell).collect())
}

/// Calls `work` for the rows and columns of the cells of every band and puts what it finds in the
/// order of the cells.
fn by_bands<T: Send>(
    cells: &[Cell],
    work: impl Fn(Range<usize>, &[(usize, usize)]) -> Result<Vec<T>> + Sync + Send,
) -> Result<Vec<T>> {
    let mut order = Vec::new();
    let jobs = bands(cells, &mut order);
    let of_band = |band: &[usize]| -> Result<Vec<(usize, T)>> {
        let (start, end) = band.first().map_or((0, 0), |&k| cells[k].y);
        let columns: Vec<_> = band.iter().map(|&k| cells[k].x).collect();
        Ok(band
            .iter()
            .copied()
            .zip(work(start..end, &columns)?)
            .collect())
    };
    let mut out = Vec::with_capacity(cells.len());
    for band in par::map(jobs, of_band) {
        out.extend(band?);
    }
    out.sort_by_key(|&(k, _)| k);
    Ok(out.into_iter().map(|(_, found)| found).collect())
}

/// One property of every cell; cells may overlap.
pub fn cell_statistics(
    input: &ImageInput<f32>,
    cells: &[Cell],
    property: Property,
    options: &Options,
) -> Result<Vec<CellStatistics>> {
    check(cells, input.values.dim())?;
    by_bands(cells, |rows, columns| {
        let found = summaries(input, (rows, columns), property, options)?;
        Ok(found.into_iter().map(|(_, found)| found).collect())
    })
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
    let width = input.values.ncols();
    let tallest = cells.iter().map(|c| c.y.1 - c.y.0).max().unwrap_or(0);
    // Images of the background that no thread needs now: the pages of new ones take time.
    let spare: Mutex<Vec<Array2<f32>>> = Mutex::default();
    by_bands(cells, |rows, columns| {
        let found = summaries(input, (rows.clone(), columns), property, options)?;
        let unused = spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut room = unused.unwrap_or_else(|| Array2::zeros((tallest, width)));
        draw(surface, rows.clone(), &mut room)?;
        let sky = room.slice(s![..rows.len(), ..]);
        let part = Cell {
            y: (rows.start, rows.end),
            x: (0, width),
        };
        let values: Vec<f64> = if !same_pixels {
            let alone = ImageInput {
                values: sky,
                mask: None,
                variance: None,
                weights: None,
                inverse_variance: false,
            };
            let skies = statistics_of_row(&alone, 0..rows.len(), columns, property, options)?;
            skies.iter().map(|sky| sky.value(property)).collect()
        } else if property == Property::MEDIAN {
            let median = |&(start, end)| {
                let cell = Cell {
                    x: (start, end),
                    ..part
                };
                good_median(&cut(input, cell), sky.slice(s![.., start..end]), options)
            };
            columns.iter().map(median).collect::<Result<_>>()?
        } else {
            let limits = |(summary, _): &(Summary, _)| summary.kept();
            let kept: Vec<_> = found.iter().map(limits).collect();
            means_of_kept(&cut(input, part), sky, columns, &kept, options.bad_bits)?
        };
        if let Ok(mut spare) = spare.lock() {
            spare.push(room);
        }
        let found = found.into_iter().map(|(_, found)| found);
        Ok(found.zip(values).collect())
    })
}

/// Draws rows of a background into the first ones of an image.
fn draw(surface: &Surface<'_>, rows: Range<usize>, image: &mut Array2<f32>) -> Result<()> {
    let mut pen = surface.pen();
    for (y, mut row) in rows.zip(image.outer_iter_mut()) {
        if let Some(row) = row.as_slice_mut() {
            surface.row(&mut pen, y, row)?;
        }
    }
    Ok(())
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

/// Mean of the background in each of some columns, at those pixels whose mask is free of the bits
/// and whose value lies in an interval.
fn means_of_kept(
    band: &ImageInput<f32>,
    sky: ArrayView2<f32>,
    columns: &[(usize, usize)],
    kept: &[(f32, f32)],
    bits: i32,
) -> Result<Vec<f64>> {
    let clear = vec![0; sky.ncols()];
    let new = |&interval| Kept {
        interval,
        sums: [0.0; LANES],
        counts: [0; LANES],
    };
    let mut sums: Vec<Kept> = kept.iter().map(new).collect();
    for (y, (values, sky)) in band.values.outer_iter().zip(sky.outer_iter()).enumerate() {
        let words = band.mask.as_ref().map(|m| m.row(y));
        let words = words.as_ref().map_or(Some(&clear[..]), |w| w.as_slice());
        let (Some(values), Some(words), Some(sky)) = (values.as_slice(), words, sky.as_slice())
        else {
            let allowed = "side by side";
            return Err(Error::shape("image", "columns apart in memory", allowed));
        };
        add_kept(sky, values, words, bits, columns, &mut sums);
    }
    let mean = |kept: &Kept| {
        let (mut sum, mut n) = (0.0, 0.0);
        for k in 0..LANES {
            sum += kept.sums[k];
            n += f64::from(kept.counts[k]);
        }
        if n > 0.0 { sum / n } else { f64::NAN }
    };
    Ok(sums.iter().map(mean).collect())
}

/// Sums of the background at the pixels whose values are in an interval, lane by lane.
struct Kept {
    interval: (f32, f32),
    sums: [f64; LANES],
    counts: [u32; LANES],
}

#[inline(always)]
// Plain loops are what `dispatch` compiles for each level, and branches would keep them out of lanes.
#[allow(clippy::needless_range_loop, clippy::needless_bitwise_bool)]
fn add_kept_body(
    sky: &[f32],
    values: &[f32],
    words: &[i32],
    bits: i32,
    columns: &[(usize, usize)],
    sums: &mut [Kept],
) {
    for k in 0..columns.len() {
        let (mut done, end) = columns[k];
        let (low, high) = sums[k].interval;
        let (mut total, mut counts) = (sums[k].sums, sums[k].counts);
        while done < end {
            let m = (end - done).min(LANES);
            let (sky, values) = (&sky[done..done + m], &values[done..done + m]);
            let words = &words[done..done + m];
            // NaN is in no interval.
            let (mut x, mut v, mut w) = ([0.0; LANES], [f32::NAN; LANES], [0; LANES]);
            if m == LANES {
                // The count is known here: whole registers.
                for l in 0..LANES {
                    (x[l], v[l], w[l]) = (sky[l], values[l], words[l]);
                }
            } else {
                for l in 0..m {
                    (x[l], v[l], w[l]) = (sky[l], values[l], words[l]);
                }
            }
            for l in 0..LANES {
                let keep = (v[l] >= low) & (v[l] <= high) & (w[l] & bits == 0);
                counts[l] += u32::from(keep);
                x[l] = if keep { x[l] } else { 0.0 };
            }
            for l in 0..LANES {
                total[l] += f64::from(x[l]);
            }
            done += m;
        }
        (sums[k].sums, sums[k].counts) = (total, counts);
    }
}

dispatch! {
    /// Adds a row of pixels to the sums of the cells that have them.
    fn add_kept(
        sky: &[f32],
        values: &[f32],
        words: &[i32],
        bits: i32,
        columns: &[(usize, usize)],
        sums: &mut [Kept],
    ) = add_kept_body;
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
