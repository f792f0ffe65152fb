// SPDX-License-Identifier: BSD-3-Clause
//! Convolution with the outer product of two rows of taps.
//!
//! Each sum has a fixed order, so that the bits depend neither on the bands and blocks that the
//! work is cut into nor on the lanes.

use super::spread::Spread;
use super::sums::Sums;
use super::sweep::sweep;
use crate::error::{Error, Result};
use crate::par;
use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2, Axis, Ix2, RawData, s};

/// Rows of a job, at least: a job filters `taps - 1` rows more than it puts out.
const BAND: usize = 64;

/// Planes of one image; rows may be strided, columns must be contiguous.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    /// Pixels.
    pub image: ArrayView2<'a, f32>,
    /// Mask words.
    pub mask: Option<ArrayView2<'a, i32>>,
    /// Variances.
    pub variance: Option<ArrayView2<'a, f32>>,
}

/// Planes to write, those of [`Planes`] less the rim that the kernel needs.
#[derive(Debug)]
pub struct PlanesMut<'a> {
    /// Sum of pixels times taps.
    pub image: ArrayViewMut2<'a, f32>,
    /// OR of the mask words under taps that are not 0.
    pub mask: Option<ArrayViewMut2<'a, i32>>,
    /// Sum of variances times squared taps.
    pub variance: Option<ArrayViewMut2<'a, f32>>,
}

/// Convolves an image with `taps_y` (outer) `taps_x`, its variance with the squares of them.
///
/// `out` is smaller than `input` by one pixel less than there are taps, along each axis; its first
/// pixel lies `(len - 1) / 2` pixels inside, rounded down. NaN and infinities spread to all
/// pixels within the kernel.
pub fn separable<'a>(
    input: &Planes<'a>,
    taps_y: &[f64],
    taps_x: &[f64],
    out: PlanesMut<'a>,
) -> Result<()> {
    check(input, taps_y, taps_x, &out)?;
    if out.image.is_empty() {
        return Ok(());
    }
    let [squares_y, squares_x] = [taps_y, taps_x].map(squares);
    par::map(bands(input, taps_y.len(), out), |(input, out)| {
        let columns = out.image.ncols();
        let mut sums = Sums::new(taps_y, taps_x, columns);
        sweep(&mut sums, input.image, out.image);
        if let (Some(from), Some(to)) = (input.variance, out.variance) {
            let mut sums = Sums::new(&squares_y, &squares_x, columns);
            sweep(&mut sums, from, to);
        }
        if let (Some(from), Some(to)) = (input.mask, out.mask) {
            sweep(&mut Spread::new(taps_y, taps_x), from, to);
        }
    });
    Ok(())
}

fn squares(taps: &[f64]) -> Vec<f64> {
    taps.iter().map(|t| t * t).collect()
}

/// Cuts the rows into jobs.
fn bands<'a>(
    input: &Planes<'a>,
    taps: usize,
    out: PlanesMut<'a>,
) -> Vec<(Planes<'a>, PlanesMut<'a>)> {
    let mut jobs = Vec::new();
    let threads = par::num_threads();
    let parts = if threads > 1 { 4 * threads } else { 1 };
    let band = out.image.nrows().div_ceil(parts).max(BAND);
    let (mut rest, mut first) = (Some(out), 0);
    while let Some(PlanesMut {
        image,
        mask,
        variance,
    }) = rest.take()
    {
        let rows = band.min(image.nrows());
        let whole = rows == image.nrows();
        let stop = first + rows + taps - 1;
        let (image, image_rest) = image.split_at(Axis(0), rows);
        let (mask, mask_rest) = mask.map(|m| m.split_at(Axis(0), rows)).unzip();
        let (variance, variance_rest) = variance.map(|v| v.split_at(Axis(0), rows)).unzip();
        let covered = Planes {
            image: input.image.slice_move(s![first..stop, ..]),
            mask: input.mask.map(|m| m.slice_move(s![first..stop, ..])),
            variance: input.variance.map(|v| v.slice_move(s![first..stop, ..])),
        };
        let here = PlanesMut {
            image,
            mask,
            variance,
        };
        jobs.push((covered, here));
        first += rows;
        if !whole {
            rest = Some(PlanesMut {
                image: image_rest,
                mask: mask_rest,
                variance: variance_rest,
            });
        }
    }
    jobs
}

