// SPDX-License-Identifier: BSD-3-Clause
//! Convolution with the outer product of two rows of taps.
//!
//! Sums are f64 and rounded to f32 once, after both axes, and each has a fixed order, so that the
//! bits depend neither on the bands and blocks that the work is cut into nor on the lanes.

use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2, Axis, Ix2, RawData, s};

/// Sums that are kept in registers side by side; of mask words, twice as many.
const LANES: usize = 32;

/// Columns worked on at a time: the rows that a kernel of 21 taps needs fill the first cache.
const BLOCK: usize = 8 * LANES;

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

/// Pixels that can be filtered along a row and then along a column.
trait Filtered: Copy + Sync + Send {
    /// What sums are kept in.
    type Sum: Copy + Default;
    /// Fills the first `row.len()` sums.
    fn widen(row: &[Self], sums: &mut [Self::Sum]);
    /// `out[i]` = combination of `source[offset + i]` over taps, for the [`BLOCK`] of all i.
    fn combine(source: &[Self::Sum], offsets: &[usize], taps: &[f64], out: &mut [Self::Sum]);
    /// Writes the first `row.len()` sums.
    fn narrow(sums: &[Self::Sum], row: &mut [Self]);
}

#[inline(always)]
fn widen_body(row: &[f32], sums: &mut [f64]) {
    for (sum, &x) in sums.iter_mut().zip(row) {
        *sum = f64::from(x);
    }
}

#[inline(always)]
fn narrow_body(sums: &[f64], row: &mut [f32]) {
    for (x, &sum) in row.iter_mut().zip(sums) {
        *x = sum as f32;
    }
}

#[inline(always)]
fn add_body(source: &[f64], offsets: &[usize], taps: &[f64], out: &mut [f64]) {
    let (chunks, _) = out.as_chunks_mut::<LANES>();
    let mut at = 0;
    for chunk in chunks {
        let mut sums = [0.0; LANES];
        for k in 0..taps.len() {
            // A reference to an array needs one check of bounds for all lanes.
            if let Some(rest) = source.get(offsets[k] + at..)
                && let Some(from) = rest.first_chunk::<LANES>()
            {
                for i in 0..LANES {
                    sums[i] += taps[k] * from[i];
                }
            }
        }
        *chunk = sums;
        at += LANES;
    }
}

#[inline(always)]
fn or_body(source: &[i32], offsets: &[usize], out: &mut [i32]) {
    let (chunks, _) = out.as_chunks_mut::<{ 2 * LANES }>();
    let mut at = 0;
    for chunk in chunks {
        let mut words = [0; 2 * LANES];
        for &offset in offsets {
            if let Some(rest) = source.get(offset + at..)
                && let Some(from) = rest.first_chunk::<{ 2 * LANES }>()
            {
                for i in 0..2 * LANES {
                    words[i] |= from[i];
                }
            }
        }
        *chunk = words;
        at += 2 * LANES;
    }
}

dispatch! {
    fn widen(row: &[f32], sums: &mut [f64]) = widen_body;
}
dispatch! {
    fn narrow(sums: &[f64], row: &mut [f32]) = narrow_body;
}
dispatch! {
    fn add(source: &[f64], offsets: &[usize], taps: &[f64], out: &mut [f64]) = add_body;
}
dispatch! {
    fn or(source: &[i32], offsets: &[usize], out: &mut [i32]) = or_body;
}

impl Filtered for f32 {
    type Sum = f64;

    fn widen(row: &[Self], sums: &mut [f64]) {
        widen(row, sums);
    }

    fn combine(source: &[f64], offsets: &[usize], taps: &[f64], out: &mut [f64]) {
        debug_assert!(offsets.iter().all(|o| o + out.len() <= source.len()));
        add(source, offsets, taps, out);
    }

    fn narrow(sums: &[f64], row: &mut [Self]) {
        narrow(sums, row);
    }
}

impl Filtered for i32 {
    type Sum = Self;

