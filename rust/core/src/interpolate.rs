// SPDX-License-Identifier: BSD-3-Clause
//! Interpolation over runs of bad pixels along rows or columns.
//!
//! Each bad pixel is the ordinary-kriging estimate from up to two good neighbours on either side
//! of its run, for the covariance exp(-d^2 / 4): the autocorrelation of a Gaussian PSF with a
//! sigma of one pixel, without noise. See `docs/algorithms/interpolation.md`.

use crate::error::{Error, Result};
use crate::linalg::solve_square;
use crate::par;
use ndarray::{Array2, ArrayBase, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
use std::sync::OnceLock;

/// Longest run whose weights are tabulated. At half this distance the covariance is 2e-16, so the
/// pixels of longer runs have the weights of the end they are nearer to.
const TABULATED: usize = 24;

/// Pixels next to the good side of an edge run that are interpolated towards the fallback.
const TRANSITION: usize = 6;

/// Along which lines to interpolate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Along x.
    Row,
    /// Along y.
    Column,
    /// Per pixel: a run with data on both sides first, then the shorter one, then the row.
    Shortest,
}

/// What becomes of the variance of an interpolated pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarianceRule {
    /// Interpolated if there is data on both sides, else infinite; infinite if not positive.
    TwoSided,
    /// Treated exactly like the image, fallback included.
    LikeImage,
}

/// Options of [`interpolate`].
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A pixel with any of these mask bits is bad.
    pub bad_bits: i32,
    /// Bits set at every bad pixel.
    pub interpolated_bits: i32,
    /// Value far from data.
    pub fallback: f64,
    /// Fill edge runs longer than six pixels with the fallback.
    pub use_fallback_at_edge: bool,
    /// Direction of the lines.
    pub direction: Direction,
    /// Rule for the variance.
    pub variance: VarianceRule,
}

/// Weights (L2, L1, R1, R2) for every pixel of runs of one length with one set of neighbours.
type Weights = Vec<[f64; 4]>;

/// Tables by [has L2, has L1, has R1, has R2] as bits and by run length.
fn table(pattern: usize, n: usize) -> &'static Weights {
    static TABLES: OnceLock<Vec<Weights>> = OnceLock::new();
    let all = TABLES.get_or_init(|| {
        let cells = (0..16).flat_map(|p| (1..=TABULATED).map(move |n| kriging(p, n)));
        cells.collect()
    });
    &all[pattern * TABULATED + n - 1]
}

/// Solves [C 1; 1' 0] [w; mu] = [c(x); 1] for every pixel x of a run of n.
fn kriging(pattern: usize, n: usize) -> Weights {
    let places = [-2.0, -1.0, n as f64, n as f64 + 1.0];
    let used: Vec<usize> = (0..4).filter(|i| pattern >> i & 1 == 1).collect();
    let m = used.len() + 1;
    let covariance = |d: f64| (-0.25 * d * d).exp();
    let mut matrix = vec![1.0; m * m];
    for (i, &a) in used.iter().enumerate() {
        for (j, &b) in used.iter().enumerate() {
            matrix[i * m + j] = covariance(places[a] - places[b]);
        }
    }
    matrix[m * m - 1] = 0.0;
    let mut columns = vec![1.0; m * n];
    for (x, column) in columns.chunks_exact_mut(m).enumerate() {
        for (value, &a) in column.iter_mut().zip(&used) {
            *value = covariance(places[a] - x as f64);
        }
    }
    // Only the empty pattern is singular; its weights are never looked at.
    if solve_square(&matrix, &mut columns, m).is_err() {
        columns.fill(0.0);
    }
    let spread = |column: &[f64]| {
        let mut weights = [0.0; 4];
        for (&value, &a) in column.iter().zip(&used) {
            weights[a] = value;
        }
        weights
    };
    columns.chunks_exact(m).map(spread).collect()
}

/// Weights of pixel `x` of a run of `n`.
fn weights(pattern: usize, n: usize, x: usize) -> &'static [f64; 4] {
    let half = TABULATED / 2;
    let place = if n <= TABULATED || x < half {
        x
    } else if n - x <= half {
        TABULATED - (n - x)
    } else {
        half
    };
    &table(pattern, n.min(TABULATED))[place]
}

