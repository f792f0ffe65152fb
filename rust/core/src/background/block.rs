// SPDX-License-Identifier: BSD-3-Clause
//! Images whose pixels are means of blocks of pixels.

use crate::error::{Error, Result};
use crate::par;
use ndarray::{Array2, ArrayView2, s};

/// The planes of a masked image.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    /// Pixels.
    pub image: ArrayView2<'a, f32>,
    /// Mask words.
    pub mask: ArrayView2<'a, i32>,
    /// Variances.
    pub variance: ArrayView2<'a, f32>,
}

impl Planes<'_> {
    fn check(&self) -> Result<()> {
        let want = self.image.dim();
        for (name, got) in [("mask", self.mask.dim()), ("variance", self.variance.dim())] {
            if got != want {
                let allowed = format!("{want:?} like the image");
                return Err(Error::shape(name, format!("{got:?}"), allowed));
            }
        }
        Ok(())
    }

    fn rows(&self, first: usize, n: usize) -> Self {
        let part = s![first..first + n, ..];
        Self {
            image: self.image.slice_move(part),
            mask: self.mask.slice_move(part),
            variance: self.variance.slice_move(part),
        }
    }
}

/// Image, mask and variance of blocks of `(by, bx)` pixels; what is left over is dropped.
///
/// The mask is the OR of the block, the variance the sum of the variances over the square of the
/// number of pixels. Without `ignore` every pixel counts, NaN included, and sums are of f32, along
/// the rows and then down. With `ignore` pixels that have a bit of it or are not finite in image or
/// variance are left out, of the mask too, and a block without pixels is NaN with the OR of all
/// mask words.
pub fn bin_image(
    planes: Planes<'_>,
    (by, bx): (usize, usize),
    ignore: Option<i32>,
) -> Result<(Array2<f32>, Array2<i32>, Array2<f32>)> {
    planes.check()?;
    if by == 0 || bx == 0 {
        return Err(Error::option(
            "block",
            format!("{:?}", (by, bx)),
            "at least (1, 1)",
        ));
    }
    let (height, width) = planes.image.dim();
    let (ny, nx) = (height / by, width / bx);
    let row = |j: usize| {
        let planes = planes.rows(j * by, by);
        let cell = |i: usize| match ignore {
            None => all(planes, i * bx..(i + 1) * bx),
            Some(bits) => good(planes, i * bx..(i + 1) * bx, bits),
        };
        (0..nx).map(cell).collect::<Vec<_>>()
    };
    let mut out = (
        Array2::zeros((ny, nx)),
        Array2::zeros((ny, nx)),
        Array2::zeros((ny, nx)),
    );
    for (j, row) in par::map((0..ny).collect(), row).into_iter().enumerate() {
        for (i, (value, word, variance)) in row.into_iter().enumerate() {
            (out.0[(j, i)], out.1[(j, i)], out.2[(j, i)]) = (value, word, variance);
        }
    }
    Ok(out)
}

fn all(planes: Planes<'_>, columns: std::ops::Range<usize>) -> (f32, i32, f32) {
    let (mut value, mut word, mut variance) = (0.0_f32, 0, 0.0_f32);
    let height = planes.image.nrows();
    for y in 0..height {
        let (mut sum, mut squares) = (0.0_f32, 0.0_f32);
        for x in columns.clone() {
            sum += planes.image[(y, x)];
            squares += planes.variance[(y, x)];
            word |= planes.mask[(y, x)];
        }
        value += sum;
        variance += squares;
    }
    let n = (height * columns.len()) as f32;
    (value / n, word, variance / (n * n))
}

fn good(planes: Planes<'_>, columns: std::ops::Range<usize>, bits: i32) -> (f32, i32, f32) {
    let (mut value, mut word, mut variance) = (0.0_f64, 0, 0.0_f64);
    let (mut n, mut any) = (0.0_f64, 0);
    for y in 0..planes.image.nrows() {
        for x in columns.clone() {
            let (pixel, square) = (planes.image[(y, x)], planes.variance[(y, x)]);
            let here = planes.mask[(y, x)];
            any |= here;
            if here & bits == 0 && pixel.is_finite() && square.is_finite() {
                value += f64::from(pixel);
                variance += f64::from(square);
                word |= here;
                n += 1.0;
            }
        }
    }
    if n == 0.0 {
        (f32::NAN, any, f32::NAN)
    } else {
        ((value / n) as f32, word, (variance / (n * n)) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn blocks_by_hand() {
        let image = arr2(&[[1.0, 3.0, f32::NAN, 1.0, 9.0], [5.0, 7.0, 4.0, 6.0, 9.0]]);
        let mask = arr2(&[[1, 0, 2, 0, 8], [0, 4, 0, 0, 8]]);
        let variance = Array2::from_elem((2, 5), 4.0);
        let planes = Planes {
            image: image.view(),
            mask: mask.view(),
            variance: variance.view(),
        };
        let (value, word, square) = bin_image(planes, (2, 2), None).expect("valid");
        assert_eq!(value[(0, 0)], 4.0);
        assert!(value[(0, 1)].is_nan());
        assert_eq!((word[(0, 0)], word[(0, 1)]), (5, 2));
        assert_eq!(square, arr2(&[[1.0, 1.0]]));
        let (value, word, square) = bin_image(planes, (2, 2), Some(4)).expect("valid");
        assert_eq!(value, arr2(&[[3.0, 11.0 / 3.0]]));
        assert_eq!(word, arr2(&[[1, 0]]));
        assert_eq!(square, arr2(&[[4.0 / 3.0, 4.0 / 3.0]]));
        let (value, word, _) = bin_image(planes, (1, 1), Some(1)).expect("valid");
        assert!(value[(0, 0)].is_nan() && word[(0, 0)] == 1);
        assert!(bin_image(planes, (0, 2), None).is_err());
    }
}
