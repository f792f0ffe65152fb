// SPDX-License-Identifier: BSD-3-Clause
//! Warps of small images by affine maps.

use super::taps::{Kernel, MAX_TAPS};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};

/// An affine map of positions: `x' = m[0] x + m[1] y + m[2]`, `y' = m[3] x + m[4] y + m[5]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub [f64; 6]);

impl Affine {
    /// Image of a position (x, y).
    #[must_use]
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        let m = &self.0;
        (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5])
    }
}

/// Resamples an image: pixel (column, row) of `out` is interpolated at `inverse(column, row)`, a
/// position in columns and rows of `source`.
///
/// Beyond its edges the source is 0 for `pad` pixels. Where the taps leave even that, the output is
/// 0. Taps are divided by their sum, the flux is not scaled by the area of a pixel. A pixel of the
/// source that is not finite spoils the output under its taps.
///
/// # Errors
///
/// An element of the map is not finite.
pub fn resample(
    source: ArrayView2<f64>,
    inverse: &Affine,
    kernel: Kernel,
    pad: usize,
    mut out: ArrayViewMut2<f64>,
) -> Result<()> {
    for element in inverse.0 {
        if !element.is_finite() {
            return Err(Error::option("inverse", element, "finite numbers"));
        }
    }
    let (ny, nx) = source.dim();
    let (width, center, pad) = (kernel.width(), kernel.center(), pad as f64);
    // Largest whole position whose taps still lie inside of the padded source.
    let low = center as f64 - pad;
    let high = |n: usize| n as f64 + pad - width as f64 + center as f64;
    let (high_x, high_y) = (high(nx), high(ny));
    let (mut taps_x, mut taps_y) = ([0.0; MAX_TAPS], [0.0; MAX_TAPS]);
    for ((row, column), value) in out.indexed_iter_mut() {
        let (x, y) = inverse.apply(column as f64, row as f64);
        let (whole_x, whole_y) = (x.floor(), y.floor());
        *value = 0.0;
        if !(whole_x >= low && whole_x <= high_x && whole_y >= low && whole_y <= high_y) {
            continue;
        }
        let sum_x = kernel.fill(x - whole_x, &mut taps_x);
        let sum_y = kernel.fill(y - whole_y, &mut taps_y);
        let first_x = whole_x as i64 - center as i64;
        let first_y = whole_y as i64 - center as i64;
        let mut total = 0.0;
        for (i, tap_y) in taps_y.iter().enumerate().take(width) {
            let Some(j) = index(first_y + i as i64, ny) else {
                continue;
            };
            let mut line = 0.0;
            for (k, tap_x) in taps_x.iter().enumerate().take(width) {
                if let Some(l) = index(first_x + k as i64, nx) {
                    line += tap_x * source[(j, l)];
                }
            }
            total += tap_y * line;
        }
        *value = total / (sum_x * sum_y);
    }
    Ok(())
}

/// Index as one of an axis of `n` pixels; None beyond its ends.
fn index(i: i64, n: usize) -> Option<usize> {
    usize::try_from(i).ok().filter(|&i| i < n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    const IDENTITY: Affine = Affine([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);

    fn image(ny: usize, nx: usize) -> Array2<f64> {
        Array2::from_shape_fn((ny, nx), |(y, x)| ((3 * y + 7 * x) % 11) as f64 - 4.0)
    }

    #[test]
    fn whole_pixel_shifts_are_exact() {
        let source = image(6, 9);
        for (dx, dy) in [(0_i64, 0_i64), (2, -1), (-3, 2)] {
            let map = Affine([1.0, 0.0, dx as f64, 0.0, 1.0, dy as f64]);
            for kernel in [Kernel::Lanczos(3), Kernel::Bilinear, Kernel::Nearest] {
                let mut out = Array2::from_elem((6, 9), f64::NAN);
                resample(source.view(), &map, kernel, 9, out.view_mut()).expect("finite");
                for ((y, x), &got) in out.indexed_iter() {
                    let from = (index(y as i64 + dy, 6), index(x as i64 + dx, 9));
                    let want = match from {
                        (Some(j), Some(i)) => source[(j, i)],
                        _ => 0.0,
                    };
                    assert_eq!(got, want, "{kernel:?} {y} {x}");
                }
            }
        }
    }

    #[test]
    fn a_constant_stays_constant_inside() {
        let source = Array2::from_elem((20, 20), 2.5);
        let map = Affine([0.9, 0.3, 3.3, -0.2, 0.8, 5.7]);
        let mut out = Array2::zeros((9, 9));
        for kernel in [Kernel::Lanczos(4), Kernel::Lanczos(5), Kernel::Bilinear] {
            resample(source.view(), &map, kernel, 0, out.view_mut()).expect("finite");
            for ((row, column), &value) in out.indexed_iter() {
                let (x, y) = map.apply(column as f64, row as f64);
                let edge = kernel.center() as f64;
                let inside = |p: f64| p.floor() >= edge && p.floor() <= 20.0 - edge - 2.0;
                let want = if inside(x) && inside(y) { 2.5 } else { 0.0 };
                assert!(
                    (value - want).abs() < 1e-14,
                    "{kernel:?} {row} {column} {value}"
                );
            }
        }
    }

    #[test]
    fn taps_beyond_the_padding_leave_nothing() {
        let source = Array2::from_elem((1, 1), 1.0);
        let mut out = Array2::from_elem((1, 40), f64::NAN);
        let map = Affine([1.0, 0.0, -20.0, 0.0, 1.0, 0.0]);
        for pad in 0..8 {
            resample(source.view(), &map, Kernel::Lanczos(3), pad, out.view_mut()).expect("finite");
            assert_eq!(out.sum(), f64::from(pad >= 3), "{pad}");
        }
        let bad = Affine([f64::NAN, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let error = resample(source.view(), &bad, Kernel::Bilinear, 2, out.view_mut());
        assert!(error.expect_err("NaN").to_string().contains("inverse"));
        let empty = Array2::zeros((0, 3));
        resample(empty.view(), &IDENTITY, Kernel::Bilinear, 2, out.view_mut()).expect("finite");
        assert_eq!(out.sum(), 0.0);
    }
}