fn check(input: &Planes, taps_y: &[f64], taps_x: &[f64], out: &PlanesMut) -> Result<()> {
    for (name, taps) in [("taps_y", taps_y), ("taps_x", taps_x)] {
        if let Some(bad) = taps.iter().find(|t| !t.is_finite()) {
            return Err(Error::option(name, bad, "finite"));
        }
        if taps.is_empty() {
            return Err(Error::shape(name, "none", "at least one"));
        }
    }
    let shape = input.image.dim();
    let kernel = (taps_y.len(), taps_x.len());
    if shape.0 < kernel.0 || shape.1 < kernel.1 {
        let allowed = format!("at least {kernel:?}, the shape of the kernel");
        return Err(Error::shape("image", format!("{shape:?}"), allowed));
    }
    let inside = (shape.0 + 1 - kernel.0, shape.1 + 1 - kernel.1);
    plane("image", Some(&input.image), shape)?;
    plane("mask", input.mask.as_ref(), shape)?;
    plane("variance", input.variance.as_ref(), shape)?;
    plane("out.image", Some(&out.image), inside)?;
    plane("out.mask", out.mask.as_ref(), inside)?;
    plane("out.variance", out.variance.as_ref(), inside)?;
    for (name, from, to) in [
        ("out.mask", input.mask.is_some(), out.mask.is_some()),
        (
            "out.variance",
            input.variance.is_some(),
            out.variance.is_some(),
        ),
    ] {
        if to && !from {
            return Err(Error::option(name, "an array", "none without an input"));
        }
    }
    Ok(())
}

fn plane<S: RawData>(
    name: &'static str,
    array: Option<&ArrayBase<S, Ix2>>,
    want: (usize, usize),
) -> Result<()> {
    let Some(array) = array else {
        return Ok(());
    };
    if array.dim() != want {
        return Err(Error::shape(
            name,
            format!("{:?}", array.dim()),
            format!("{want:?}"),
        ));
    }
    if array.strides()[1] != 1 && want.1 > 1 {
        return Err(Error::shape(name, "strided columns", "contiguous columns"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, set_level};
    use ndarray::Array2;

    fn smoothed(image: &Array2<f32>, taps_y: &[f64], taps_x: &[f64]) -> Array2<f32> {
        let (h, w) = image.dim();
        let mut out = Array2::zeros((h + 1 - taps_y.len(), w + 1 - taps_x.len()));
        let input = Planes {
            image: image.view(),
            mask: None,
            variance: None,
        };
        let to = PlanesMut {
            image: out.view_mut(),
            mask: None,
            variance: None,
        };
        separable(&input, taps_y, taps_x, to).expect("shapes agree");
        out
    }

    #[test]
    fn a_point_shows_the_kernel_from_behind() {
        let mut image = Array2::zeros((5, 7));
        image[(2, 3)] = 2.0;
        let out = smoothed(&image, &[1.0, 0.0, 3.0], &[0.5, 0.25]);
        assert_eq!(out.dim(), (3, 6));
        let mut want = Array2::zeros((3, 6));
        for (y, ty) in [(2, 1.0), (0, 3.0)] {
            for (x, tx) in [(3, 0.5), (2, 0.25)] {
                want[(y, x)] = (2.0 * ty * tx) as f32;
            }
        }
        assert_eq!(out, want);
    }

    #[test]
    fn nan_spreads_but_not_through_a_tap_of_zero() {
        let mut image = Array2::from_elem((70, 300), 1.0);
        image[(35, 150)] = f32::NAN;
        let out = smoothed(&image, &[0.5, 0.0, 0.5], &[0.25; 4]);
        for ((y, x), value) in out.indexed_iter() {
            let bad = (y == 35 || y == 33) && (147..=150).contains(&x);
            assert_eq!(value.is_nan(), bad, "{y} {x}");
        }
    }

    #[test]
    fn levels_and_threads_give_the_same_bits() {
        let image = Array2::from_shape_fn((155, 1333), |(y, x)| ((y * 1333 + x) as f32).sin());
        let taps: Vec<f64> = (1..12).map(|i| f64::from(i).sqrt()).collect();
        par::set_num_threads(1);
        let want = smoothed(&image, &taps, &taps[1..]);
        for level in Level::ALL {
            set_level(level);
            for threads in [1, 2, 3] {
                par::set_num_threads(threads);
                assert_eq!(smoothed(&image, &taps, &taps[1..]), want);
            }
        }
        par::set_num_threads(0);
    }
}
