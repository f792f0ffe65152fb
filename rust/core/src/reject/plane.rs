// SPDX-License-Identifier: BSD-3-Clause
//! Planes of a cell: neighbours, derivatives, noise.

use crate::simd::dispatch;
use crate::stats::quantile;

/// Rows and columns of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub ny: usize,
    pub nx: usize,
}

impl Shape {
    pub fn area(self) -> usize {
        self.ny * self.nx
    }
}

/// Positions that a noise is measured from, about.
const SAMPLES: usize = 8192;

/// Fewest differences that make a noise.
const FEWEST: usize = 200;

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn max_of_rows_body(above: &[f32], here: &[f32], below: &[f32], out: &mut [f32]) {
    let n = out.len();
    let (a, h, b) = (&above[..n], &here[..n], &below[..n]);
    for i in 0..n {
        out[i] = larger(larger(a[i], h[i]), b[i]);
    }
}

#[inline(always)]
fn max_of_three_body(row: &[f32], out: &mut [f32]) {
    let n = out.len();
    let row = &row[..n + 2];
    for i in 0..n {
        out[i] = larger(larger(row[i], row[i + 1]), row[i + 2]);
    }
}

dispatch! {
    fn max_of_rows(above: &[f32], here: &[f32], below: &[f32], out: &mut [f32])
    = max_of_rows_body;
}
dispatch! {
    fn max_of_three(row: &[f32], out: &mut [f32]) = max_of_three_body;
}

/// Largest of the 3 x 3 pixels around each.
pub(super) fn max3(plane: &[f32], shape: Shape) -> Vec<f32> {
    let (ny, nx) = (shape.ny, shape.nx);
    let mut out = vec![0.0; plane.len()];
    if plane.is_empty() {
        return out;
    }
    let row = |y: usize| &plane[y * nx..(y + 1) * nx];
    let mut line = vec![0.0; nx + 2];
    for (y, to) in out.chunks_exact_mut(nx).enumerate() {
        let (above, below) = (row(y.saturating_sub(1)), row((y + 1).min(ny - 1)));
        max_of_rows(above, row(y), below, &mut line[1..=nx]);
        line[0] = line[1];
        line[nx + 1] = line[nx];
        max_of_three(&line, to);
    }
    out
}

/// Derivatives along y and x: central differences, one-sided at the border.
pub(super) fn gradient(plane: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let (ny, nx) = (shape.ny, shape.nx);
    let (mut gy, mut gx) = (vec![0.0; plane.len()], vec![0.0; plane.len()]);
    for y in 0..ny {
        let (a, b) = (y.saturating_sub(1), (y + 1).min(ny - 1));
        let across = (b - a).max(1) as f32;
        for x in 0..nx {
            let (c, d) = (x.saturating_sub(1), (x + 1).min(nx - 1));
            gy[y * nx + x] = (plane[b * nx + x] - plane[a * nx + x]) / across;
            gx[y * nx + x] = (plane[y * nx + d] - plane[y * nx + c]) / (d - c).max(1) as f32;
        }
    }
    (gy, gx)
}

/// True at every pixel within `steps` steps of a true one: steps to a side neighbour, and with
/// `corners` to a corner neighbour too.
pub(super) fn dilate(flags: &[bool], shape: Shape, steps: usize, corners: bool) -> Vec<bool> {
    let mut out = flags.to_vec();
    let mut front: Vec<usize> = (0..flags.len()).filter(|&p| flags[p]).collect();
    for _ in 0..steps {
        let mut next = Vec::new();
        for &p in &front {
            neighbours(p, shape, |q| {
                let side = p % shape.nx == q % shape.nx || p / shape.nx == q / shape.nx;
                if (side || corners) && !out[q] {
                    out[q] = true;
                    next.push(q);
                }
            });
        }
        front = next;
    }
    out
}

