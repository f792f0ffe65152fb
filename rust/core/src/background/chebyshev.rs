// SPDX-License-Identifier: BSD-3-Clause
//! Images of Chebyshev polynomials in two variables.

use super::render::{Blend, rows};
use crate::error::{Error, Result};
use crate::simd::dispatch;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Pixels side by side.
const LANES: usize = 16;

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
    // Twice the distance from the middle: whole numbers, so that parts have the bits of the whole.
    let start = 2.0 * first.1 + 1.0 - width;
    let write = |line: &mut Vec<f64>, y: usize, row: &mut [f32]| {
        let along = (2.0 * (first.0 + y as f64) + 1.0 - height) / height;
        line.clear();
        for i in 0..terms {
            let (mut one, mut two) = (0.0, 0.0);
            for j in (1..n).rev() {
                (one, two) = (factors[(j, i)] + 2.0 * along * one - two, one);
            }
            line.push(factors[(0, i)] + along * one - two);
        }
        clenshaw(line, start, 1.0 / width, row);
        Ok(())
    };
    rows(&mut out, blend, || Ok(Vec::new()), write)
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops are what `dispatch` compiles for each level
fn clenshaw_body(factors: &[f64], start: f64, unit: f64, out: &mut [f32]) {
    let mut done = 0;
    while done < out.len() {
        let n = (out.len() - done).min(LANES);
        let mut x = [0.0; LANES];
        for k in 0..LANES {
            x[k] = (start + f64::from(2 * (done + k) as i32)) * unit;
        }
        let (mut one, mut two) = ([0.0; LANES], [0.0; LANES]);
        let mut i = factors.len() - 1;
        while i > 0 {
            let factor = factors[i];
            for k in 0..LANES {
                let next = factor + (x[k] + x[k]) * one[k] - two[k];
                two[k] = one[k];
                one[k] = next;
            }
            i -= 1;
        }
        let mut values = [0.0_f32; LANES];
        for k in 0..LANES {
            values[k] = (factors[0] + x[k] * one[k] - two[k]) as f32;
        }
        out[done..done + n].copy_from_slice(&values[..n]);
        done += n;
    }
}

dispatch! {
    /// `sum f_i T_i(x)` at x = `start`, `start + 2`, and so on, in units of one over `unit`.
    fn clenshaw(factors: &[f64], start: f64, unit: f64, out: &mut [f32]) = clenshaw_body;
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