/// Good values beside a run: L2, L1, R1, R2.
type Neighbours = [Option<f64>; 4];

fn estimate(neighbours: &Neighbours, n: usize, x: usize) -> f64 {
    let bit = |i: usize| usize::from(neighbours[i].is_some()) << i;
    let pattern = bit(0) | bit(1) | bit(2) | bit(3);
    let mut sum = 0.0;
    for (w, value) in weights(pattern, n, x).iter().zip(neighbours) {
        sum += value.map_or(0.0, |v| w * v);
    }
    if !sum.is_nan() {
        return sum;
    }
    // Some neighbour that counts as good is NaN.
    match (neighbours[1], neighbours[2]) {
        (Some(left), Some(right)) => 0.5 * (left + right),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => f64::NAN,
    }
}

/// Maximal runs `start..stop` of bad pixels.
fn runs(bad: &[bool]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = None;
    for (x, &is_bad) in bad.iter().chain([&false]).enumerate() {
        match (start, is_bad) {
            (None, true) => start = Some(x),
            (Some(a), false) => {
                found.push((a, x));
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// Fills the run `start..stop` of one line.
fn fill(line: &mut [f64], bad: &[bool], (start, stop): (usize, usize), options: &Options) {
    let width = line.len();
    let n = stop - start;
    let good = |x: Option<usize>| x.filter(|&x| x < width && !bad[x]).map(|x| line[x]);
    let mut sides: Neighbours = [
        good(start.checked_sub(2)),
        good(start.checked_sub(1)),
        good(Some(stop)),
        good(Some(stop + 1)),
    ];
    // A good pixel behind a bad one is no neighbour: runs are maximal, so only L2 and R2 can be
    // cut off, and only by the end of the line.
    let (left, right) = (sides[1].is_some(), sides[2].is_some());
    if !left && !right {
        line[start..stop].fill(options.fallback);
        return;
    }
    let (mut first, mut last) = (start, stop);
    if options.use_fallback_at_edge && n > TRANSITION && !(left && right) {
        line[start..stop].fill(options.fallback);
        let outer = Some(options.fallback);
        if left {
            last = start + TRANSITION;
            (sides[2], sides[3]) = (outer, outer);
        } else {
            first = stop - TRANSITION;
            (sides[0], sides[1]) = (outer, outer);
        }
    }
    for (x, value) in line[first..last].iter_mut().enumerate() {
        *value = estimate(&sides, last - first, x);
    }
}

/// One line of the image with what is interpolated along.
struct Line<'a> {
    image: ArrayViewMut1<'a, f32>,
    mask: ArrayViewMut1<'a, i32>,
    variance: Option<ArrayViewMut1<'a, f32>>,
}

impl Line<'_> {
    /// Interpolates; returns the number of bad pixels.
    fn interpolate(&mut self, options: &Options) -> usize {
        if self.mask.iter().all(|m| m & options.bad_bits == 0) {
            return 0;
        }
        let bad: Vec<bool> = self
            .mask
            .iter()
            .map(|m| m & options.bad_bits != 0)
            .collect();
        let runs = runs(&bad);
        put(&mut self.image, &bad, &runs, options);
        if let Some(variance) = &mut self.variance {
            put(variance, &bad, &runs, options);
            if options.variance == VarianceRule::TwoSided {
                for &(start, stop) in &runs {
                    let one_sided = start == 0 || stop == bad.len();
                    for v in variance.iter_mut().take(stop).skip(start) {
                        // NaN counts as not positive.
                        if one_sided || v.is_nan() || *v <= 0.0 {
                            *v = f32::INFINITY;
                        }
                    }
                }
            }
        }
        for (word, &is_bad) in self.mask.iter_mut().zip(&bad) {
            if is_bad {
                *word |= options.interpolated_bits;
            }
        }
        runs.iter().map(|(start, stop)| stop - start).sum()
    }
}

fn put(plane: &mut ArrayViewMut1<f32>, bad: &[bool], runs: &[(usize, usize)], options: &Options) {
    let mut line: Vec<f64> = plane.iter().map(|&x| f64::from(x)).collect();
    for &run in runs {
        fill(&mut line, bad, run, options);
    }
    for ((pixel, &value), &is_bad) in plane.iter_mut().zip(&line).zip(bad) {
        if is_bad {
            *pixel = value as f32;
        }
    }
}

/// Interpolates over all bad pixels in place, from good pixels alone; returns their number.
pub fn interpolate(
    image: ArrayViewMut2<f32>,
    mask: ArrayViewMut2<i32>,
    variance: Option<ArrayViewMut2<f32>>,
    options: &Options,
) -> Result<usize> {
    let shape = image.dim();
    for (name, got) in [
        ("mask", Some(mask.dim())),
        ("variance", variance.as_ref().map(ArrayBase::dim)),
    ] {
        if let Some(got) = got.filter(|&got| got != shape) {
            return Err(Error::shape(
                name,
                format!("{got:?}"),
                format!("{shape:?} like the image"),
            ));
        }
    }
    Ok(match options.direction {
        Direction::Row => along(Axis(0), image, mask, variance, options),
        Direction::Column => along(Axis(1), image, mask, variance, options),
        Direction::Shortest => shortest(image, mask, variance, options),
    })
}

/// Interpolates every line of the planes cut along `axis`.
fn along<'a>(
    axis: Axis,
    mut image: ArrayViewMut2<'a, f32>,
    mut mask: ArrayViewMut2<'a, i32>,
    mut variance: Option<ArrayViewMut2<'a, f32>>,
    options: &Options,
) -> usize {
    let mut variances = variance.as_mut().map(|v| v.axis_iter_mut(axis));
    let lines: Vec<Line> = image
        .axis_iter_mut(axis)
        .zip(mask.axis_iter_mut(axis))
        .map(|(image, mask)| {
            let variance = variances.as_mut().and_then(Iterator::next);
            Line {
                image,
                mask,
                variance,
            }
        })
        .collect();
    par::map(lines, |mut line| line.interpolate(options))
        .into_iter()
        .sum()
}

/// Length of the run that holds each bad pixel along `axis`; one-sided ones count as longer than
/// any other.
fn run_lengths(mask: ArrayView2<i32>, axis: Axis, bad_bits: i32) -> Array2<usize> {
    let mut lengths = Array2::zeros(mask.dim());
    for (line, mut out) in mask.axis_iter(axis).zip(lengths.axis_iter_mut(axis)) {
        let bad: Vec<bool> = line.iter().map(|m| m & bad_bits != 0).collect();
        for (start, stop) in runs(&bad) {
            let one_sided = start == 0 || stop == bad.len();
            let length = stop - start + if one_sided { usize::MAX / 2 } else { 0 };
            for x in start..stop {
                out[x] = length;
            }
        }
    }
    lengths
}

fn shortest(
    mut image: ArrayViewMut2<f32>,
    mut mask: ArrayViewMut2<i32>,
    mut variance: Option<ArrayViewMut2<f32>>,
    options: &Options,
) -> usize {
    let rows = run_lengths(mask.view(), Axis(0), options.bad_bits);
    let columns = run_lengths(mask.view(), Axis(1), options.bad_bits);
    let (mut other, mut other_mask) = (image.to_owned(), mask.to_owned());
    let mut other_variance = variance.as_ref().map(ArrayBase::to_owned);
    let other_variance_view = other_variance.as_mut().map(|v| v.view_mut());
    along(
        Axis(1),
        other.view_mut(),
        other_mask.view_mut(),
        other_variance_view,
        options,
    );
    let view = variance.as_mut().map(|v| v.view_mut());
    let n = along(Axis(0), image.view_mut(), mask.view_mut(), view, options);
    for ((y, x), &length) in columns.indexed_iter() {
        if length < rows[(y, x)] {
            image[(y, x)] = other[(y, x)];
            if let (Some(to), Some(from)) = (&mut variance, &other_variance) {
                to[(y, x)] = from[(y, x)];
            }
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    const OPTIONS: Options = Options {
        bad_bits: 1,
        interpolated_bits: 2,
        fallback: 100.0,
        use_fallback_at_edge: true,
        direction: Direction::Row,
        variance: VarianceRule::LikeImage,
    };

    #[test]
    fn weights_are_the_tabulated_ones() {
        // Four digits, as published with the formula.
        let cases: [(usize, usize, usize, [f64; 4]); 9] = [
            (15, 1, 0, [-0.2737, 0.7737, 0.7737, -0.2737]),
            (15, 2, 0, [-0.4793, 1.1904, 0.5212, -0.2323]),
            (3, 20, 0, [-0.4288, 1.4288, 0.0, 0.0]),
            (3, 20, 1, [-0.0933, 1.0933, 0.0, 0.0]),
            (3, 20, 2, [0.3032, 0.6968, 0.0, 0.0]),
            (3, 20, 3, [0.4630, 0.5370, 0.0, 0.0]),
            (14, 1, 0, [0.0, 0.4875, 0.8959, -0.3834]),
            (15, 40, 20, [0.25; 4]),
            (14, 40, 20, [0.0, 0.4707, 0.2646, 0.2646]),
        ];
        for (pattern, n, x, want) in cases {
            let got = weights(pattern, n, x);
            let close = got.iter().zip(want).all(|(a, b)| (a - b).abs() < 6e-5);
            assert!(close, "{pattern} {n} {x}: {got:?}");
            assert!((got.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn long_runs_have_the_weights_of_the_solution() {
        for n in [25, 31, 40] {
            for pattern in [3, 6, 7, 12, 14, 15] {
                for (x, want) in kriging(pattern, n).iter().enumerate() {
                    let got = weights(pattern, n, x);
                    let close = got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12);
                    assert!(close, "{pattern} {n} {x}: {got:?} {want:?}");
                }
            }
        }
    }

    fn plane(shape: (usize, usize), bad: &[(usize, usize)]) -> (Array2<f32>, Array2<i32>) {
        let mut image = Array2::from_shape_fn(shape, |(y, x)| (10 * y + x) as f32);
        let mut mask = Array2::zeros(shape);
        for &at in bad {
            image[at] = f32::NAN;
            mask[at] = 1;
        }
        (image, mask)
    }

    #[test]
    fn edges_go_to_the_fallback() {
        let bad: Vec<_> = (0..9)
            .map(|x| (0, x))
            .chain((0..12).map(|x| (1, x)))
            .collect();
        let (mut image, mut mask) = plane((3, 12), &bad);
        let n = interpolate(image.view_mut(), mask.view_mut(), None, &OPTIONS);
        assert_eq!(n, Ok(21));
        assert!(image.row(0).iter().take(3).all(|&x| x == 100.0));
        assert!(image.row(0).iter().all(|x| x.is_finite()));
        assert!(image.row(1).iter().all(|&x| x == 100.0));
        assert_eq!(
            image.row(2).to_vec(),
            (20_u8..32).map(f32::from).collect::<Vec<_>>()
        );
        assert_eq!(mask.iter().filter(|&&m| m == 3).count(), 21);
    }

    #[test]
    fn shortest_takes_the_shorter_run() {
        let bad: Vec<_> = (2..7).map(|x| (2, x)).collect();
        let (mut image, mut mask) = plane((5, 9), &bad);
        let options = Options {
            direction: Direction::Shortest,
            ..OPTIONS
        };
        interpolate(image.view_mut(), mask.view_mut(), None, &options).expect("shapes agree");
        // A column of a plane is linear, and symmetric weights reproduce it.
        for (y, x) in bad {
            assert!((image[(y, x)] - (10 * y + x) as f32).abs() < 1e-4);
        }
    }

    #[test]
    fn variance_is_infinite_without_two_sides() {
        let (mut image, mut mask) = plane((1, 8), &[(0, 0), (0, 4)]);
        let mut variance = Array2::from_elem((1, 8), 4.0_f32);
        let options = Options {
            variance: VarianceRule::TwoSided,
            ..OPTIONS
        };
        let view = Some(variance.view_mut());
        interpolate(image.view_mut(), mask.view_mut(), view, &options).expect("shapes agree");
        assert_eq!(variance[(0, 0)], f32::INFINITY);
        assert!((variance[(0, 4)] - 4.0).abs() < 1e-6);
    }
}