/// Calls with each of the (up to 8) pixels around pixel `p`.
pub(super) fn neighbours(p: usize, shape: Shape, mut each: impl FnMut(usize)) {
    let (y, x) = (p / shape.nx, p % shape.nx);
    for v in y.saturating_sub(1)..=(y + 1).min(shape.ny - 1) {
        for u in x.saturating_sub(1)..=(x + 1).min(shape.nx - 1) {
            if (v, u) != (y, x) {
                each(v * shape.nx + u);
            }
        }
    }
}

/// Pixels from one sample of a plane to the next; odd, so that columns take turns.
pub(super) fn stride(area: usize) -> usize {
    (area / SAMPLES) | 1
}

/// Noise of a plane from differences of pixels `lag` apart, by quartiles: blind to light that is
/// wider than that. Both pixels must be in `usable`. NaN where there are too few.
pub(super) fn lag_noise(
    plane: &[f32],
    shape: Shape,
    lag: usize,
    usable: impl Fn(usize) -> bool,
) -> f64 {
    let (ny, nx) = (shape.ny, shape.nx);
    let mut differences = Vec::with_capacity(2 * SAMPLES);
    for p in (0..plane.len()).step_by(stride(plane.len())) {
        if !usable(p) {
            continue;
        }
        for (inside, q) in [
            (p % nx + lag < nx, p + lag),
            (p / nx + lag < ny, p + lag * nx),
        ] {
            if inside && usable(q) {
                differences.push(f64::from(plane[q] - plane[p]));
            }
        }
    }
    if differences.len() <= FEWEST {
        return f64::NAN;
    }
    let low = quantile(&mut differences, 0.25);
    let high = quantile(&mut differences, 0.75);
    (high - low) / 1.349 / std::f64::consts::SQRT_2
}

/// Median; NaN of nothing. The values are reordered.
pub(super) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { ny: 3, nx: 4 };

    #[test]
    fn largest_neighbours_and_derivatives() {
        let plane = [0., 1., 2., 3., 4., 9., 6., 7., 8., 5., 1., 0.].map(|x: f64| x as f32);
        let want = [9., 9., 9., 7., 9., 9., 9., 7., 9., 9., 9., 7.].map(|x: f64| x as f32);
        assert_eq!(max3(&plane, SHAPE), want);
        let (gy, gx) = gradient(&plane, SHAPE);
        assert_eq!((gy[0], gy[5], gy[11]), (4.0, 2.0, -7.0));
        assert_eq!((gx[0], gx[5], gx[11]), (1.0, 1.0, -1.0));
        let one = Shape { ny: 1, nx: 1 };
        assert_eq!(max3(&[3.0], one), [3.0]);
        assert_eq!(gradient(&[3.0], one), (vec![0.0], vec![0.0]));
        assert!(max3(&[], Shape { ny: 0, nx: 0 }).is_empty());
    }

    #[test]
    fn dilation_by_a_cross_and_by_a_square() {
        let shape = Shape { ny: 5, nx: 5 };
        let mut flags = vec![false; 25];
        flags[12] = true;
        let count = |steps, corners| {
            let grown = dilate(&flags, shape, steps, corners);
            grown.iter().filter(|&&f| f).count()
        };
        assert_eq!(
            [count(0, true), count(1, false), count(2, false)],
            [1, 5, 13]
        );
        assert_eq!([count(1, true), count(9, true)], [9, 25]);
    }

    #[test]
    fn noise_is_measured_beside_a_gradient() {
        let shape = Shape { ny: 200, nx: 210 };
        let mut seed = 1_u64;
        let mut uniform = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as f32 / 16_777_216.0 - 0.5
        };
        let plane: Vec<f32> = (0..shape.area())
            .map(|p| 0.001 * (p % 210) as f32 + (0..12).map(|_| uniform()).sum::<f32>())
            .collect();
        let noise = lag_noise(&plane, shape, 5, |p| p % 7 != 0);
        // 12 uniform numbers: variance 1; 12,000 differences: 1 % expected scatter.
        assert!((noise - 1.0).abs() < 0.05, "{noise}");
        assert!(lag_noise(&plane, shape, 5, |p| p < 300).is_nan());
    }
}
