// SPDX-License-Identifier: BSD-3-Clause
//! Images of Chebyshev polynomials in two variables.

use super::render::{Blend, rows};
use crate::error::{Error, Result};
use crate::simd::dispatch;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Pixels side by side.
const LANES: usize = 16;
/// Rows that share one reading of the table of polynomials.
const ROWS: usize = 4;

/// Writes `sum f[j, i] T_j(y') T_i(x')` at the pixels of `out`.
///
/// x' goes from -1 to 1 between the outer edges of an axis of `lengths` (y, x) pixels; `first` is
/// the pixel of `out[0, 0]`, counted from the first of these.
pub fn chebyshev(
    factors: ArrayView2<f64>,
    lengths: (usize, usize),
    first: (f64, f64),
    blend: Blend,
    mut out: ArrayViewMut2<f32>,
) -> Result<()> {
    let (n, terms) = factors.dim();
    if n == 0 || terms == 0 || lengths.0 == 0 || lengths.1 == 0 {
        let got = format!("{:?} of {lengths:?} pixels", factors.dim());
        return Err(Error::shape("factors", got, "at least (1, 1) of (1, 1)"));
    }
    let (height, width) = (lengths.0 as f64, lengths.1 as f64);
    let table = basis(terms, 2.0 * first.1 + 1.0 - width, 1.0 / width, out.ncols());
    let width = out.ncols();
    let along_x = |y: usize, line: &mut [f64]| {
        let along = (2.0 * (first.0 + y as f64) + 1.0 - height) / height;
        for (i, factor) in line.iter_mut().enumerate() {
            let (mut one, mut two) = (0.0, 0.0);
            for j in (1..n).rev() {
                (one, two) = (factors[(j, i)] + 2.0 * along * one - two, one);
            }
            *factor = factors[(0, i)] + along * one - two;
        }
    };
    let write = |ahead: &mut Ahead, y: usize, row: &mut [f32]| {
        let k = y % ROWS;
        // Rows come in order, from the first of a band on.
        if k == 0 {
            ahead.lines.resize(ROWS * terms, 0.0);
            ahead.pixels.resize(ROWS * width, 0.0);
            for (r, line) in ahead.lines.chunks_exact_mut(terms).enumerate() {
                along_x(y + r, line);
            }
            combine(&ahead.lines, &table, width, &mut ahead.pixels);
        }
        row.copy_from_slice(&ahead.pixels[k * width..(k + 1) * width]);
        Ok(())
    };
    rows(&mut out, blend, || Ok(Ahead::default()), write)
}

/// Rows that are computed together.
#[derive(Default)]
struct Ahead {
    lines: Vec<f64>,
    pixels: Vec<f32>,
}

/// `T_0`, `T_1`, ... at n places, one after the other. Places are (start + 2 i) unit: whole numbers
/// times a unit, so that parts have the bits of the whole.
fn basis(terms: usize, start: f64, unit: f64, n: usize) -> Vec<f64> {
    let mut table = vec![1.0; terms * n];
    for i in 0..n {
        let x = (start + 2.0 * i as f64) * unit;
        if terms > 1 {
            table[n + i] = x;
        }
        for k in 2..terms {
            table[k * n + i] = 2.0 * x * table[(k - 1) * n + i] - table[(k - 2) * n + i];
        }
    }
    table
}

/// Sums at `N` pixels of each row, from pixel `start` on; the count is known when this is compiled.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops are what `dispatch` compiles for each level
fn combine_some<const N: usize>(
    lines: &[f64],
    table: &[f64],
    (width, start): (usize, usize),
    out: &mut [f32],
) {
    let terms = table.len() / width;
    // One array a row: an array of arrays may stay in memory.
    let [mut sums0, mut sums1, mut sums2, mut sums3] = [[0.0; N]; ROWS];
    for k in 0..terms {
        let values = &table[k * width + start..k * width + start + N];
        let (factor0, factor1) = (lines[k], lines[terms + k]);
        let (factor2, factor3) = (lines[2 * terms + k], lines[3 * terms + k]);
        for i in 0..N {
            sums0[i] += factor0 * values[i];
            sums1[i] += factor1 * values[i];
            sums2[i] += factor2 * values[i];
            sums3[i] += factor3 * values[i];
        }
    }
    put(&sums0, &mut out[start..start + N]);
    put(&sums1, &mut out[width + start..width + start + N]);
    put(&sums2, &mut out[2 * width + start..2 * width + start + N]);
    put(&sums3, &mut out[3 * width + start..3 * width + start + N]);
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn put<const N: usize>(sums: &[f64; N], row: &mut [f32]) {
    for i in 0..N {
        row[i] = sums[i] as f32;
    }
}

#[inline(always)]
fn combine_body(lines: &[f64], table: &[f64], width: usize, out: &mut [f32]) {
    let mut done = 0;
    while done + LANES <= width {
        combine_some::<LANES>(lines, table, (width, done), out);
        done += LANES;
    }
    while done < width {
        combine_some::<1>(lines, table, (width, done), out);
        done += 1;
    }
}

dispatch! {
    /// Sums of factors times the rows of a table, for `ROWS` lines of factors.
    fn combine(lines: &[f64], table: &[f64], width: usize, out: &mut [f32]) = combine_body;
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, arr2, s};

    #[test]
    fn a_published_value_and_parts() {
        let factors = arr2(&[[1.0, 2.0, 4.0], [3.0, 5.0, 0.0], [6.0, 0.0, 0.0]]);
        let mut whole = Array2::zeros((20, 10));
        let paint = |first, out: ArrayViewMut2<f32>| {
            chebyshev(factors.view(), (20, 10), first, Blend::Replace, out).expect("valid");
        };
        paint((0.0, 0.0), whole.view_mut());
        assert!((whole[(7, 3)] + 8.505).abs() < 1e-6, "{}", whole[(7, 3)]);
        let mut part = Array2::zeros((5, 4));
        paint((6.0, 2.0), part.view_mut());
        let want = whole.slice(s![6..11, 2..6]);
        assert_eq!(part, want);
    }

    #[test]
    fn no_terms() {
        let nothing = Array2::zeros((0, 0));
        let mut out = Array2::zeros((2, 2));
        assert!(
            chebyshev(
                nothing.view(),
                (2, 2),
                (0.0, 0.0),
                Blend::Replace,
                out.view_mut()
            )
            .is_err()
        );
    }
}