    fn widen(row: &[Self], sums: &mut [Self]) {
        sums[..row.len()].copy_from_slice(row);
    }

    fn combine(source: &[Self], offsets: &[usize], _: &[f64], out: &mut [Self]) {
        debug_assert!(offsets.iter().all(|o| o + out.len() <= source.len()));
        or(source, offsets, out);
    }

    fn narrow(sums: &[Self], row: &mut [Self]) {
        row.copy_from_slice(&sums[..row.len()]);
    }
}

/// Taps of one axis that are not 0, for those must spread neither NaN nor mask bits.
struct Taps {
    width: usize,
    places: Vec<usize>,
    values: Vec<f64>,
}

impl Taps {
    fn new(taps: impl ExactSizeIterator<Item = f64>) -> Self {
        let width = taps.len();
        let (places, values) = taps.enumerate().filter(|&(_, tap)| tap != 0.0).unzip();
        Self {
            width,
            places,
            values,
        }
    }
}

/// Taps of both axes.
struct Kernel {
    y: Taps,
    x: Taps,
}

impl Kernel {
    fn new(y: &[f64], x: &[f64]) -> Self {
        Self {
            y: Taps::new(y.iter().copied()),
            x: Taps::new(x.iter().copied()),
        }
    }

    fn squared(y: &[f64], x: &[f64]) -> Self {
        Self {
            y: Taps::new(y.iter().map(|t| t * t)),
            x: Taps::new(x.iter().map(|t| t * t)),
        }
    }

    /// Filters the rows of `input`, which are those of `out` and `y.width - 1` more.
    fn apply<T: Filtered>(&self, input: ArrayView2<T>, mut out: ArrayViewMut2<T>) {
        let (ny, nx) = (self.y.width, self.x.width);
        let mut line = vec![T::Sum::default(); BLOCK + nx - 1];
        // The last `ny` rows, filtered along x.
        let mut ring = vec![T::Sum::default(); ny * BLOCK];
        let mut sums = vec![T::Sum::default(); BLOCK];
        let mut offsets = vec![0; self.y.places.len()];
        for start in (0..out.ncols()).step_by(BLOCK) {
            let stop = (start + BLOCK).min(out.ncols());
            for r in 0..input.nrows() {
                let row = input.slice_move(s![r, start..stop + nx - 1]);
                T::widen(row.as_slice().unwrap_or(&[]), &mut line);
                let filtered = &mut ring[r % ny * BLOCK..][..BLOCK];
                T::combine(&line, &self.x.places, &self.x.values, filtered);
                let Some(y) = (r + 1).checked_sub(ny) else {
                    continue;
                };
                for (offset, place) in offsets.iter_mut().zip(&self.y.places) {
                    *offset = (y + place) % ny * BLOCK;
                }
                T::combine(&ring, &offsets, &self.y.values, &mut sums);
                if let Some(to) = out.slice_mut(s![y, start..stop]).as_slice_mut() {
                    T::narrow(&sums, to);
                }
            }
        }
    }
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
    let kernel = Kernel::new(taps_y, taps_x);
    let squared = Kernel::squared(taps_y, taps_x);
    par::map(bands(input, taps_y.len(), out), |(input, out)| {
        kernel.apply(input.image, out.image);
        if let (Some(from), Some(to)) = (input.variance, out.variance) {
            squared.apply(from, to);
        }
        if let (Some(from), Some(to)) = (input.mask, out.mask) {
            kernel.apply(from, to);
        }
    });
    Ok(())
}

/// Cuts the rows into jobs.
fn bands<'a>(
    input: &Planes<'a>,
    taps: usize,
    out: PlanesMut<'a>,
) -> Vec<(Planes<'a>, PlanesMut<'a>)> {
    let mut jobs = Vec::new();
    let band = out.image.nrows().div_ceil(4 * par::num_threads()).max(BAND);
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
        let image = Array2::from_shape_fn((301, 333), |(y, x)| ((y * 333 + x) as f32).sin());
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
